"""Variations of a picture by an unCLIP model, beside diffusers' own pipeline on the same networks."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.groups import Hires, InitImage, Variation
from pipelines.leading import Unclip
from pipelines.types import Batch, GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from tests.conditioning import conditioned  # noqa: E402
from tests.engines.test_control import apart, drawn  # noqa: E402
from tests.engines.test_passes import ddim  # noqa: E402

STEPS, MODEL = 2, "variations"
PICTURE = drawn(1, (80, 56))
WISH = replace(SMALL, steps=STEPS, model=MODEL, unclip=Unclip(picture=PICTURE))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("varying")
    RandomModel("sd21-unclip", tiny=True, dtype="fp32").write_folder(folder / MODEL)
    engine = LocalEngine([folder], device="cpu", exact=True)
    yield engine
    engine.close()


def results(engine: Any, request: GenerationRequest = WISH, *seeds: int, **changes: Any) -> Any:
    asked = replace(request, **changes)
    engine.check(asked)
    return engine.generate(batch_of(asked, *(seeds or (7,))), ignore)


def made(engine: Any, request: GenerationRequest = WISH, **changes: Any) -> Image.Image:
    return results(engine, request, **changes)[0].image


def folder_of(engine: Any) -> Path:
    return Path(next(one.path for one in engine.models() if one.name == MODEL))


@pytest.fixture(scope="module")
def pipeline(engine: Any) -> Any:
    """diffusers' own, on the networks that the engine has and on those in the folder beside them."""
    from diffusers import DDPMScheduler, StableUnCLIPImg2ImgPipeline
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
    from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

    made(engine)
    folder, parts = folder_of(engine), engine.manager.current.parts
    beside = {
        "feature_extractor": CLIPImageProcessorPil.from_pretrained(folder / "feature_extractor"),
        "image_encoder": CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder"),
        "image_normalizer": StableUnCLIPImageNormalizer.from_pretrained(folder / "image_normalizer"),
        "image_noising_scheduler": DDPMScheduler.from_pretrained(folder / "image_noising_scheduler"),
    }
    own = {"unet": parts.unet, "vae": parts.vae, "scheduler": ddim(parts)}
    text = {"tokenizer": parts.tokenizers[0], "text_encoder": parts.text_encoders[0]}
    pipeline = StableUnCLIPImg2ImgPipeline(**beside, **own, **text)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def theirs(pipeline: Any, request: GenerationRequest) -> Image.Image:
    """The noise of what is seen is the first that a generator of the seed draws, that of the picture ours."""
    assert request.unclip is not None
    told = {"prompt": request.prompt, "negative_prompt": request.negative_prompt, "guidance_scale": request.guidance}
    told |= {"image": request.unclip.picture, "noise_level": request.unclip.noise_level}
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7))
    seeded = torch.Generator().manual_seed(7)
    size = {"width": 64, "height": 64, "num_inference_steps": STEPS}
    picture: Image.Image = pipeline(**told, **size, latents=latents, generator=seeded).images[0]
    return picture


@pytest.mark.parametrize("level", [0, 700])
@pytest.mark.parametrize("words", [{}, {"prompt": "", "guidance": 1.0}], ids=["guided", "of the picture alone"])
def test_variations_are_those_of_diffusers(engine: Any, pipeline: Any, level: int, words: dict[str, Any]) -> None:
    request = replace(WISH, unclip=Unclip(picture=PICTURE, noise_level=level), **words)
    assert apart(made(engine, request), theirs(pipeline, request)) <= 1


def test_the_picture_and_the_noise_count(engine: Any) -> None:
    plain = made(engine)
    assert apart(plain, made(engine, unclip=Unclip(picture=drawn(2)))) > 5
    assert apart(plain, made(engine, unclip=Unclip(picture=PICTURE, noise_level=500))) > 5


def test_the_networks_do_not_magnify_rounding(pipeline: Any) -> None:
    """An oracle must not."""
    conditioned(pipeline.image_encoder, torch.rand(1, 3, 30, 30))
    told = {"encoder_hidden_states": torch.randn(1, 77, 1024), "class_labels": torch.randn(1, 32)}
    conditioned(pipeline.unet, torch.randn(1, 4, 8, 8), 500, **told)


def test_each_picture_of_a_batch_is_the_one_of_its_seed(engine: Any) -> None:
    request = replace(WISH, unclip=Unclip(picture=PICTURE, noise_level=600))
    both, alone = results(engine, request, 7, 8), results(engine, request, 8)[0]
    assert both[1].image.tobytes() == alone.image.tobytes() != both[0].image.tobytes()


def test_it_is_made_again_from_what_is_recorded(engine: Any) -> None:
    request = replace(WISH, unclip=Unclip(picture=PICTURE, noise_level=300))
    result = results(engine, request)[0]
    again = engine.generate(Batch.around(result.request, 0), ignore)[0]
    assert again.image.tobytes() == result.image.tobytes()


def test_its_encoder_is_recorded_by_its_hash(engine: Any) -> None:
    file = folder_of(engine) / "image_encoder" / "model.safetensors"
    known = {"name": f"{MODEL}/image_encoder", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert results(engine)[0].facts["unclip_encoder"] == known


@pytest.mark.parametrize(
    "group",
    [
        {"variation": Variation(strength=0.5)},
        {"init": InitImage(image=drawn(3), strength=0.7)},
        {"hires": Hires(by=2.0, steps=2)},
    ],
    ids=lambda group: next(iter(group)),
)
def test_it_goes_with_other_groups(engine: Any, group: dict[str, Any]) -> None:
    first = made(engine, **group)
    assert apart(first, made(engine, **group, unclip=Unclip(picture=drawn(2)))) > 0


def test_without_a_picture_it_is_asked_for_before_the_queue(engine: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.check(replace(WISH, unclip=None))
    assert (caught.value.field, caught.value.note.code) == ("unclip_picture", "unclip_wanted")


def test_another_model_refuses_the_picture(engine: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.check(replace(WISH, model="builtin"))
    assert (caught.value.field, caught.value.note.code) == ("unclip_picture", "unclip_other")


@pytest.mark.parametrize(
    "gone",
    ["image_encoder/model.safetensors", "image_normalizer", "image_noising_scheduler", "image_encoder/config.json"],
)
def test_a_folder_that_lacks_what_it_looks_with_says_so(engine: Any, tmp_path: Path, gone: str) -> None:
    from pipelines.models.checkpoints import identify

    copy = shutil.copytree(folder_of(engine), tmp_path / "copy")
    whole = identify(copy)
    assert (whole.family, whole.variant, whole.problem) == ("sd2", "unCLIP", None)
    missing = copy / gone
    shutil.rmtree(missing) if missing.is_dir() else missing.unlink()
    problem = identify(copy).problem
    assert problem is not None
    assert gone.partition("/")[0] in str(problem.values)
