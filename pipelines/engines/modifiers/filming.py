"""What a denoising shows on its way: the latents at a step, and what the network's prediction says lies beneath.

The picture and the noise that a prediction implies: Ho, Jain, Abbeel 2020, "Denoising Diffusion Probabilistic Models",
eq. 15, for every parameterisation; the predictions with and without the prompt: Ho & Salimans 2022, "Classifier-Free
Diffusion Guidance". It only keeps what it is handed, so no pixel changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from pipelines.engines.conditioning import Predictions
from pipelines.engines.modifiers.base import Call, Modifier
from pipelines.sampling.levels import Level


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A `Moment` in latents: view -> (1, channels, height, width), float32."""

    level: Level
    views: dict[str, torch.Tensor]


class Film(Modifier):
    """Keeps moments of one image. It stands last, so that it sees what the sampler is given."""

    capturable = False  # it keeps what single calls made

    def __init__(self, moments: int, image: int) -> None:
        """`image`: its place among those that are denoised together."""
        self._moments, self._image = moments, slice(image, image + 1)
        self._levels: Sequence[Level] = ()
        self._chosen: set[int] = set()  # calls
        self.seen: list[Seen] = []

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        self.seen.clear()
        yield

    def begin(self, levels: Sequence[Level]) -> None:
        first = list({level.step: call for call, level in reversed([*enumerate(levels)])}.values())[::-1]
        self._levels, self._chosen = levels, {first[place] for place in spread(len(first), self._moments)}

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        if call.number in self._chosen:
            self.seen.append(self._moment(prediction, predictions, call))
        return prediction

    def _moment(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> Seen:
        level = self._levels[call.number]
        latents = call.latents[self._image]
        noisy, clean = level.noisy(latents), level.clean(latents, prediction[self._image])
        views = {"noisy": noisy, "clean": clean, "noise": (noisy - level.alpha * clean) / max(level.sigma, 1e-6)}
        if predictions.negative is not None and len(predictions.positive) == 1:
            for name, said in (("without", predictions.negative), ("given", predictions.positive[0])):
                views[name] = level.clean(latents, said[self._image])
        return Seen(level=level, views={name: value.float().cpu() for name, value in views.items()})


def spread(count: int, wanted: int) -> list[int]:
    """So many of 0 … count - 1, evenly, the first and the last among them."""
    if wanted >= count:
        return list(range(count))
    return [0] if wanted < 2 else [round(place * (count - 1) / (wanted - 1)) for place in range(wanted)]
