"""A batch that is ended at the step it has reached, its pictures kept: what they are, and that they are made again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import Kept
from pipelines.groups import Hires, InitImage, Inpaint
from pipelines.types import Batch, GenerationRequest, OnProgress, Progress
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
torch = pytest.importorskip("torch")

from pipelines.engines.denoising import Ending, Task, denoise  # noqa: E402
from tests.engines.test_modifiers import NOISE, STEPS, euler, network, ours  # noqa: E402

PICTURE = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 40).convert("RGB")


def kept_at(step: int, pass_number: int = 1) -> OnProgress:
    """Says so once, at the first report of that step."""
    said: list[bool] = []

    def on_progress(progress: Progress) -> None:
        here = progress.stage == "denoising" and (progress.pass_number, progress.step) >= (pass_number, step)
        if here and not said:
            said.append(True)
            raise Kept("stopped")

    return on_progress


def made_again(engine: Any, result: Any) -> Any:
    return engine.generate(Batch.around(result.request, result.position, threads=1), ignore)[result.position]


def test_what_is_kept_is_the_clean_picture_that_the_last_call_implies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of noise that was predicted: x0 = x - sigma * noise, arXiv:2010.02502 (12), at k-diffusion's scale."""
    seen: list[tuple[Any, Any]] = []
    scheduler = euler()

    def told(task: Task, latents: Any, after_call: Any) -> Any:
        def listening(call: int, latents: Any, prediction: Any) -> None:
            seen.append((latents, prediction))
            after_call(call, latents, prediction)

        return denoise(replace(task, ending=Ending(after=2)), latents, listening)

    monkeypatch.setattr("tests.engines.test_modifiers.denoise", told)
    found = ours(network(), scheduler, noise=14 * NOISE)
    assert len(seen) == 2 < STEPS
    latents, prediction = seen[-1]
    torch.testing.assert_close(found, latents - scheduler.sigmas[1] * prediction, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sampler", ["Euler a", "Heun", "DPM2 a", "PLMS", "DPM++ 2M SDE", "DPM++ SDE", "UniPC"])
def test_it_is_made_again_whatever_the_sampler(engine: Any, sampler: str) -> None:
    request = replace(SMALL, steps=6, sampler=sampler, batch_size=2)
    whole = engine.generate(batch_of(request, 7, 8), ignore)
    kept = engine.generate(batch_of(request, 7, 8), kept_at(3))
    calls = {one.facts["model_calls"] for one in kept}
    begun = 2 if sampler in ("Heun", "DPM2 a", "DPM++ SDE") else 3  # of two calls a step: the third had but begun
    assert {(one.request.stop_after, one.facts["steps_run"]) for one in kept} == {(begun, begun)}
    assert max(calls) < whole[0].facts["model_calls"]
    for one, other in zip(kept, whole, strict=True):
        again = made_again(engine, one)
        assert again.image.tobytes() == one.image.tobytes() != other.image.tobytes()
        assert again.request == one.request
        assert again.facts["model_calls"] == one.facts["model_calls"]
    after = engine.generate(batch_of(request, 7, 8), ignore)
    assert [one.image.tobytes() for one in after] == [one.image.tobytes() for one in whole]


@pytest.mark.parametrize("soft", [None, False, True])
def test_with_a_start_picture_steps_that_really_run_are_counted(engine: Any, soft: bool | None) -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    inpaint = None if soft is None else Inpaint(mask=mask, mask_blur=2, soft=soft)
    request = replace(SMALL, steps=10, init=InitImage(image=PICTURE, strength=0.5), inpaint=inpaint)
    kept = engine.generate(batch_of(request, 7), kept_at(2))[0]
    assert (kept.request.stop_after, kept.facts["steps_run"]) == (2, 2)
    assert made_again(engine, kept).image.tobytes() == kept.image.tobytes()
    if soft is not None:
        assert kept.facts["changed_outside_mask"] == 0
        assert (np.asarray(kept.image)[:, -16:] == np.asarray(PICTURE)[:, -16:]).all()


HIRES = replace(SMALL, steps=6, hires=Hires(strength=0.5))  # three steps of the second pass


@pytest.mark.parametrize(
    ("pass_number", "step", "after", "size"), [(1, 4, 4, (64, 64)), (1, 6, 6, (64, 64)), (2, 2, 8, (128, 128))]
)
def test_steps_are_counted_over_both_passes_and_a_first_that_is_ended_has_no_second(
    engine: Any, pass_number: int, step: int, after: int, size: tuple[int, int]
) -> None:
    kept = engine.generate(batch_of(HIRES, 7), kept_at(step, pass_number))[0]
    assert kept.request.stop_after == after
    assert kept.image.size == kept.request.size == size
    assert [one.steps for one in kept.request.passes] == ([after] if pass_number == 1 else [6, step])
    assert made_again(engine, kept).image.tobytes() == kept.image.tobytes()


def test_images_that_are_made_one_by_one_end_at_the_same_step(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.models.memory import Ways

    def singly(*_: Any) -> tuple[Ways, int]:
        return Ways(singly=True), 0

    monkeypatch.setattr("pipelines.engines.unet.UNetModel._ways", singly)
    counted, request = [0], replace(SMALL, steps=5, batch_size=3)

    def in_the_second(progress: Progress) -> None:
        counted[0] += progress.stage == "denoising"
        if counted[0] == 5 + 2:
            counted[0] += 100
            raise Kept("stopped")

    kept = engine.generate(batch_of(request, 7, 8, 9), in_the_second)
    assert {(one.request.stop_after, one.facts["steps_run"]) for one in kept} == {(2, 2)}
    for one in kept:
        assert made_again(engine, one).image.tobytes() == one.image.tobytes()


def test_after_all_of_its_steps_a_run_is_whole(engine: Any) -> None:
    whole = engine.generate(batch_of(SMALL, 7), ignore)[0]
    for after in (SMALL.steps, 300):
        assert engine.generate(batch_of(replace(SMALL, stop_after=after), 7), ignore)[0].image == whole.image
    told = engine.generate(batch_of(SMALL, 7), kept_at(SMALL.steps))[0]
    assert (told.image, told.request.stop_after) == (whole.image, 0)


def test_the_progress_of_a_run_that_is_to_end_counts_to_there(engine: Any) -> None:
    told: list[Progress] = []
    engine.generate(batch_of(replace(SMALL, steps=6, stop_after=4), 7), told.append)
    assert [(one.step, one.steps) for one in told if one.stage == "denoising"] == [(n, 4) for n in range(1, 5)]


def test_a_request_says_what_it_runs() -> None:
    assert GenerationRequest(steps=20, stop_after=7).all_steps == 7
    assert GenerationRequest(steps=20, stop_after=0).all_steps == 20
    assert GenerationRequest(steps=20, stop_after=25, hires=Hires(strength=0.5)).all_steps == 25
    assert GenerationRequest(steps=20, stop_after=300, hires=Hires(strength=0.5)).all_steps == 30
    assert GenerationRequest(steps=20, stop_after=20, hires=Hires()).size == (512, 512)
