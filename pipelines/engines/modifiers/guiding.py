"""How the prompts lead the picture, beside classifier-free guidance itself (`conditioning.combined`).

c: what the network says with the prompt, n: with the negative prompt, w: the guidance; several prompts joined by AND
are one c = n + Σ weight (c_i − n). All numbers are taken of each image by itself and in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pipelines.engines.conditioning import NEGATIVE, POSITIVE, Predictions, Rows, combined
from pipelines.engines.modifiers.attention import grid_of
from pipelines.engines.modifiers.base import NOTHING, Added, Call, Modifier
from pipelines.leading import Guiding
from pipelines.sampling.levels import Level

WHOLE = (1, 2, 3)  # the dimensions of one image
TINY = 1e-8  # instead of a division by 0


def modifiers_of(guiding: Guiding | None, prompts: int = 1) -> tuple[Modifier, ...]:
    """In the order in which they must work. `prompts`: that AND joins."""
    if guiding is None:
        return ()
    made: list[Modifier] = []
    if guiding.limited:
        made.append(Limited(guiding))
    if guiding.method in METHODS:
        made.append(METHODS[guiding.method](guiding))
    if guiding.attention > 0:
        made.append(WithoutAttention(guiding.attention, prompts))
    if guiding.layers > 0:
        made.append(WithoutLayers(guiding.layers, prompts))
    if guiding.smoothing > 0:
        made.append(Smoothed(guiding.smoothing, prompts, guiding.blur))
    if guiding.rescale > 0:
        made.append(Rescaled(guiding.rescale))
    if guiding.freeu:
        made.append(FreeU(guiding))
    return tuple(made)


def wished(predictions: Predictions) -> torch.Tensor:
    """c: (images, channels, height, width)."""
    negative, parts = predictions.negative, predictions.positive
    if len(parts) == 1 and (predictions.weights[0] == 1 or negative is None):
        return parts[0].float()
    if negative is None:
        return combined(predictions).float()
    leads = [weight * (one - negative).float() for one, weight in zip(parts, predictions.weights, strict=True)]
    return negative.float() + torch.stack(leads).sum(0)


def _without_negative(predictions: Predictions) -> torch.Tensor:
    """Where the guidance begins, seen from n: not 0 only where a modifier moved it."""
    if predictions.start is None or predictions.negative is None or predictions.start is predictions.negative:
        return torch.zeros(())
    return (predictions.start - predictions.negative).float()


@dataclass
class Limited(Modifier):
    """Some steps are led by the prompt alone and cost half: those outside of an interval (Kynkäänniemi, Aittala,
    Karras, Laine, Aila, Lehtinen 2024, arXiv:2404.07724), and those with little noise left, every second or all, as
    A1111 has them. Which: whole steps, counted as A1111 counts."""

    guiding: Guiding
    _led: dict[int, bool] = field(default_factory=dict)  # by step

    def begin(self, levels: Sequence[Level]) -> None:
        steps = levels[-1].step
        self._led = {one.step: self._leads(one, steps) for one in reversed(levels)}  # by a step's first call

    def _leads(self, level: Level, steps: int) -> bool:
        guiding, done = self.guiding, level.step - 1
        if (guiding.start and done / steps <= guiding.start) or done / steps >= guiding.stop:
            return False
        return not (level.noise < guiding.least_sigma and (guiding.all_steps or done % 2))

    def rows(self, rows: tuple[Rows, ...], step: int) -> tuple[Rows, ...]:
        return rows if self._led[step] else tuple(one for one in rows if one.role != NEGATIVE)


@dataclass(frozen=True)
class ZeroStar(Modifier):
    """n is made as long as c is along it, and a few first steps may stand still: Fan, Zheng, Yeh, Liu 2025, "CFG-Zero*:
    Improved Classifier-Free Guidance for Flow Matching Models", arXiv:2503.18886."""

    guiding: Guiding

    def before_guidance(self, predictions: Predictions, call: Call) -> Predictions:
        if (given := predictions.negative) is None:
            return predictions
        negative = given.float()
        along = (wished(predictions) * negative).sum(WHOLE, keepdim=True)
        scaled = (negative * (along / (negative.square().sum(WHOLE, keepdim=True) + TINY))).to(given)
        start = scaled if predictions.start is given else predictions.start
        return replace(predictions, negative=scaled, start=start)

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        return torch.zeros_like(prediction) if call.step <= self.guiding.zero_steps else prediction


