"""What a second pass in high resolution begins with: what the first made, at the second's size, with noise on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from pipelines.engines import decoding
from pipelines.engines.passes import Outcome
from pipelines.engines.starting import Maker, Start
from pipelines.groups import UPSCALED_BY, Hires, Upscale
from pipelines.images import Size
from pipelines.types import Progress
from pipelines.upscaling.network import Network
from pipelines.upscaling.plain import OF_LATENTS, resized

# name -> how torch's interpolate calls it, and whether it smooths while it makes smaller
_MODES: Mapping[str, tuple[str, bool]] = {
    "latent": ("bilinear", False),
    "latent antialiased": ("bilinear", True),
    "latent bicubic": ("bicubic", False),
    "latent bicubic antialiased": ("bicubic", True),
    "latent nearest": ("nearest", False),
    "latent nearest-exact": ("nearest-exact", False),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Enlarged:
    """The `start` of a second pass; `network`: of the upscaler, where that is a file's."""

    hires: Hires
    network: Network | None = None

    def __call__(self, maker: Maker, before: Outcome | None) -> Start:
        """The first pass's picture is cut to the second's shape, in its middle."""
        if before is None or before.latents is None:
            raise ValueError("a second pass needs the latents of the first")
        if self.hires.upscaler in OF_LATENTS:
            return maker.going_on(scaled(before.latents, _latent_size(maker), self.hires.upscaler))
        return maker.going_on(*self._by_pixels(maker, before.latents))

    def _by_pixels(self, maker: Maker, latents: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        """Each image by itself: its latents as a picture, larger, and as latents again; and how."""
        found, facts = [], dict[str, Any]()
        for generator, one in zip(maker.generators, torch.split(latents, 1), strict=True):
            image, _ = decoding.decode(maker.parts, one, maker.ways, maker.request.tiling)
            larger, facts = self._larger(image, maker)
            found.append(decoding.encode(maker.parts, larger, [generator], maker.ways, maker.rungs))
        return torch.cat(found), facts

    def _larger(self, image: Image.Image, maker: Maker) -> tuple[Image.Image, dict[str, Any]]:
        size = maker.request.width, maker.request.height
        covering = _covering(image.size, size)
        if self.network is None:
            return _middle(resized(image, covering, self.hires.upscaler), size), {}
        by = min(max(1.0, covering[0] / image.width), UPSCALED_BY)
        told = Upscale(image=image, by=by, tile=self.hires.tile, overlap=self.hires.overlap)
        larger, facts = self.network.enlarged(
            told, lambda done, parts: maker.on_progress(Progress(stage="upscaling", step=done, steps=parts))
        )
        if larger.size != covering:
            larger = resized(larger, covering, "lanczos")
        return _middle(larger, size), {"upscaler": facts["upscaler"] | {"dtype": facts["dtype"]}}


def scaled(latents: torch.Tensor, size: Size, upscaler: str) -> torch.Tensor:
    """(batch, channels, height, width) -> `size`, width and height in latents; computed in single precision."""
    width, height = _covering((latents.shape[-1], latents.shape[-2]), size)
    mode, antialias = _MODES[upscaler]
    larger = torch.nn.functional.interpolate(latents.float(), size=(height, width), mode=mode, antialias=antialias)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    return larger[..., top : top + size[1], left : left + size[0]].to(latents.dtype)


def _covering(given: Size, wanted: Size) -> Size:
    """The least size of the given shape that is as wide and as high as the wanted one."""
    by = max(wanted[0] / given[0], wanted[1] / given[1])
    return max(wanted[0], round(given[0] * by)), max(wanted[1], round(given[1] * by))


def _middle(image: Image.Image, size: Size) -> Image.Image:
    left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    return image.crop((left, top, left + size[0], top + size[1]))


def _latent_size(maker: Maker) -> Size:
    factor = maker.parts.vae_factor
    return maker.request.width // factor, maker.request.height // factor
