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


def varied(
    shape_per_image: Sequence[int],
    generators: Sequence[torch.Generator],
    seeds: Sequence[int],
    strength: float,
    drawn: Sequence[int],
) -> torch.Tensor:
    """Between each image's own noise and that of another of `seeds`, (len(generators), *shape_per_image) in float32;
    as A1111 does it (`modules/rng.py`). `drawn`: the shape of both, which then stand in the middle of noise of the
    image's own seed. Shapes are channels, height, width."""
    return torch.stack(
        [
            _one(shape_per_image, generator, (seed, strength), drawn)
            for generator, seed in zip(generators, seeds, strict=True)
        ]
    )


def _one(
    shape: Sequence[int], generator: torch.Generator, other: tuple[int, float], drawn: Sequence[int]
) -> torch.Tensor:
    seed, strength = other
    noise = torch.randn(*drawn, generator=generator)
    if strength:
        noise = slerp(noise, torch.randn(*drawn, generator=torch.Generator("cpu").manual_seed(seed)), strength)
    if tuple(drawn) == tuple(shape):
        return noise
    around = torch.randn(*shape, generator=torch.Generator("cpu").manual_seed(generator.initial_seed()))
    height, width = (min(own, new) for own, new in zip(drawn[1:], shape[1:], strict=True))
    (top, left), (from_top, from_left) = (
        ((whole[1] - height) // 2, (whole[2] - width) // 2) for whole in (shape, drawn)
    )
    inside = noise[:, from_top : from_top + height, from_left : from_left + width]
    around[:, top : top + height, left : left + width] = inside
    return around


def slerp(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    """(channels, height, width): from `first`, at 0, to `second`, at 1, along the sphere (Shoemake 1985), each column
    by itself, as A1111 has it; in a straight line where two columns are alike."""
    norms = (torch.linalg.vector_norm(one, dim=1, keepdim=True) for one in (first, second))
    cosine = (first * second).sum(1, keepdim=True) / torch.stack(list(norms)).prod(0)
    angle = torch.acos(cosine.clamp(-1, 1))
    sine = torch.sin(angle)
    along = (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / sine
    return torch.where(sine.abs() < 1e-6, (1 - share) * first + share * second, along)
