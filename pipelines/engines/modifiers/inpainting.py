"""Only a part of the picture is repainted: the rest is laid back at the noise of each step, or the network sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from pipelines.engines.modifiers.base import NOTHING, Added, Call, Modifier
from pipelines.sampling.levels import Level


@dataclass(frozen=True, kw_only=True)
class Blending(Modifier):
    """After every step the part that is kept is the picture's own, as noisy as the next step wants it; at the end it
    is the picture itself."""

    mask: torch.Tensor  # (1, 1, height, width): above 0 what is repainted
    original: torch.Tensor  # (images, channels, height, width), clean
    noise: torch.Tensor  # likewise: what the picture begins with

    def after_step(self, latents: torch.Tensor, scheduler: Any, next_timestep: torch.Tensor | None) -> torch.Tensor:
        kept = self.original
        if next_timestep is not None:
            kept = scheduler.add_noise(self.original, self.noise, next_timestep[None])
        return torch.where(self.mask > 0, latents, kept)


@dataclass(kw_only=True)
class Differential(Modifier):
    """Differential diffusion (Eran Levin, Ohad Fried, arXiv:2306.00950): the mask says from which step on a place is
    free, 1 from the first, one half from the middle on; until then it is the picture's own, as noisy as its step wants
    it. What is 0 is the picture itself at the end."""

    mask: torch.Tensor  # (1, 1, height, width), 0 … 1
    original: torch.Tensor  # (images, channels, height, width), clean
    noise: torch.Tensor  # likewise: what the picture begins with
    _step: int = field(default=0, init=False)
    _steps: int = field(default=1, init=False)

    def begin(self, levels: Sequence[Level]) -> None:
        self._step, self._steps = 0, levels[-1].step

    def call(self, call: Call) -> Added:
        self._step = call.step
        return NOTHING

    def after_step(self, latents: torch.Tensor, scheduler: Any, next_timestep: torch.Tensor | None) -> torch.Tensor:
        kept, free = self.original, self.mask > 0
        if next_timestep is not None:
            kept = scheduler.add_noise(self.original, self.noise, next_timestep[None])
            free = free & (self.mask >= (self._steps - self._step) / self._steps)
        return torch.where(free, latents, kept)


@dataclass(frozen=True, kw_only=True)
class MaskedPicture(Modifier):
    """The mask and the picture without what it covers, as five more channels of an inpainting network."""

    channels: torch.Tensor  # (images, 1 + channels, height, width)

    def call(self, call: Call) -> Added:
        return Added(channels=torch.cat([self.channels] * len(call.rows)))
