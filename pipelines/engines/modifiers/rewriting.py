"""A picture changed by words: what its own prompt does not explain of it is kept, and another prompt leads.

Inbar Huberman-Spiegelglas et al. 2023, "An Edit Friendly DDPM Noise Space", arXiv:2304.06140, as LEDITS++ builds on it
(arXiv:2311.16711): the picture is noised anew for every step, x_t; what a step of DDPM with the picture's own prompt
then leaves of x_{t-1} is z_t. The same z_t are added to the steps with the new prompt. Nothing is drawn on the way,
so with the same prompt the picture comes back. Both prompts are asked in one call of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pipelines.engines.conditioning import SOURCE, SOURCE_NEGATIVE, Predictions
from pipelines.engines.modifiers.base import Call, Modifier
from pipelines.sampling.levels import Level


class Rewriting(Modifier):
    """`path`: the picture's latents noised for each call, the noisiest first, and clean ones at its end: as many as
    there are calls, and one. (images, channels, height, width) each."""

    def __init__(self, path: Sequence[torch.Tensor]) -> None:
        self._path = tuple(path)
        self._levels: Sequence[Level] = ()
        self._next: torch.Tensor | None = None

    @contextmanager
    def applied_to(self, network: Any) -> Iterator[None]:
        yield
        self._next = None

    def begin(self, levels: Sequence[Level]) -> None:
        self._levels = levels

    def shown(self, call: int) -> Mapping[str, torch.Tensor]:
        return dict.fromkeys((SOURCE, SOURCE_NEGATIVE), self._path[call])

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        source, negative = (predictions.others.get(role) for role in (SOURCE, SOURCE_NEGATIVE))
        assert source is not None
        if negative is not None:
            source = negative + predictions.guidance * (source - negative)
        before = self._path[call.number]
        kept = self._path[call.number + 1].float() - self._mean(call.number, before, source)
        self._next = self._mean(call.number, call.latents, prediction) + kept
        return prediction

    def after_step(self, latents: torch.Tensor, scheduler: Any, next_timestep: torch.Tensor | None) -> torch.Tensor:
        """Instead of what the sampler made."""
        if self._next is None:  # what a run that is ended before shows
            return latents
        found, self._next = self._next.to(latents.dtype), None
        return found

    def _mean(self, call: int, latents: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
        """Of the step before's latents, given these and what the network says of them: Ho, Jain, Abbeel 2020, eq. 7."""
        level = self._levels[call]
        clean = level.clean(latents, prediction)
        if call + 1 == len(self._levels):
            return clean
        left, before = level.alpha**2, self._levels[call + 1].alpha ** 2
        ratio = left / before
        share = before**0.5 * (1 - ratio) / (1 - left)
        mean: torch.Tensor = share * clean + ratio**0.5 * (1 - before) / (1 - left) * latents.float()
        return mean
