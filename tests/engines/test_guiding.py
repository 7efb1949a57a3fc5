"""How the prompts lead: each way beside its paper's formula, in numpy's float64, of what the network said."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest
from pipelines.groups import Hires
from pipelines.leading import Guiding
from pipelines.types import ModelInfo
from tests.engines.conftest import SMALL, Run

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.modifiers.base import Call, Modifier  # noqa: E402
from pipelines.engines.modifiers.guiding import modifiers_of  # noqa: E402
from pipelines.sampling.schedulers import make_scheduler, timesteps_for  # noqa: E402
from tests.engines.test_modifiers import GUIDANCE, NEGATIVES, NOISE, POSITIVES, STEPS, euler, network, ours  # noqa: E402

WAYS = (
    Guiding(rescale=0.7),
    Guiding(method="zero star"),
    Guiding(method="projected"),
    Guiding(method="thresholded", mimicked=2.0),
    Guiding(attention=3.0),
    Guiding(layers=2.0),
    Guiding(smoothing=2.0, blur=1.0),
    Guiding(freeu=True),
)
PREDICTIONS = ("epsilon", "v_prediction")


@dataclass
class Said:
    """Of one call, in float64: what the network said, and what it became."""

    latents: Any
    negative: Any  # None where there was none
    positive: Any
    guided: Any
    others: dict[str, Any]


class First(Modifier):
    """Stands before all others and writes down what the network said."""

    def __init__(self, last: Listener) -> None:
        self.last = last

    def before_guidance(self, predictions: Any, call: Call) -> Any:
        self.last.heard = predictions
        return predictions


class Listener(Modifier):
    """Stands behind all others and writes down what became of it."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.heard: Any = None

    def after_guidance(self, prediction: Any, predictions: Any, call: Call) -> Any:
        def plain(values: Any) -> Any:
            return None if values is None else values.double().numpy()

        predictions = self.heard
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


def listened(guiding: Guiding, scheduler: Any = None, unet: Any = None, noise: Any = NOISE) -> tuple[list[Said], Any]:
    """What was said with two prompts, in each call, and the latents."""
    listener = Listener()
    modifiers = First(listener), *modifiers_of(guiding), listener
    latents = ours(unet or Talkative(), scheduler or euler(), *modifiers, noise=noise)
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
    """arXiv:2305.08891 §3.4."""
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
    """arXiv:2404.07724: the guidance is 1 outside of it. A1111 skips step/steps <= start, not at 0."""
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
    heun = make_scheduler("Heun", "automatic", {}, (0,))
    heun.set_timesteps(STEPS)
    first = float(heun.sigmas[2])  # of the second step's first call; its second call is at less noise
    said, _ = listened(
        Guiding(least_sigma=first * 0.999, all_steps=True), make_scheduler("Heun", "automatic", {}, (0,))
    )
    assert led(said) == [True] * 4 + [False] * 3


def flat(values: Any) -> Any:
    return values.reshape(len(values), -1)


def test_zero_star() -> None:
    """arXiv:2503.18886: s* = <c, n> / |n|², then (1 − w) s* n + w c; the first steps are 0."""
    said, _ = listened(Guiding(method="zero star", zero_steps=1))
    np.testing.assert_array_equal(said[0].guided, 0)
    for one in said[1:]:
        best = (flat(one.positive) * flat(one.negative)).sum(1) / (flat(one.negative) ** 2).sum(1)
        close(one.guided, (1 - GUIDANCE) * best.reshape(-1, 1, 1, 1) * one.negative + GUIDANCE * one.positive)
        assert np.abs(best - 1).min() > 0.01


def shares(scheduler: Any, number: int) -> tuple[float, float]:
    """alpha and sigma of a call, by the scheduler's own table: a picture's share and that of the noise."""
    noise = float(scheduler.sigmas[number])
    return 1 / (1 + noise**2) ** 0.5, noise / (1 + noise**2) ** 0.5


