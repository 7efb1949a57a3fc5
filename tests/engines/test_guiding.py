"""How the prompts lead: each way beside its paper's formula, in numpy's float64, of what the network said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest
from pipelines.groups import Guiding, Hires
from pipelines.types import ModelInfo
from tests.engines.conftest import SMALL, Run

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.modifiers.base import Call, Modifier  # noqa: E402
from pipelines.engines.modifiers.guiding import modifiers_of  # noqa: E402
from pipelines.sampling.schedulers import make_scheduler, timesteps_for  # noqa: E402
from tests.engines.test_modifiers import GUIDANCE, STEPS, euler, ours  # noqa: E402

PREDICTIONS = ("epsilon", "v_prediction")


@dataclass
class Said:
    """Of one call, in float64: what the network said, and what it became."""

    latents: Any
    negative: Any  # None where there was none
    positive: Any
    guided: Any
    others: dict[str, Any]


class Listener(Modifier):
    """Stands behind all others and writes down."""

    def __init__(self) -> None:
        self.said: list[Said] = []

    def after_guidance(self, prediction: Any, predictions: Any, call: Call) -> Any:
        def plain(values: Any) -> Any:
            return None if values is None else values.double().numpy()

        self.said.append(
            Said(
                latents=plain(call.latents),
                negative=plain(predictions.negative),
                positive=plain(predictions.positive[0]),
                guided=plain(prediction),
                others={role: plain(values) for role, values in predictions.others.items()},
            )
        )
        return prediction


class Talkative(torch.nn.Module):  # type: ignore[misc]
    """A network that says something quite different to each prompt."""

    def forward(self, sample: Any, timestep: Any, encoder_hidden_states: Any, **_: Any) -> Any:
        own = encoder_hidden_states.flatten(1)[:, : sample[0].numel()].reshape(sample.shape)
        return (0.5 * torch.tanh(sample + own) + 0.7 * own,)


def listened(guiding: Guiding, scheduler: Any = None) -> tuple[list[Said], Any]:
    """What was said with two prompts, in each call, and the latents."""
    listener = Listener()
    latents = ours(Talkative(), scheduler or euler(), *modifiers_of(guiding), listener)
    return listener.said, latents


def close(found: Any, wanted: Any) -> None:
    """As near as float32 comes to the formula."""
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4 * float(np.abs(wanted).max()))


def free(said: Said) -> Any:
    """Classifier-free guidance: Ho & Salimans 2022."""
    return said.negative + GUIDANCE * (said.positive - said.negative)


def deviation(values: Any) -> Any:
    """Of each image, as the paper's own code takes it: torch.std divides by one less than there are."""
    return values.reshape(len(values), -1).std(axis=1, ddof=1).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_rescale(share: float) -> None:
    """arXiv:2305.08891 §3.4, equations 14 to 16."""
    said, _ = listened(Guiding(rescale=share))
    assert len(said) == STEPS
    for one in said:
        guided = free(one)
        narrowed = guided * deviation(one.positive) / deviation(guided)
        close(one.guided, share * narrowed + (1 - share) * guided)
        assert np.abs(one.guided - guided).max() > 1e-3


def led(said: list[Said]) -> list[bool]:
    """Which calls had the negative prompt; the others must be what was said with the prompt."""
    for one in said:
        if one.negative is None:
            np.testing.assert_array_equal(one.guided, one.positive)
        else:
            close(one.guided, free(one))
    return [one.negative is not None for one in said]


@pytest.mark.parametrize(("start", "stop"), [(0.25, 1.0), (0.0, 0.5), (0.2, 0.75), (1.0, 1.0), (0.0, 0.0)])
def test_the_interval(start: float, stop: float) -> None:
    """arXiv:2404.07724, equation 6: the guidance is 1 outside of it. A1111 skips step/steps <= start, not at 0."""
    said, _ = listened(Guiding(start=start, stop=stop))
    shares = [number / STEPS for number in range(STEPS)]
    assert led(said) == [(start == 0 or not share <= start) and share < stop for share in shares]


