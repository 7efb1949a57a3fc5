"""What a picture will look like, guessed from its latents in no time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from pipelines import images
from pipelines.sampling.levels import level_at

Factors = torch.Tensor  # (latent channels + 1, 3): latents and a constant -> RGB in 0 … 1


def published(rows: Sequence[tuple[float, float, float]]) -> Factors | None:
    """Factors of a linear fit that somebody published: a latent channel's row is its red, green and blue in -1 … 1;
    the last row makes it 0 … 1. None where nobody did."""
    if not rows:
        return None
    return torch.tensor([*((red / 2, green / 2, blue / 2) for red, green, blue in rows), (0.5, 0.5, 0.5)])


def measured_factors(vae: Any, vae_factor: int) -> Factors:
    """Factors of any VAE, by least squares: patches of plain colours encoded, latents against their colours."""
    generator = torch.Generator().manual_seed(0)
    patches, side = 8, 4 * vae_factor  # a patch is 4 latents wide, so that its middle sees one colour only
    colours = torch.rand((1, 3, patches, patches), generator=generator)
    picture = colours.repeat_interleave(side, 2).repeat_interleave(side, 3)  # (1, 3, patches * side, …)
    weight = next(vae.parameters())
    encoded = vae.encode((picture * 2 - 1).to(weight.device, weight.dtype)).latent_dist.mean
    latents = (encoded * vae.config.scaling_factor).float().cpu()[:, :, 2::4, 2::4]  # (1, channels, patches, patches)
    known = latents[0].flatten(1).T  # (patches², channels)
    known = torch.cat([known, torch.ones(len(known), 1)], 1)
    solution: Factors = torch.linalg.lstsq(known, colours[0].flatten(1).T).solution
    return solution


def draw(latents: torch.Tensor, factors: Factors, vae_factor: int) -> bytes:
    """JPEG of one image's latents (channels, height / factor, width / factor), at most 256 pixels a side."""
    values = latents.float().cpu()
    rgb = torch.einsum("chw,cn->hwn", values, factors[:-1]) + factors[-1]
    pixels = (rgb.nan_to_num(0.5).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    small = Image.fromarray(pixels)
    scale = min(vae_factor, 256 / max(small.size))
    return images.jpeg(small.resize((max(1, int(small.width * scale)), max(1, int(small.height * scale)))))


def predicted(latents: torch.Tensor, prediction: torch.Tensor, timestep: torch.Tensor, scheduler: Any) -> torch.Tensor:
    """The clean latents that a model's prediction implies. latents, prediction: any shape, at `timestep`."""
    return level_at(timestep, scheduler).clean(latents, prediction)


class Throttle:
    """Says yes at most once in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
