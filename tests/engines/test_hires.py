"""The second pass in high resolution, beside diffusers' own pipelines run one after the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest
from pipelines.groups import Hires
from pipelines.types import GenerationRequest, Progress
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.enlarging import scaled  # noqa: E402
from tests.engines.test_passes import pipelines_of  # noqa: E402
from tests.upscaling.test_network import saved, whole  # noqa: E402

STEPS = 4
HIRES = Hires(strength=0.5)
WISH = replace(SMALL, steps=STEPS, hires=HIRES)
WORDS = {"prompt": SMALL.prompt, "negative_prompt": "", "guidance_scale": SMALL.guidance}


def seeded(seed: int = 7) -> Any:
    return torch.Generator().manual_seed(seed)


def apart(ours: Any, theirs: Any) -> int:
    return int(np.abs(np.asarray(ours).astype(int) - np.asarray(theirs)).max())


def first_latents(first: Any) -> Any:
    size = {"width": SMALL.width, "height": SMALL.height}
    return first(**WORDS, **size, num_inference_steps=STEPS, generator=seeded(), output_type="latent").images


def refined(second: Any, image: Any, **words: Any) -> Any:
    told = {"strength": 0.5, "num_inference_steps": STEPS, **WORDS, **words}
    return second(image=image, generator=[seeded()], **told).images[0]


def test_latents_made_larger_are_refined_as_diffusers_refines_them(engine: Any) -> None:
    told: list[Progress] = []
    result = engine.generate(batch_of(WISH, 7), told.append)[0]
    first, second = pipelines_of(engine)
    assert result.image.size == (128, 128)
    factor = engine.manager.current.parts.vae_factor
    larger = torch.nn.functional.interpolate(first_latents(first), size=(128 // factor,) * 2, mode="bilinear")
    assert apart(result.image, refined(second, larger)) <= 1
    counted = [(one.pass_number, one.passes, one.step, one.steps) for one in told if one.stage == "denoising"]
    assert counted == [(1, 2, n, STEPS) for n in range(1, STEPS + 1)] + [(2, 2, n, 2) for n in (1, 2)]


def test_what_the_second_pass_has_of_its_own(engine: Any) -> None:
    own = Hires(strength=0.5, steps=6, guidance=2.0, prompt="a blue heart", negative_prompt="red")
    result = engine.generate(batch_of(replace(WISH, hires=own), 7), ignore)[0]
    first, second = pipelines_of(engine)
    factor = engine.manager.current.parts.vae_factor
    larger = torch.nn.functional.interpolate(first_latents(first), size=(128 // factor,) * 2, mode="bilinear")
    words = {"prompt": "a blue heart", "negative_prompt": "red", "guidance_scale": 2.0, "num_inference_steps": 6}
    assert apart(result.image, refined(second, larger, **words)) <= 1
    assert result.facts["passes"][1] == {"name": "hires", "steps_run": 3, "model_calls": 3}


def test_pixels_made_larger_are_refined_as_diffusers_refines_them(engine: Any) -> None:
    from PIL import Image

    for upscaler in ("lanczos", "nearest"):
        request = replace(WISH, hires=replace(HIRES, upscaler=upscaler))
        result = engine.generate(batch_of(request, 7), ignore)[0]
        first, second = pipelines_of(engine)
        size = {"width": SMALL.width, "height": SMALL.height}
        picture = first(**WORDS, **size, num_inference_steps=STEPS, generator=seeded()).images[0]
        larger = picture.resize((128, 128), Image.Resampling[upscaler.upper()])
        assert apart(result.image, refined(second, larger)) <= 1


def test_an_upscaler_of_a_file_makes_the_picture_larger(tmp_path: Path) -> None:
    from pipelines.engines.local import LocalEngine

    info = saved(tmp_path, "compact", "mine")
    engine = LocalEngine([tmp_path], device="cpu")
    try:
        told: list[Progress] = []
        request = replace(WISH, hires=replace(HIRES, upscaler="mine"))
        result = engine.generate(batch_of(request, 7), told.append)[0]
        first, second = pipelines_of(engine)
        size = {"width": SMALL.width, "height": SMALL.height}
        picture = first(**WORDS, **size, num_inference_steps=STEPS, generator=seeded()).images[0]
        assert apart(result.image, refined(second, pil(whole(info, picture)))) <= 1
        assert result.facts["upscaler"] == {"name": "mine", "sha256": engine._hash(info)}
        assert result.facts["passes"][1]["upscaler"] == {
            **{"name": "mine", "architecture": "Compact", "scale": 2, "passes": 1},
            "dtype": "float32",
        }
        assert [(one.step, one.steps, one.pass_number) for one in told if one.stage == "upscaling"] == [(1, 1, 2)]
        again = engine.generate(batch_of(result.request, 7), ignore)[0]
        assert again.image.tobytes() == result.image.tobytes()
    finally:
        engine.close()


def pil(pixels: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)


def test_images_of_a_batch_are_each_its_own(engine: Any) -> None:
    """With pixels between the passes: what an image begins the second with comes of its own first."""
    request = replace(WISH, batch_size=2, hires=replace(HIRES, upscaler="lanczos"))
    plain, planner = engine._planner.ways, engine._planner
    planner.ways = lambda *arguments: replace(plain(*arguments), singly=True)
    try:
        both = engine.generate(batch_of(request, 7, 8), ignore)
    finally:
        del planner.ways
    alone = [engine.generate(batch_of(replace(request, batch_size=1), seed), ignore)[0] for seed in (7, 8)]
    assert [one.image.tobytes() for one in both] == [one.image.tobytes() for one in alone]


@pytest.mark.parametrize(
    ("hires", "size"),
    [
        (Hires(by=1.5), (96, 96)),
        (Hires(by=1.1), (72, 72)),  # 70.4, and the nearest multiple of eight
        (Hires(width=128), (128, 128)),
        (Hires(height=96), (96, 96)),
        (Hires(width=128, height=96), (128, 96)),
        (Hires(width=96, height=128, upscaler="lanczos"), (96, 128)),
    ],
)
def test_its_size(hires: Hires, size: tuple[int, int], engine: Any) -> None:
    request = replace(WISH, hires=replace(hires, strength=0.5))
    assert request.size == size
    assert engine.generate(batch_of(request, 7), ignore)[0].image.size == size


def test_another_shape_keeps_the_middle() -> None:
    ramp = torch.arange(8.0).expand(1, 4, 8, 8)
    found = scaled(ramp, (8, 16), "latent nearest")  # twice as large, and half of the width cut away
    assert found.shape == (1, 4, 16, 8)
    assert found[0, 0, 0].tolist() == [2, 2, 3, 3, 4, 4, 5, 5]


def test_a_picture_without_a_second_pass_is_as_it_was(engine: Any) -> None:
    plain = replace(WISH, hires=None)
    result = engine.generate(batch_of(plain, 7), ignore)[0]
    first, _ = pipelines_of(engine)
    size = {"width": SMALL.width, "height": SMALL.height}
    theirs = first(**WORDS, **size, num_inference_steps=STEPS, generator=seeded()).images[0]
    assert apart(result.image, theirs) <= 1
    assert "passes" not in result.facts


def test_what_is_wrong_is_told_before_it_is_queued(engine: Any) -> None:
    def refusal(request: GenerationRequest) -> tuple[str, str]:
        with pytest.raises(InvalidRequest) as caught:
            engine.check(request)
        return caught.value.field, caught.value.note.code

    assert refusal(replace(WISH, hires=Hires(upscaler="4x-mine"))) == ("hires_upscaler", "choice")
    assert refusal(replace(WISH, hires=Hires(prompt="a star <lora:mine:1>"))) == ("hires_prompt", "lora_second")
    engine.check(WISH)
