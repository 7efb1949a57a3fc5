"""A run of two passes, the second one the test's own: the picture twice as large, beside diffusers' own pipelines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from PIL import ImageOps

from pipelines.errors import Cancelled, NotFinite
from pipelines.types import Batch, GenerationRequest, Progress
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines import running  # noqa: E402
from pipelines.engines.modifiers.base import Added, Call, Modifier  # noqa: E402
from pipelines.engines.passes import Outcome, Run  # noqa: E402
from pipelines.engines.running import Denoising  # noqa: E402
from pipelines.engines.starting import Maker, Start  # noqa: E402
from pipelines.models.weights.components import Beside  # noqa: E402

STEPS, AGAIN = 4, 2  # of the first pass, and of the second at half strength


def doubled(latents: Any) -> Any:
    return torch.nn.functional.interpolate(latents, scale_factor=2, mode="nearest")


def larger(batch: Batch, *modifiers: Modifier) -> Denoising:
    request = batch.request
    request = replace(request, width=2 * request.width, height=2 * request.height)

    def start(maker: Maker, before: Outcome | None) -> Start:
        assert before is not None
        return Start(latents=maker.noised(doubled(before.latents)))

    return Denoising(name="larger", request=request, steps=AGAIN, start=start, modifiers=modifiers)


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """A pass that takes pictures and gives pictures."""

    request: GenerationRequest
    name: str = "inverted"
    steps: int = 0
    modifiers: tuple[Modifier, ...] = ()

    def make(self, run: Run, before: Outcome | None) -> Outcome:
        assert before is not None
        pictures = [(ImageOps.invert(image), {**facts, "inverted": True}) for image, facts in run.pictures(before)]
        return replace(before, latents=None, pictures=tuple(pictures), facts={"by": "the test"})


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = running.passes_of
    monkeypatch.setattr(running, "passes_of", lambda batch, *given: (*plain(batch, *given), larger(batch)))


WISH = replace(SMALL, steps=STEPS)


def ddim(parts: Any) -> Any:
    """diffusers' own, told what the model's file says."""
    import diffusers

    told = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "steps_offset", "prediction_type")
    given = {name: parts.scheduler_config[name] for name in told if name in parts.scheduler_config}
    return diffusers.DDIMScheduler(**given, timestep_spacing="leading", clip_sample=False, set_alpha_to_one=False)


def pipelines_of(engine: Any) -> tuple[Any, Any]:
    """diffusers' txt2img and img2img on the engine's own networks, with samplers of diffusers."""
    import diffusers

    parts = engine.manager.current.parts
    shared = {
        "unet": parts.unet,
        "vae": parts.vae,
        "text_encoder": parts.text_encoders[0],
        "tokenizer": parts.tokenizers[0],
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    found = (
        diffusers.StableDiffusionPipeline(**shared, scheduler=ddim(parts)),
        diffusers.StableDiffusionImg2ImgPipeline(**shared, scheduler=ddim(parts)),
    )
    for one in found:
        one.set_progress_bar_config(disable=True)
    return found


def test_the_second_pass_goes_on_with_the_latents_of_the_first(engine: Any, twice: None) -> None:
    told: list[Progress] = []
    result = engine.generate(batch_of(WISH, 7), told.append)[0]
    words = {"prompt": WISH.prompt, "negative_prompt": "", "guidance_scale": WISH.guidance}
    first, second = pipelines_of(engine)
    seeded = [torch.Generator().manual_seed(7) for _ in range(2)]
    size = {"width": 64, "height": 64}
    latents = first(**words, **size, num_inference_steps=STEPS, generator=seeded[0], output_type="latent").images
    theirs = second(
        **words, image=doubled(latents), strength=0.5, num_inference_steps=STEPS, generator=[seeded[1]]
    ).images[0]
    assert result.image.size == (128, 128)
    assert np.abs(np.asarray(result.image).astype(int) - np.asarray(theirs)).max() <= 1
    counted = [(one.pass_number, one.passes, one.step, one.steps) for one in told if one.stage == "denoising"]
    assert counted == [(1, 2, n, STEPS) for n in range(1, STEPS + 1)] + [(2, 2, n, AGAIN) for n in (1, 2)]
    assert [one.stage for one in told].count("decoding") == 1
    assert (told[-1].stage, told[-1].pass_number) == ("decoding", 2)


def test_the_record_tells_of_each_pass_when_there_are_several(
    engine: Any, monkeypatch: pytest.MonkeyPatch, twice: None
) -> None:
    facts = engine.generate(batch_of(WISH, 7), ignore)[0].facts
    assert facts["passes"] == [
        {"name": "first picture", "steps_run": STEPS, "model_calls": STEPS},
        {"name": "larger", "steps_run": AGAIN, "model_calls": AGAIN},
    ]
    assert (facts["steps_run"], facts["model_calls"]) == (STEPS, STEPS)  # of the first, as ever
    monkeypatch.undo()
    told: list[Progress] = []
    assert "passes" not in engine.generate(batch_of(WISH, 7), told.append)[0].facts
    assert {(one.pass_number, one.passes) for one in told} == {(1, 1)}


def test_images_of_a_batch_keep_to_themselves_in_every_pass(engine: Any, twice: None) -> None:
    """One at a time by the plan: each is what a batch of one makes."""
    alone = [engine.generate(batch_of(WISH, seed), ignore)[0].image for seed in (7, 8)]
    plain, planner = engine._planner.ways, engine._planner
    planner.ways = lambda *arguments: replace(plain(*arguments), singly=True)
    try:
        both = engine.generate(batch_of(replace(WISH, batch_size=2), 7, 8), ignore)
    finally:
        del planner.ways
    assert [one.image.tobytes() for one in both] == [one.tobytes() for one in alone]


def calls_of(unet: Any, fails: tuple[int, ...] = ()) -> tuple[list[int], Any]:
    """How many calls were made; those of the numbers in `fails` have too little memory."""
    calls: list[int] = []

    def count(unet: Any, inputs: Any) -> None:
        calls.append(len(inputs[0]))
        if len(calls) in fails:
            raise torch.OutOfMemoryError("CUDA out of memory")

    return calls, unet.register_forward_pre_hook(count)


def test_a_stop_in_the_second_pass_comes_out_within_a_step(engine: Any, twice: None) -> None:
    before = engine.generate(batch_of(WISH, 7), ignore)[0].image
    calls, hook = calls_of(engine.manager.current.parts.unet)
    stop = Cancelled("stopped")

    def on_progress(progress: Progress) -> None:
        if (progress.pass_number, progress.stage, progress.step) == (2, "denoising", 1):
            raise stop

    try:
        with pytest.raises(Cancelled) as caught:
            engine.generate(batch_of(WISH, 7), on_progress)
    finally:
        hook.remove()
    assert caught.value is stop
    assert len(calls) == STEPS + 1
    assert engine.generate(batch_of(WISH, 7), ignore)[0].image.tobytes() == before.tobytes()


def test_the_ladder_repeats_the_second_pass_alone(engine: Any, twice: None) -> None:
    before = engine.generate(batch_of(WISH, 7), ignore)[0]
    calls, hook = calls_of(engine.manager.current.parts.unet, fails=(STEPS + 2,))
    try:
        after = engine.generate(batch_of(WISH, 7), ignore)[0]
    finally:
        hook.remove()
    assert len(calls) == STEPS + 2 + AGAIN
    assert after.facts["memory_rungs"] == ["free cache"]
    assert after.image.tobytes() == before.image.tobytes()


def test_pictures_may_go_on_too(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = engine.generate(batch_of(WISH, 7, 8), ignore)
    passes = running.passes_of
    monkeypatch.setattr(
        running, "passes_of", lambda batch, *given: (*passes(batch, *given), Inverted(request=batch.request))
    )
    told: list[Progress] = []
    found = engine.generate(batch_of(WISH, 7, 8), told.append)
    assert [one.image for one in found] == [ImageOps.invert(one.image) for one in plain]
    assert [one.facts["passes"][1] for one in found] == [{"name": "inverted", "by": "the test"}] * 2
    assert all(one.facts["inverted"] and one.facts["retries"] == 0 for one in found)
    assert [one.pass_number for one in told if one.stage == "decoding"] == [2]  # for the second, and only once


class Weighed(Modifier):
    """A network of its own works beside the UNet, in its type."""

    def __init__(self, channels: int, dtype: Any) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.Conv2d(channels, channels, 1).to(dtype).requires_grad_(False)
        self.weights = (Beside(module=self.network, stage="unet"),)
        self.types: list[Any] = []

    def after_guidance(self, prediction: Any, predictions: Any, call: Call) -> Any:
        self.types.append(prediction.dtype)
        return prediction + 0.1 * self.network(prediction)

    def call(self, call: Call) -> Added:
        return Added()

    def facts(self) -> dict[str, Any]:
        return {"weighed": len(self.types)}


def test_what_works_beside_the_unet_is_widened_with_it(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that run over: all of it once more in float32, and its weights as they were afterwards."""
    from pipelines.models.weights import arranging

    parts = engine.manager.get("builtin").parts
    modifier = Weighed(parts.latent_channels, parts.placement.dtype)
    before = modifier.network.weight.data_ptr()
    plain = running.passes_of
    monkeypatch.setattr(
        running, "passes_of", lambda batch, *given: (replace(plain(batch, *given)[0], modifiers=(modifier,)),)
    )
    hook = parts.unet.register_forward_hook(
        lambda unet, inputs, output: output if output[0].dtype == torch.float32 else (output[0] * float("inf"),)
    )
    try:
        if arranging.can_widen(parts):
            result = engine.generate(batch_of(WISH, 7), ignore)[0]
            assert result.facts["denoised_in"] == "float32"
            assert result.facts["weighed"] == 1 + STEPS
            assert modifier.types == [parts.placement.dtype] + [torch.float32] * STEPS
    finally:
        hook.remove()
    assert (modifier.network.weight.data_ptr(), modifier.network.weight.dtype) == (before, parts.placement.dtype)
    hook = parts.unet.register_forward_hook(lambda unet, inputs, output: (output[0] * float("nan"),))
    try:
        with pytest.raises(NotFinite):
            engine.generate(batch_of(WISH, 7), ignore)
    finally:
        hook.remove()
