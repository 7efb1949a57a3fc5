"""A prompt for each region of the picture.

The network is asked of every prompt by itself, with all that it is told of it, and at each place its own region's
prediction counts: MultiDiffusion (Omer Bar-Tal et al. 2023, arXiv:2302.08113), as "Latent Couple" has it. For the first
steps each prompt sees the picture moved so that the middle of its region is the middle of the picture, where a model
puts what it is asked for; what comes in from the other edge lies outside of the region and counts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import torch

from pipelines.engines.conditioning import POSITIVE, Predictions, Rows
from pipelines.engines.modifiers.base import Call, Modifier
from pipelines.leading import Regions


class Regional(Modifier):
    """Of the prompts that AND joins: the first is for everywhere where there is one more of them than regions. Stands
    before all that looks at predictions."""

    def __init__(self, regions: Regions, *, centred: bool) -> None:
        """`centred`: the picture begins with noise alone, and nothing else says where things are."""
        self._regions, self._centred = regions, centred and regions.middle > 0

    def moves(self, rows: tuple[Rows, ...], done: float, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        if not self._centred or done >= self._regions.middle:
            return ()
        side = size[1] if self._regions.across else size[0]
        ways = [round(side * (0.5 - middle)) for middle in self._middles()]
        prompts = sum(one.role == POSITIVE for one in rows)
        ways = [0] * (prompts - len(ways)) + ways
        return tuple((0, way) if self._regions.across else (way, 0) for way in _of_rows(rows, ways))

    def before_guidance(self, predictions: Predictions, call: Call) -> Predictions:
        like = predictions.positive[0]
        shares = self.shares(len(predictions.weights), *like.shape[-2:]).to(like)
        if predictions.negative is None:  # nothing leads: a place shows what its prompts say, however they weigh
            return replace(predictions, weights=tuple(shares))
        weights = tuple(weight * share for weight, share in zip(predictions.weights, shares, strict=True))
        return replace(predictions, weights=weights)

    def shares(self, prompts: int, height: int, width: int) -> torch.Tensor:
        """(prompts, height, width): how much each counts at each place, 1 together."""
        regions = self._regions
        own = _areas(regions.parts, width if regions.across else height, regions.blend)
        own = own[:, None, :].expand(-1, height, -1) if regions.across else own[:, :, None].expand(-1, -1, width)
        if prompts == len(own):
            return own
        return torch.cat([torch.full((1, height, width), regions.common), (1 - regions.common) * own])

    def _middles(self) -> list[float]:
        ends = list(accumulate(self._regions.parts))
        return [end - part / 2 for end, part in zip(ends, self._regions.parts, strict=True)]

    def facts(self) -> Mapping[str, Any]:
        return {"regions_centred": self._centred}


def _of_rows(rows: tuple[Rows, ...], ways: Sequence[int]) -> list[int]:
    """By the prompt that a row is of: those of modifiers have its number behind their name, others see all in place."""
    prompts, found = iter(ways), list[int]()
    for one in rows:
        number = one.role.rpartition(" ")[2]
        found.append(next(prompts) if one.role == POSITIVE else ways[int(number)] if number.isdigit() else 0)
    return found


def _areas(parts: Sequence[float], side: int, blend: float) -> torch.Tensor:
    """(parts, side): how much each has of each place, fading into the next over this share of the side; 1 together."""
    places = (torch.arange(side) + 0.5) / side
    behind = [torch.ones(side)]  # ... a border, all of it behind the first
    for border in list(accumulate(parts))[:-1]:
        behind.append(((places - border) / blend + 0.5).clamp(0, 1) if blend else (places >= border).float())
    behind.append(torch.zeros(side))
    return torch.stack([one - other for one, other in pairwise(behind)])
