"""The seam of what changes the denoising: modifiers of the test's own, beside a plain loop over diffusers' UNet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from pipelines.engines.conditioning import NEGATIVE, POSITIVE, Conditioning, Predictions, Rows  # noqa: E402
from pipelines.engines.denoising import Task, denoise  # noqa: E402
from pipelines.engines.modifiers.attention import Watcher  # noqa: E402
from pipelines.engines.modifiers.base import Added, Call, Modifier, arguments_of  # noqa: E402
from pipelines.engines.modifiers.editing import PictureGuidance  # noqa: E402
from pipelines.engines.modifiers.inpainting import Blending, MaskedPicture  # noqa: E402
from pipelines.engines.replay import Replays, Room  # noqa: E402
from pipelines.prompts.encoding import Encoded, PromptConditioning  # noqa: E402
from tests.conditioning import conditioned  # noqa: E402

IMAGES, STEPS, GUIDANCE = 2, 4, 3.0
WIDTH = 24  # of the words


def network(channels: int = 4) -> Any:
    """diffusers' own, tiny: two levels, so four skips and three more from the ends of its levels."""
    torch.manual_seed(0)
    made = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    given = drawn(IMAGES, channels, 8, 8), torch.tensor([500.0]), drawn(IMAGES, 77, WIDTH, seed=2)
    return conditioned(made.eval().requires_grad_(False), *given)


def drawn(*shape: int, seed: int = 1) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


POSITIVES, NEGATIVES, NOISE = drawn(1, 77, WIDTH, seed=2), drawn(1, 77, WIDTH, seed=3), drawn(IMAGES, 4, 8, 8)


def ours(unet: Any, scheduler: Any, *modifiers: Modifier, noise: Any = NOISE, replays: Replays | None = None) -> Any:
    """`denoise` with two prompts and these modifiers. `replays`: calls may be replayed."""

    def prompt(words: Any) -> PromptConditioning:
        return PromptConditioning(moments=((Encoded(embedding=words),),), empty=Encoded(embedding=words))

    conditioning = Conditioning(positive=prompt(POSITIVES), negative=prompt(NEGATIVES), guidance=GUIDANCE, sizes=None)
    scheduler.set_timesteps(STEPS)
    task = Task(
        unet=unet,
        scheduler=scheduler,
        timesteps=scheduler.timesteps,
        steps=STEPS,
        conditioning=conditioning,
        generators=[torch.Generator()] * IMAGES,
        modifiers=modifiers,
    )
    if replays is not None and task.capturable:
        task = replace(task, stand=replays.of(unet, calls=task.calls, room=Room(most=10**9, each=1)))
    with torch.no_grad():
        return denoise(task, noise, lambda call, latents, prediction: None)


def euler() -> Any:
    return diffusers.EulerDiscreteScheduler(timestep_spacing="linspace")


@dataclass
class Pushed(Modifier):
    """Adds to the skips and the middle, as a ControlNet does."""

    down: list[Any]
    middle: Any

    def call(self, call: Call) -> Added:
        share = call.step / STEPS
        return Added(down=[share * one for one in self.down], middle=share * self.middle)


class Third(Modifier):
    """Rows of its own, which see half of the words; the picture is led away from what they say."""

    more_rows = 1

    def rows(self, rows: tuple[Rows, ...], step: int) -> tuple[Rows, ...]:
        return (*rows, *(replace(one, role="third", words=one.words / 2) for one in rows if one.role == POSITIVE))

    def after_guidance(self, prediction: Any, predictions: Predictions, call: Call) -> Any:
        return prediction + 0.5 * (predictions.positive[0] - predictions.others["third"])


class Late(Modifier):
    """Guidance in the second half only, then a smaller prediction, and latents kept in bounds."""

    def before_guidance(self, predictions: Predictions, call: Call) -> Predictions:
        return replace(predictions, guidance=1.0) if call.number < call.calls // 2 else predictions

    def after_guidance(self, prediction: Any, predictions: Predictions, call: Call) -> Any:
        return 0.9 * prediction

    def after_step(self, latents: Any, scheduler: Any, next_timestep: Any) -> Any:
        return latents.clamp(-12, 12)