@dataclass
class Projected(Modifier):
    """Of the way from n to c, as clean latents, what lies along c is left out, as it only makes colours stronger; what
    remains is no longer than so long, and goes back on the ways of the steps before: Sadat, Hilliges, Weber 2024,
    "Eliminating Oversaturation and Artifacts of High Guidance Scales", arXiv:2410.02416."""

    guiding: Guiding
    _levels: Sequence[Level] = ()
    _ways: torch.Tensor | None = None  # of the steps before

    def begin(self, levels: Sequence[Level]) -> None:
        self._levels, self._ways = levels, None

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        if predictions.negative is None:
            return prediction
        level, guiding, led = self._levels[call.number], self.guiding, wished(predictions)
        way = level.slope * (led - predictions.negative.float())
        if self._ways is not None:
            way = way + guiding.momentum * self._ways
        self._ways = way
        if guiding.longest > 0:
            way = way * (guiding.longest / _length(way)).clamp(max=1)
        clean = level.clean(call.latents, led)
        clean = clean / _length(clean)
        along = (way * clean).sum(WHOLE, keepdim=True) * clean
        way = way - (1 - guiding.along) * along
        guided = led + (predictions.guidance - 1) * way / level.slope
        return (guided + _without_negative(predictions)).to(prediction)


@dataclass
class Thresholded(Modifier):
    """Of each channel of the clean latents what reaches too far is cut, and the rest drawn in as much: Saharia et al.
    2022 (Imagen), arXiv:2205.11487, §2.3, for pixels, which reach from −1 to 1. How far latents may reach is what a
    lower guidance would give (Goodwin 2023, sd-dynamic-thresholding), about each channel's mean."""

    guiding: Guiding
    _levels: Sequence[Level] = ()

    def begin(self, levels: Sequence[Level]) -> None:
        self._levels = levels

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        if (negative := predictions.negative) is None:
            return prediction
        level = self._levels[call.number]
        lower = negative.float() + self.guiding.mimicked * (wished(predictions) - negative.float())
        lower = lower + _without_negative(predictions)
        clean = level.clean(call.latents, prediction)
        (means, centred), (_, wanted) = _centred(clean), _centred(level.clean(call.latents, lower))
        reach = wanted.abs().amax(-1, keepdim=True)
        share = self.guiding.percentile / 100
        limit = torch.maximum(reach, torch.quantile(centred.abs(), share, dim=-1, keepdim=True))
        drawn_in = means + centred.clamp(-limit, limit) * (reach / (limit + TINY))
        return level.prediction(call.latents, drawn_in.reshape(clean.shape)).to(prediction)


