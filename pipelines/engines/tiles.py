"""Latents that the network sees in parts: at each call every part by itself, in a fixed order, and what is said of them
becomes one prediction, as in MultiDiffusion (Omer Bar-Tal et al., arXiv:2302.08113). Neighbours overlap and fade into
each other, so no border shows, and a step's work is that of one part, however large the picture is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from pipelines.engines.modifiers.base import Area, Call
from pipelines.types import GenerationRequest
from pipelines.upscaling.tiles import corners, shares


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """`side`, `overlap`: in latents."""

    side: int
    overlap: int

    @classmethod
    def of(cls, request: GenerationRequest, factor: int) -> Tiles | None:
        """Those that a request asks for; `factor`: pixels a latent."""
        told = request.tiles
        return None if told is None else cls(side=told.side // factor, overlap=told.overlap // factor)

    def together(self, call: Call, ask: Callable[[Call], torch.Tensor]) -> torch.Tensor:
        """What `ask` says of each part's call -> of the whole, (rows, channels, height, width)."""
        whole: torch.Tensor | None = None
        for area, share in self._parts(*call.sample.shape[-2:]):
            part = replace(call, latents=area.of(call.latents), sample=area.of(call.sample), area=area)
            said = ask(part)
            if whole is None:
                whole = said.new_zeros((*said.shape[:2], *call.sample.shape[-2:]), dtype=torch.float32)
                counted, kind = whole.new_zeros(whole.shape[-2:]), said.dtype
            share = share.to(whole)
            area.of(whole).add_(said.float() * share)
            area.of(counted).add_(share)
        assert whole is not None
        return (whole / counted).to(kind)

    def count(self, height: int, width: int) -> int:
        return len(list(corners(width, height, self.side, self.overlap)))

    def _parts(self, height: int, width: int) -> Iterator[tuple[Area, torch.Tensor]]:
        """Each, and how much it counts at each of its places (height, width)."""
        for left, top in corners(width, height, self.side, self.overlap):
            rows = slice(top, min(top + self.side, height))
            columns = slice(left, min(left + self.side, width))
            down = shares(top, self.side, height, self.overlap, 1)
            across = shares(left, self.side, width, self.overlap, 1)
            share = torch.from_numpy(down[:, None] * across[None, :])
            yield Area(rows=rows, columns=columns, width=width), share