def test_several_together_are_a_plain_loop() -> None:
    unet, scheduler = network(), euler()
    residuals = [drawn(1, 16, 8, 8, seed=10), drawn(1, 16, 8, 8, seed=11), drawn(1, 16, 4, 4, seed=12)]
    residuals += [drawn(1, 32, 4, 4, seed=13)]
    middle = drawn(1, 32, 4, 4, seed=14)
    other = [0.5 * one for one in residuals]
    found = ours(unet, euler(), Pushed(residuals, middle), Third(), Late(), Pushed(other, 2 * middle))
    # the plain loop
    scheduler.set_timesteps(STEPS)
    latents = NOISE
    words = torch.cat([one.expand(IMAGES, -1, -1) for one in (NEGATIVES, POSITIVES, POSITIVES / 2)])
    for number, timestep in enumerate(scheduler.timesteps):
        share = (number + 1) / STEPS
        with torch.no_grad():
            said = unet(
                scheduler.scale_model_input(torch.cat([latents] * 3), timestep),
                timestep,
                encoder_hidden_states=words,
                down_block_additional_residuals=tuple(1.5 * share * one for one in residuals),
                mid_block_additional_residual=3 * share * middle,
            ).sample
        negative, positive, third = said.chunk(3)
        guided = negative + (1.0 if number < STEPS // 2 else GUIDANCE) * (positive - negative)
        guided = 0.9 * (guided + 0.5 * (positive - third))
        latents = scheduler.step(guided, timestep, latents).prev_sample.clamp(-12, 12)
    torch.testing.assert_close(found, latents, rtol=1e-4, atol=1e-4)
    for fewer in ((Third(), Late()), (Pushed(residuals, middle), Late()), (Pushed(residuals, middle), Third())):
        assert float((ours(unet, euler(), *fewer) - latents).abs().max()) > 0.01  # each of them counts


def test_without_modifiers_the_network_is_told_nothing_more() -> None:
    unet, told = network(), list[Any]()
    hook = unet.register_forward_pre_hook(
        lambda unet, values, named: told.append((len(values[0]), *named)), with_kwargs=True
    )
    ours(unet, euler())
    hook.remove()
    assert told == [(2 * IMAGES, "encoder_hidden_states", "added_cond_kwargs", "return_dict")] * STEPS


class Channel(Modifier):
    def __init__(self, value: float) -> None:
        self.value = value

    def call(self, call: Call) -> Added:
        return Added(channels=torch.full_like(call.sample[:, :1], self.value))


def test_channels_stand_in_the_order_of_the_modifiers() -> None:
    unet, seen = network(channels=6), list[Any]()
    hook = unet.register_forward_pre_hook(lambda unet, values: seen.append(values[0]))
    ours(unet, euler(), Channel(1.0), Channel(2.0))
    hook.remove()
    assert [tuple(one.shape) for one in seen] == [(2 * IMAGES, 6, 8, 8)] * STEPS
    assert all(bool((one[:, 4] == 1).all()) and bool((one[:, 5] == 2).all()) for one in seen)


class Noted(Modifier):
    """Writes down when it is asked for what."""

    def __init__(self, name: str, log: list[str], fails: bool = False) -> None:
        self.name, self.log, self.fails = name, log, fails

    def _note(self, what: str) -> None:
        self.log.append(f"{self.name} {what}")

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        self._note("in")
        try:
            yield
        finally:
            self._note("out")

    def rows(self, rows: tuple[Rows, ...], step: int) -> tuple[Rows, ...]:
        self._note("rows")
        return rows

    def call(self, call: Call) -> Added:
        self._note("call")
        if self.fails:
            raise ZeroDivisionError
        return Added()

    def before_guidance(self, predictions: Predictions, call: Call) -> Predictions:
        self._note("before")
        return predictions

    def after_guidance(self, prediction: Any, predictions: Predictions, call: Call) -> Any:
        self._note("after")
        return prediction

    def after_step(self, latents: Any, scheduler: Any, next_timestep: Any) -> Any:
        self._note("end" if next_timestep is None else "step")
        return latents


def test_they_are_asked_in_their_order_and_taken_out_in_the_opposite() -> None:
    log: list[str] = []
    ours(network(), euler(), Noted("a", log), Noted("b", log))
    asked = [f"{name} {what}" for what in ("rows", "call", "before", "after", "step") for name in "ab"]
    assert log == ["a in", "b in", *asked * (STEPS - 1), *asked[:-2], "a end", "b end", "b out", "a out"]
    log.clear()
    with pytest.raises(ZeroDivisionError):
        ours(network(), euler(), Noted("a", log), Noted("b", log, fails=True))
    assert log == ["a in", "b in", "a rows", "b rows", "a call", "b call", "b out", "a out"]


def test_two_call_samplers_settle_once_a_step() -> None:
    from pipelines.sampling.schedulers import make_scheduler

    log: list[str] = []
    scheduler = make_scheduler("Heun", "automatic", {}, (0,))
    ours(network(), scheduler, Noted("a", log))
    assert [one for one in log if one in ("a step", "a end")] == ["a step"] * (STEPS - 1) + ["a end"]
    assert log.count("a call") == 2 * STEPS - 1


def test_arguments_are_joined_and_never_lost_in_silence() -> None:
    call = Call(
        number=0,
        calls=1,
        step=1,
        timestep=torch.tensor(1),
        latents=NOISE,
        sample=NOISE,
        rows=(Rows(role=NEGATIVE, words=NEGATIVES),),
        words=NEGATIVES,
        conditions={"time_ids": 1},
    )
    more = [Added(conditions={"image_embeds": 2}, attention={"scale": 3}), Added(attention={"mask": 4})]
    arguments = arguments_of(more, call)
    assert arguments["added_cond_kwargs"] == {"time_ids": 1, "image_embeds": 2}
    assert arguments["cross_attention_kwargs"] == {"scale": 3, "mask": 4}
    assert call.conditions == {"time_ids": 1}  # the next call begins anew
    for clash in ([Added(attention={"mask": 1})] * 2, [Added(conditions={"time_ids": 2})]):
        with pytest.raises(ValueError, match="two modifiers give"):
            arguments_of(clash, call)
    for half in ({"down": (NOISE,)}, {"middle": NOISE}):
        with pytest.raises(ValueError, match="together"):
            Added(**half)


def test_what_may_be_captured_in_a_graph() -> None:
    """What looks on by Python may not; what gives tensors may, and one that may not is enough."""
    may = [Blending(mask=NOISE, original=NOISE, noise=NOISE), MaskedPicture(channels=NOISE)]
    may.append(PictureGuidance(picture=NOISE, guidance=1.0))
    assert all(one.capturable for one in may)
    assert not Watcher.capturable
    common = {name: None for name in ("unet", "scheduler", "timesteps", "steps", "conditioning", "generators")}
    blind = Modifier()
    blind.capturable = False
    assert Task(**common, modifiers=tuple(may)).capturable  # type: ignore[arg-type]
    assert not Task(**common, modifiers=(*may, blind)).capturable  # type: ignore[arg-type]