@pytest.mark.parametrize("all_steps", [False, True])
def test_no_negative_prompt_below_a_noise(all_steps: bool) -> None:
    """A1111: `(step % 2 or all) and sigma < least`, by k-diffusion's sigmas."""
    scheduler = euler()
    scheduler.set_timesteps(STEPS)
    sigmas = [float(sigma) for sigma in scheduler.sigmas[:STEPS]]
    least = (sigmas[0] + sigmas[1]) / 2  # all but the first are below it
    said, _ = listened(Guiding(least_sigma=min(15.0, least), all_steps=all_steps))
    wanted = [not (sigma < min(15.0, least) and (all_steps or number % 2)) for number, sigma in enumerate(sigmas)]
    assert led(said) == wanted
    assert set(wanted) == {True, False}


def test_a_step_of_two_calls_is_one_step() -> None:
    said, _ = listened(Guiding(stop=0.5), make_scheduler("Heun", "automatic", {}, (0,)))
    assert led(said) == [True] * 4 + [False] * 3


def test_several_prompts_and_no_guidance(run: Run) -> None:
    """AND works with each way; without guidance and perturbation there is nothing to change."""
    changed = Guiding(rescale=0.7)
    two = {"prompt": "a red house AND a blue star :0.6", "steps": 2}
    assert run(**two, guiding=changed)[0].image.tobytes() != run(**two)[0].image.tobytes()
    plain = run(guidance=1.0)[0].image.tobytes()
    assert run(guidance=1.0, guiding=changed)[0].image.tobytes() == plain


def test_with_nothing_set_every_picture_is_as_before(run: Run) -> None:
    assert modifiers_of(None) == modifiers_of(Guiding()) == ()
    assert run(guiding=Guiding())[0].image.tobytes() == run()[0].image.tobytes()


def test_the_second_pass_is_led_in_the_same_way(run: Run) -> None:
    hires, changed = Hires(strength=0.5, by=1.25), Guiding(rescale=1.0)
    from pipelines.engines import running
    from pipelines.prompts.wish import wish_of

    request = replace(SMALL, steps=4, hires=hires, guiding=changed)
    passes = running.passes_of(next(request.batches_from(7)), wish_of(request))
    assert [one.modifiers for one in passes] == [modifiers_of(changed)] * 2
    assert run(steps=4, hires=hires, guiding=changed)[0].image.size == (80, 80)


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "DPM++ 2M", "Heun", "UniPC", "LCM"])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_what_a_prediction_implies_and_back(sampler: str, prediction: str) -> None:
    """The picture beneath the noise, of latents that were made of it by the scheduler itself."""
    from pipelines.sampling.levels import level_at

    scheduler = make_scheduler(sampler, "automatic", {"prediction_type": prediction}, (0,))
    timesteps = timesteps_for(scheduler, 8, 6)
    picture, noise = torch.randn(2, 4, 8, 8, dtype=torch.float32), torch.randn(2, 4, 8, 8)
    latents = scheduler.add_noise(picture, noise, timesteps[:1])
    level = level_at(timesteps[0], scheduler)
    said = noise if prediction == "epsilon" else level.alpha * noise - level.sigma * picture
    torch.testing.assert_close(level.clean(latents, said), picture, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(level.prediction(latents, level.clean(latents, said)), said, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("family", "variant"), [("sd3", ""), ("flux", "dev")])
def test_a_model_that_cannot_is_refused_at_the_switch(family: str, variant: str) -> None:
    from pipelines import families

    info = ModelInfo(name="a", family=family, variant=variant, path="", sampler="Euler")
    request = replace(SMALL, sampler="Euler", guidance=1.0, guiding=Guiding())
    with pytest.raises(InvalidRequest) as caught:
        families.of(family).check(info, request)
    assert (caught.value.field, caught.value.note.code) == ("guiding", "not_with")
