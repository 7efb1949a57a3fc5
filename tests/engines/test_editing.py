"""Models that change a picture by instruction, and SDXL's refiner: beside diffusers' own pipelines on the same tiny
random weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import InvalidRequest, Note
from pipelines.groups import InitImage, Inpaint
from pipelines.types import GenerationRequest
from tests.engines.conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
SIDE = 128  # pixels: at 64 these networks magnify rounding, see tests/models/test_conditioning.py
NAMES = {"edit": "sd15-pix2pix", "refiner": "sdxl-refiner"}


def photo() -> Image.Image:
    values = np.add.outer(np.arange(SIDE), np.arange(SIDE))[..., None] * np.array([1, 2, 3])
    return Image.fromarray((values % 256).astype("uint8"))


INIT = InitImage(image=photo(), strength=1.0)
WISH = GenerationRequest(
    prompt="make it snow", width=SIDE, height=SIDE, steps=3, guidance=5.0, sampler="DDIM", init=INIT
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    for name, kind in NAMES.items():
        model = RandomModel(kind, tiny=True)
        model.write_single(folder / f"{name}.safetensors")
        model.write_folder(folder / f"{name}-folder")
    engine = LocalEngine([folder], device="cpu")
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    yield engine
    engine.close()


def drawn(engine: Any, **changes: Any) -> Image.Image:
    image: Image.Image = engine.generate(batch_of(replace(WISH, **changes), 7), ignore)[0].image
    return image


def pipeline(kind: str, engine: Any, name: str) -> Any:
    """diffusers' own on the folder, with diffusers' own DDIM as the folder's file has it."""
    import diffusers

    path = next(info.path for info in engine.models() if info.name == f"{name}-folder")
    made = getattr(diffusers, kind).from_pretrained(path, dtype=torch.float32, local_files_only=True)
    assert type(made.scheduler) is diffusers.DDIMScheduler
    made.set_progress_bar_config(disable=True)
    return made


def levels_apart(one: Any, other: Any) -> int:
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).max())


@pytest.mark.parametrize("image_guidance", [None, 2.5])
def test_editing_is_what_diffusers_computes(engine: Any, image_guidance: float | None) -> None:
    from pipelines.sampling import noise

    generators = noise.generators((7,))
    for _ in range(2):  # the first draw is the VAE's sample of the picture
        start = noise.randn((4, SIDE // 8, SIDE // 8), generators, "cpu", torch.float32)
    theirs = pipeline("StableDiffusionInstructPix2PixPipeline", engine, "edit")(
        "make it snow",
        image=photo(),
        num_inference_steps=3,
        guidance_scale=5.0,
        image_guidance_scale=1.5 if image_guidance is None else image_guidance,
        latents=start,
    ).images[0]
    for name in ("edit", "edit-folder"):
        ours = drawn(engine, model=name, init=replace(INIT, image_guidance=image_guidance))
        assert levels_apart(ours, theirs) <= 1
    assert levels_apart(theirs, drawn(engine, model="edit", init=replace(INIT, image_guidance=0.0))) > 2


def test_editing_needs_a_picture_and_takes_strength_masks_and_batches(engine: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        drawn(engine, model="edit", init=None)
    assert (caught.value.field, caught.value.note) == ("init_image", Note("picture_to_change_needed"))
    full, half = (drawn(engine, model="edit", init=replace(INIT, strength=part)) for part in (1.0, 0.67))
    assert levels_apart(full, half) > 2
    assert drawn(engine, model="edit", guidance=1.0, width=136).size == (136, SIDE)
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (0, 0, SIDE // 2, SIDE))
    painted = drawn(engine, model="edit", inpaint=Inpaint(mask=mask, mask_blur=0))
    assert levels_apart(*(image.crop((SIDE // 2, 0, SIDE, SIDE)) for image in (painted, photo()))) == 0
    assert levels_apart(painted, photo()) > 2
    several = engine.generate(batch_of(replace(WISH, model="edit", prompt="snow AND rain"), 7, 8), ignore)
    assert len({result.image.tobytes() for result in several}) == 2


@pytest.mark.parametrize("negative", ["", "blurred"])
def test_the_refiner_is_what_diffusers_computes(engine: Any, negative: str) -> None:
    """It is told a score instead of the final size, and an empty negative prompt is words to it."""
    init = replace(INIT, strength=0.67)
    theirs = pipeline("StableDiffusionXLImg2ImgPipeline", engine, "refiner")(
        "make it snow",
        negative_prompt=negative,
        image=photo(),
        strength=0.67,
        num_inference_steps=3,
        guidance_scale=5.0,
        original_size=(SIDE, SIDE),
        target_size=(SIDE, SIDE),
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    for name in ("refiner", "refiner-folder"):
        assert levels_apart(drawn(engine, model=name, negative_prompt=negative, init=init), theirs) <= 1
    assert drawn(engine, model="refiner", init=None).size == (SIDE, SIDE)


def test_image_guidance_is_checked_and_travels_to_the_worker() -> None:
    from pipelines.engines import messages

    with pytest.raises(InvalidRequest) as caught:
        InitImage(image=photo(), image_guidance=-1)
    assert (caught.value.field, caught.value.note) == ("image_guidance", Note("number", low=0, high=30, value=-1))
    batch = batch_of(replace(WISH, init=replace(INIT, image_guidance=2.0)), 7)
    message = messages.from_batch(batch, 1)
    assert messages.to_batch(message).request.init == batch.request.init