def denoised(scheduler: Any, number: int, latents: Any, prediction: Any) -> Any:
    """D(z): Karras et al. 2022, table 1, of latents whose picture stands at scale 1."""
    alpha, sigma = shares(scheduler, number)
    if scheduler.config.prediction_type == "epsilon":
        return latents - sigma / alpha * prediction
    return alpha * (alpha * latents) - sigma * prediction


def predicting(prediction: str) -> Any:
    """A scheduler whose sigmas stay small: else float32 would say little of the picture beneath."""
    import diffusers

    return diffusers.EulerDiscreteScheduler(
        timestep_spacing="linspace", prediction_type=prediction, beta_end=0.004, num_train_timesteps=500
    )


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(("along", "longest", "momentum"), [(0.0, 1.0, -0.5), (0.3, 0.0, 0.0), (1.0, 0.0, 0.0)])
def test_projected(prediction: str, along: float, longest: float, momentum: float) -> None:
    """arXiv:2410.02416, as its authors wrote it down: of D(z, c) − D(z)."""
    scheduler = predicting(prediction)
    said, _ = listened(Guiding(method="projected", along=along, longest=longest, momentum=momentum), scheduler)
    average: Any = 0.0
    for number, one in enumerate(said):
        positive, negative = (denoised(scheduler, number, one.latents, way) for way in (one.positive, one.negative))
        average = positive - negative + momentum * average
        difference = flat(average)
        if longest:
            length = np.linalg.norm(difference, axis=1, keepdims=True)
            assert (length > longest).any()
            difference = difference * np.minimum(1, longest / length)
        unit = flat(positive) / np.linalg.norm(flat(positive), axis=1, keepdims=True)
        parallel = (difference * unit).sum(1, keepdims=True) * unit
        update = difference - parallel + along * parallel
        wanted = positive + (GUIDANCE - 1) * update.reshape(positive.shape)
        close(denoised(scheduler, number, one.latents, one.guided), wanted)
        if (along, longest, momentum) == (1.0, 0.0, 0.0):
            close(one.guided, free(one))  # nothing but classifier-free guidance


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(("mimicked", "percentile"), [(1.5, 95.0), (1.0, 100.0), (30.0, 100.0)])
def test_thresholded(prediction: str, mimicked: float, percentile: float) -> None:
    """arXiv:2205.11487 §2.3 for each channel about its mean: s is the quantile; where it is beyond what may be, clip to
    ± s and divide by s. What may be (1 for pixels) is how far the lower guidance reaches."""
    scheduler = predicting(prediction)
    said, _ = listened(Guiding(method="thresholded", mimicked=mimicked, percentile=percentile), scheduler)
    for number, one in enumerate(said):
        guided = denoised(scheduler, number, one.latents, free(one))
        lower = one.negative + mimicked * (one.positive - one.negative)
        lower = denoised(scheduler, number, one.latents, lower)
        wanted = np.empty_like(guided)
        for image, channel in np.ndindex(guided.shape[:2]):
            values, least = guided[image, channel], lower[image, channel]
            centred, reach = values - values.mean(), np.abs(least - least.mean()).max()
            s = np.quantile(np.abs(centred), percentile / 100)
            kept = np.clip(centred, -s, s) / s * reach if s > reach else np.clip(centred, -reach, reach)
            wanted[image, channel] = values.mean() + kept
        close(denoised(scheduler, number, one.latents, one.guided), wanted)
        assert (np.abs(wanted - guided).max() > 1e-3) == (mimicked < GUIDANCE)


def spoken(unet: Any, one: Said, scheduler: Any, number: int, *words: Any) -> Any:
    """What the network says of some latents with these words, a group of rows each."""
    timestep = scheduler.timesteps[number]
    sample = torch.from_numpy(one.latents).float() / (float(scheduler.sigmas[number]) ** 2 + 1) ** 0.5
    told = torch.cat([word.expand(len(sample), -1, -1) for word in words])
    with torch.no_grad():
        found = unet(torch.cat([sample] * len(words)), timestep, encoder_hidden_states=told).sample
    return [part.double().numpy() for part in found.chunk(len(words))]


def lively() -> Any:
    """diffusers' tiny network, whose middle says something."""
    unet = network()
    for parameter in unet.mid_block.parameters():
        parameter.mul_(3)
    return unet