def _centred(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means (images, channels, 1) and what differs from them (images, channels, places)."""
    flat = values.flatten(2)
    means = flat.mean(-1, keepdim=True)
    return means, flat - means


METHODS: Mapping[str, Callable[[Guiding], Modifier]] = {
    "zero star": ZeroStar,
    "projected": Projected,
    "thresholded": Thresholded,
}


class Spoilt(Modifier):
    """The network is asked of each prompt once more, spoilt in its middle, and the picture led away from what that
    says: c + … + scale (c − spoilt)."""

    capturable = False  # which rows are spoilt is found out at each call
    role: str

    def __init__(self, scale: float, prompts: int) -> None:
        self.scale, self.more_rows = scale, prompts
        self._rows = slice(0)
        self._names: list[str] = []

    def layers(self, network: Any) -> Mapping[str, Any]:
        """By name: what is spoilt."""
        raise NotImplementedError

    def spoil(self, layer: Any, given: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """What the layer says instead, of those rows: what it is given, and what it said."""
        raise NotImplementedError

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        layers = self.layers(network)
        self._names = list(layers)
        hooks = [layer.register_forward_hook(self._after, with_kwargs=True) for layer in layers.values()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _after(self, layer: Any, given: Sequence[Any], options: Mapping[str, Any], said: torch.Tensor) -> torch.Tensor:
        values = given[0] if given else options["hidden_states"]
        rows = self._rows
        return torch.cat([said[: rows.start], self.spoil(layer, values[rows], said[rows]), said[rows.stop :]])

    def rows(self, rows: tuple[Rows, ...], step: int) -> tuple[Rows, ...]:
        prompts = [one for one in rows if one.role == POSITIVE]
        return (*rows, *(replace(one, role=f"{self.role} {place}") for place, one in enumerate(prompts)))

    def call(self, call: Call) -> Added:
        places = [place for place, one in enumerate(call.rows) if one.role.startswith(f"{self.role} ")]
        images = len(call.latents)
        self._rows = slice(places[0] * images, (places[-1] + 1) * images)
        return NOTHING

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        pairs = zip(predictions.positive, predictions.weights, strict=True)
        for place, (values, weight) in enumerate(pairs):
            spoilt = predictions.others[f"{self.role} {place}"]
            prediction = prediction + (self.scale * weight) * (values - spoilt)
        return prediction

    def facts(self) -> Mapping[str, Any]:
        return {self.role: self._names}


class WithoutAttention(Spoilt):
    """Each place attends to itself alone: Ahn et al. 2024, "Self-Rectifying Diffusion Sampling with Perturbed-Attention
    Guidance", arXiv:2403.17377."""

    role = "without_attention"

    def layers(self, network: Any) -> Mapping[str, Any]:
        return {f"{name}.attn1": block.attn1 for name, block in middle(network).items()}

    def spoil(self, layer: Any, given: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = layer.to_out[0](layer.to_v(given))
        return found


class WithoutLayers(Spoilt):
    """Transformer blocks are left out: Hyung et al. 2024, "Spatiotemporal Skip Guidance", arXiv:2411.18664, of one
    picture; SD 3.5 calls it skip-layer guidance."""

    role = "without_layers"

    def layers(self, network: Any) -> Mapping[str, Any]:
        return middle(network)

    def spoil(self, layer: Any, given: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        return given


class Smoothed(Spoilt):
    """What each place asks for is blurred with what its neighbours do: Hong 2024, "Smoothed Energy Guidance: Guiding
    Diffusion Models with Reduced Energy Curvature of Attention", arXiv:2408.00760."""

    role = "smoothed"

    def __init__(self, scale: float, prompts: int, blur: float) -> None:
        super().__init__(scale, prompts)
        self._blur, self._shape = blur, (1, 1)

    def layers(self, network: Any) -> Mapping[str, Any]:
        return {f"{name}.attn1.to_q": block.attn1.to_q for name, block in middle(network).items()}

    def call(self, call: Call) -> Added:
        self._shape = call.latents.shape[-2], call.latents.shape[-1]
        return super().call(call)

    def spoil(self, layer: Any, given: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        queries = said.float()  # (rows, places, width)
        if self._blur == 0:
            return queries.mean(1, keepdim=True).expand_as(queries).to(said)
        picture = queries.transpose(1, 2).reshape(len(said), -1, *grid_of(said.shape[1], *self._shape))
        blurred = _blurred(_blurred(picture, self._blur).transpose(2, 3), self._blur).transpose(2, 3)
        return blurred.flatten(2).transpose(1, 2).to(said)


def _blurred(values: torch.Tensor, sigma: float) -> torch.Tensor:
    """Along the last side, by a Gaussian over six sigmas or as much as the side has; what lies outside is mirrored."""
    side = values.shape[-1]
    reach = min(math.ceil(6 * sigma), side) // 2
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=values.device) / sigma) ** 2)
    flat = values.reshape(-1, 1, side)
    mirrored = torch.nn.functional.pad(flat, (reach, reach), mode="reflect")
    found = torch.nn.functional.conv1d(mirrored, (weights / weights.sum()).to(values)[None, None])
    return found.reshape(values.shape)


def middle(network: Any) -> dict[str, Any]:
    """By name: the transformer blocks of a UNet's middle, or where that has none of its deepest level."""
    found: dict[str, dict[str, Any]] = {}
    for name, module in network.named_modules():
        if name.rpartition(".")[0].endswith("transformer_blocks") and not name.startswith("up_blocks"):
            found.setdefault(name.partition(".attentions")[0], {})[name] = module
    return found.get("mid_block") or found[max(found)]


@dataclass(frozen=True)
class FreeU(Modifier):
    """Inner features count more and the low frequencies of the skips less: Si, Huang, Jiang, Liu 2023, "FreeU: Free
    Lunch in Diffusion U-Net", arXiv:2309.11497, as diffusers has it."""

    guiding: Guiding

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        guiding = self.guiding
        network.enable_freeu(s1=guiding.skip_1, s2=guiding.skip_2, b1=guiding.inner_1, b2=guiding.inner_2)
        try:
            yield
        finally:
            network.disable_freeu()


@dataclass(frozen=True)
class Rescaled(Modifier):
    """Guidance makes a prediction's numbers wider than the model was trained with; a share of that is taken back: Lin,
    Liu, Li, Yang 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv:2305.08891, §3.4."""

    share: float

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        if predictions.negative is None and not predictions.others:
            return prediction
        guided = prediction.float()
        narrowed = guided * (_deviation(wished(predictions)) / _deviation(guided))
        return (self.share * narrowed + (1 - self.share) * guided).to(prediction)


def _length(values: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = torch.linalg.vector_norm(values, dim=WHOLE, keepdim=True)
    return found.clamp(min=TINY)


def _deviation(values: torch.Tensor) -> torch.Tensor:
    return values.std(dim=WHOLE, keepdim=True)
