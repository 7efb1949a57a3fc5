"""Only a part of the picture is repainted: the rest is laid back at the noise of each step, or the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from pipelines.engines.modifiers.base import Added, Call, Modifier


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


@dataclass(frozen=True, kw_only=True)
class MaskedPicture(Modifier):
    """The mask and the picture without what it covers, as five more channels of an inpainting network."""

    channels: torch.Tensor  # (images, 1 + channels, height, width)

    def call(self, call: Call) -> Added:
        return Added(channels=torch.cat([self.channels] * len(call.rows)))
