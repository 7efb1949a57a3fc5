"""How the prompts lead the picture, beside classifier-free guidance itself (`conditioning.combined`).

c: what the network says with the prompt, n: with the negative prompt, w: the guidance; several prompts joined by AND
are one c = n + Σ weight (c_i − n). All numbers are taken of each image by itself and in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from pipelines.engines.conditioning import NEGATIVE, Predictions, Rows, combined
from pipelines.engines.modifiers.base import Call, Modifier
from pipelines.groups import Guiding
from pipelines.sampling.levels import Level

WHOLE = (1, 2, 3)  # the dimensions of one image


def modifiers_of(guiding: Guiding | None) -> tuple[Modifier, ...]:
    """In the order in which they must work."""
    if guiding is None:
        return ()
    made: list[Modifier] = []
    if guiding.limited:
        made.append(Limited(guiding))
    if guiding.rescale > 0:
        made.append(Rescaled(guiding.rescale))
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


def _deviation(values: torch.Tensor) -> torch.Tensor:
    return values.std(dim=WHOLE, keepdim=True)