def test_perturbed_attention() -> None:
    """arXiv:2403.17377 beside classifier-free guidance, with diffusers' own processor for three groups of rows."""
    from diffusers.models.attention_processor import PAGCFGIdentitySelfAttnProcessor2_0

    unet, scheduler, scale = lively(), euler(), 2.5
    said, _ = listened(Guiding(attention=scale), scheduler, unet)
    before = dict(unet.attn_processors)
    theirs = {
        name: PAGCFGIdentitySelfAttnProcessor2_0() if name.startswith("mid_block") and "attn1" in name else own
        for name, own in before.items()
    }
    assert theirs != before
    unet.set_attn_processor(theirs)
    for number, one in enumerate(said):
        words = NEGATIVES, POSITIVES, POSITIVES
        negative, positive, perturbed = spoken(unet, one, scheduler, number, *words)
        close(one.guided, negative + GUIDANCE * (positive - negative) + scale * (positive - perturbed))
        assert np.abs(positive - perturbed).max() > 1e-2


@pytest.mark.parametrize(("blur", "height", "width"), [(0.0, 8, 8), (0.7, 8, 8), (5.0, 8, 8), (1.0, 8, 16)])
def test_smoothed_energy(blur: float, height: int, width: int) -> None:
    """arXiv:2408.00760, §4: queries times a Gaussian, here as a matrix of all pairs of places, mirrored at
    the border and cut at six sigmas or, as its authors' code has it, at the side."""
    unet, scheduler, scale = lively(), euler(), 2.5
    noise = torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(4))
    said, _ = listened(Guiding(smoothing=scale, blur=blur), scheduler, unet, noise)
    matrix = torch.from_numpy(np.kron(*(gaussian(side // 2, blur) for side in (height, width)))).float()

    def blurred(layer: Any, given: Any, queries: Any) -> Any:
        return torch.cat([queries[: -len(noise)], matrix @ queries[-len(noise) :]])

    for number, one in enumerate(said):
        (negative, positive) = spoken(unet, one, scheduler, number, NEGATIVES, POSITIVES)
        layers = [block.attn1.to_q for block in unet.mid_block.attentions[0].transformer_blocks]
        hooks = [layer.register_forward_hook(blurred) for layer in layers]
        smoothed = spoken(unet, one, scheduler, number, NEGATIVES, POSITIVES, POSITIVES)[-1]
        for hook in hooks:
            hook.remove()
        close(one.guided, negative + GUIDANCE * (positive - negative) + scale * (positive - smoothed))
        assert np.abs(positive - smoothed).max() > 1e-3


def gaussian(side: int, sigma: float) -> Any:
    """(side, side): how much each place has of each."""
    if sigma == 0:
        return np.full((side, side), 1 / side)
    kernel = int(np.ceil(6 * sigma)) + 1 - int(np.ceil(6 * sigma)) % 2
    reach = min(kernel, side - (side % 2 - 1)) // 2
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    found = np.zeros((side, side))
    for place in range(side):
        for offset, weight in zip(range(-reach, reach + 1), weights / weights.sum(), strict=True):
            other = abs(place + offset)
            found[place, other if other < side else 2 * (side - 1) - other] += weight
    return found


def test_skipped_layers() -> None:
    """arXiv:2411.18664 for one picture: the same, of a network without the transformer blocks of its middle."""
    unet, scheduler, scale = lively(), euler(), 1.5
    said, _ = listened(Guiding(layers=scale), scheduler, unet)
    bare = copy.deepcopy(unet)
    for transformer in bare.mid_block.attentions:
        transformer.transformer_blocks = torch.nn.ModuleList()
    for number, one in enumerate(said):
        negative, positive = spoken(unet, one, scheduler, number, NEGATIVES, POSITIVES)
        (skipped,) = spoken(bare, one, scheduler, number, POSITIVES)
        close(one.guided, negative + GUIDANCE * (positive - negative) + scale * (positive - skipped))
        assert np.abs(positive - skipped).max() > 1e-2


def test_both_spoil_only_their_own_rows_and_leave_nothing_behind() -> None:
    unet = lively()
    plain, before = listened(Guiding(rescale=0.5), unet=unet)
    both, _ = listened(Guiding(attention=1.0, layers=2.0, stop=0.5), unet=unet)
    assert [sorted(one.others) for one in both] == [["without_attention 0", "without_layers 0"]] * STEPS
    assert [one.negative is None for one in both] == [False, False, True, True]
    close(both[0].positive, plain[0].positive)
    for name, alone in (("without_attention 0", Guiding(attention=1.0)), ("without_layers 0", Guiding(layers=2.0))):
        close(both[0].others[name], listened(alone, unet=unet)[0][0].others[name])
    for one in both:
        guided = one.positive if one.negative is None else free(one)
        led = sum(
            scale * (one.positive - one.others[f"{name} 0"])
            for name, scale in (("without_attention", 1.0), ("without_layers", 2.0))
        )
        close(one.guided, guided + led)
    assert bool((listened(Guiding(rescale=0.5), unet=unet)[1] == before).all())


def test_freeu() -> None:
    """arXiv:2309.11497: half of the inner channels times b; of a skip's Fourier numbers those about 0 times s. Seen at
    what the first part of each of the two deepest levels is given."""
    unet, seen = network(), list[Any]()
    resnets = [block.resnets[0] for block in unet.up_blocks[:2]]
    hooks = [one.register_forward_pre_hook(lambda _, given: seen.append(given[0].double().numpy())) for one in resnets]
    factors = {"inner_1": 1.3, "inner_2": 1.6, "skip_1": 0.5, "skip_2": 0.2}
    _, plain = listened(Guiding(rescale=0.5), unet=unet)
    without = seen[:2]
    seen.clear()
    _, found = listened(Guiding(rescale=0.5, freeu=True, **factors), unet=unet)
    assert not bool((found == plain).all())
    inner = unet.config.block_out_channels[-1]
    # the second level is given what the first became, so only its skip is known from before
    wanted = inner_times(without[0][:, :inner], 1.3), skip_times(without[0][:, inner:], 0.5)
    close(seen[0], np.concatenate(wanted, 1))
    close(seen[1][:, inner:], skip_times(without[1][:, inner:], 0.2))
    for hook in hooks:
        hook.remove()
    assert bool((listened(Guiding(rescale=0.5), unet=unet)[1] == plain).all())  # off again, to the bit


def inner_times(values: Any, factor: float) -> Any:
    half = values.shape[1] // 2
    return np.concatenate([factor * values[:, :half], values[:, half:]], 1)


def skip_times(values: Any, factor: float) -> Any:
    """Those numbers whose frequencies are −1 or 0 both ways."""
    numbers = np.fft.fft2(values)
    for row, column in itertools.product((-1, 0), repeat=2):
        numbers[..., row, column] *= factor
    return np.fft.ifft2(numbers).real


def test_several_prompts_and_no_guidance(run: Run) -> None:
    """AND works with each way; without guidance and perturbation there is nothing to change."""
    two = {"prompt": "a red house AND a blue star :0.6", "steps": 2}
    for changed in WAYS:
        assert run(**two, guiding=changed)[0].image.tobytes() != run(**two)[0].image.tobytes()
    plain = run(guidance=1.0)[0].image.tobytes()
    for changed in WAYS[:4]:
        assert run(guidance=1.0, guiding=changed)[0].image.tobytes() == plain


def test_with_nothing_set_every_picture_is_as_before(run: Run) -> None:
    assert modifiers_of(None) == modifiers_of(Guiding()) == ()
    assert run(guiding=Guiding())[0].image.tobytes() == run()[0].image.tobytes()


def test_the_second_pass_is_led_in_the_same_way(run: Run) -> None:
    hires, changed = Hires(strength=0.5, by=1.25), Guiding(rescale=1.0)
    from pipelines.engines import running
    from pipelines.prompts.wish import wish_of

    request = replace(SMALL, steps=4, hires=hires, guiding=changed)
    passes = running.passes_of(next(request.batches_from(7)), wish_of(request), running.Means())
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
