"""Noise of each image from its own seed: the same on every device, in every dtype, in a batch of any size."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One CPU generator an image, in order. Seeds are 0 … 2^32 - 1."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def randn(
    shape_per_image: Sequence[int],
    generators: Sequence[torch.Generator],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Normal noise of shape (len(generators), *shape_per_image): drawn on the CPU in float32, then moved and cast."""
    drawn = [torch.randn(*shape_per_image, generator=generator, dtype=torch.float32) for generator in generators]
    return torch.stack(drawn).to(device=device, dtype=dtype)
