"""Latents -> pictures, and pictures -> latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from PIL import Image

from pipelines.engines.ladder import RUNGS, Try, climb, tries
from pipelines.engines.modifiers.tiling import Edges, edges_of, wrapped
from pipelines.errors import NotFinite
from pipelines.models.memory import Ways
from pipelines.models.weights.arranging import arrange
from pipelines.models.weights.components import Components

TILE = 512  # pixels
MARGIN = 16  # latents that a tile at an edge sees beyond it, where edges meet


def decode(
    parts: Components, latents: torch.Tensor, ways: Ways, tiling: str = "none"
) -> tuple[Image.Image, dict[str, Any]]:
    """One image's latents (1, channels, height, width) -> RGB, and facts: how often it was tried again, and how.
    `tiling`: the request's, which edges meet.

    One image at a time, so that a picture does not depend on its batch here. Too little memory: down the
    ladder, without denoising again. Numbers that are not finite: again in fp32, for fp16 overflows in some VAEs
    (SDXL's says so itself). Raises `NotFinite`.
    """
    exact = parts.is_sdxl and parts.placement.dtype == torch.float16 and bool(parts.vae.config.force_upcast)
    attempts = tries(ways, "vae", moves=parts.placement.moves)
    edges = edges_of(tiling)
    pixels, attempt = _patiently(parts, latents, edges, exact=exact, attempts=attempts)
    retries = attempts.index(attempt)
    if not bool(torch.isfinite(pixels).all()) and pixels.dtype != torch.float32:
        pixels, attempt = _patiently(parts, latents, edges, exact=True, attempts=attempts[retries:])
        retries = attempts.index(attempt) + 1
    if not bool(torch.isfinite(pixels).all()):
        raise NotFinite("not_finite_decoded")
    facts: dict[str, Any] = {"retries": retries, "vae_dtype": str(pixels.dtype).removeprefix("torch.")}
    return to_image(pixels[0]), {**facts, "vae_tiled": attempt.ways.tiled, RUNGS: attempt.rungs}


def _patiently(
    parts: Components, latents: torch.Tensor, edges: Edges, *, exact: bool, attempts: tuple[Try, ...]
) -> tuple[torch.Tensor, Try]:
    """(1, 3, height, width), about -1 … 1; `exact` in fp32."""
    vae = parts.vae

    def work(attempt: Try) -> torch.Tensor:
        arrange(parts, "vae", attempt.ways)
        try:
            if exact:
                vae.to(dtype=torch.float32)
            with _tiles(parts, attempt.ways.tiled):
                return _pixels(parts, latents.to(vae.dtype) / vae.config.scaling_factor, edges, attempt.ways.tiled)
        finally:
            if exact:
                vae.to(dtype=parts.placement.dtype)

    return climb(work, attempts, parts.placement.device, parts.give_back)


def _pixels(parts: Components, scaled: torch.Tensor, edges: Edges, tiled: bool) -> torch.Tensor:
    """A tile ends where the picture does not: for those at an edge the other edge is laid beside it."""
    vae, factor, (height, width) = parts.vae, parts.vae_factor, scaled.shape[-2:]
    if not tiled:
        with wrapped(vae.decoder, edges):
            pixels: torch.Tensor = vae.decode(scaled, return_dict=False)[0]
        return pixels
    across, down = min(MARGIN, width), min(MARGIN, height)
    pixels = vae.decode(edges.beyond(scaled, across, down), return_dict=False)[0]
    left, top = factor * across * edges.across, factor * down * edges.down
    return pixels[..., top : top + factor * height, left : left + factor * width]


@contextmanager
def _tiles(parts: Components, tiled: bool) -> Iterator[None]:
    """The VAE works on tiles meanwhile, if `tiled`."""
    vae = parts.vae
    if tiled:
        vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // parts.vae_factor
        vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()


def encode(
    parts: Components, image: Image.Image, generators: Sequence[torch.Generator], ways: Ways, rungs: list[str]
) -> torch.Tensor:
    """One RGB picture -> latents (batch, channels, height, width): the same picture for every image, each sampled
    from the VAE's distribution with the image's own generator, so that no image depends on its neighbours. `rungs`
    is extended by what was needed for want of memory."""
    return encode_tensor(parts, to_tensor(image), generators, ways, rungs)


def encode_tensor(
    parts: Components, pixels: torch.Tensor, generators: Sequence[torch.Generator], ways: Ways, rungs: list[str]
) -> torch.Tensor:
    """As `encode`, of (1, 3, height, width), -1 … 1."""
    distribution = _encoded(parts, pixels, ways, rungs)
    rows: list[torch.Tensor] = [distribution.sample(generator=generator) for generator in generators]
    return _finite(torch.cat(rows) * parts.vae.config.scaling_factor)


def likeliest(parts: Components, image: Image.Image, count: int, ways: Ways, rungs: list[str]) -> torch.Tensor:
    """One RGB picture -> (count, channels, height, width): the middle of the VAE's distribution, not scaled, which is
    how models that edit were trained to see it."""
    middle: torch.Tensor = _encoded(parts, to_tensor(image), ways, rungs).mode()
    return _finite(middle.expand(count, -1, -1, -1))


def _encoded(parts: Components, pixels: torch.Tensor, ways: Ways, rungs: list[str]) -> Any:
    """The VAE's distribution."""
    pixels = pixels.to(parts.placement.device, parts.vae.dtype)

    def work(attempt: Try) -> Any:
        arrange(parts, "vae", attempt.ways)
        with _tiles(parts, attempt.ways.tiled):
            return parts.vae.encode(pixels).latent_dist

    attempts = tries(ways, "vae", moves=parts.placement.moves)
    distribution, attempt = climb(work, attempts, parts.placement.device, parts.give_back)
    rungs.extend(attempt.rungs)
    return distribution


def _finite(latents: torch.Tensor) -> torch.Tensor:
    if not bool(torch.isfinite(latents).all()):
        raise NotFinite("not_finite_encoded")
    return latents


def to_tensor(image: Image.Image) -> torch.Tensor:
    """RGB -> (1, 3, height, width), -1 … 1."""
    values = numpy.asarray(image, dtype=numpy.float32)[None] / 255.0
    # these strides, and no others, take the same kernels as in diffusers
    return torch.from_numpy(values.transpose(0, 3, 1, 2)) * 2.0 - 1.0


def mask_tensor(mask: Image.Image) -> torch.Tensor:
    """L -> (1, 1, height, width), 0 … 1."""
    return torch.from_numpy(numpy.asarray(mask, dtype=numpy.float32) / 255.0)[None, None]


def to_image(pixels: torch.Tensor) -> Image.Image:
    """(3, height, width), -1 … 1 -> RGB, rounded as diffusers' image processor rounds."""
    values = (pixels * 0.5 + 0.5).clamp(0, 1).cpu().permute(1, 2, 0).float().numpy()
    return Image.fromarray((values * 255).round().astype("uint8"))
