"""Variations of a picture: Ramesh, Dhariwal, Nichol, Chu, Chen 2022, arXiv:2204.06125.

The network is told what CLIP sees in it where others are told a class; the negative prompt's half is told nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pipelines.engines.modifiers.base import Added, Call, Modifier
from pipelines.engines.modifiers.editing import UNLED
from pipelines.models.weights.components import Components
from pipelines.models.weights.unclip import Noising
from pipelines.sampling import noise


class Varying(Modifier):
    """Each picture's noise is the first that a generator of its seed draws, so that it is the same in any batch."""

    def __init__(self, noising: Noising, level: int, look: Callable[[], Tensor]) -> None:
        """`look`: what stands for no picture, and what was seen of this one; see `Sight.of`."""
        self._noising, self._level, self._look = noising, level, look

    def prepare(self, parts: Components) -> None:
        self._seen, self._like = self._look()[1:], parts.like

    def seeded(self, seeds: Sequence[int]) -> None:
        drawn = noise.randn(self._seen.shape[1:], noise.generators(seeds))
        self._labels = self._noising.labels(self._seen, drawn, self._level).to(self._like)

    def call(self, call: Call) -> Added:
        untold = torch.zeros_like(self._labels)
        return Added(labels=torch.cat([untold if one.role in UNLED else self._labels for one in call.rows]))
