"""Pictures whose edges meet: convolutions that see what lies beyond an edge as what lies within the opposite one.

Zeros round a picture, which a convolution sees otherwise, are what tells it where an edge is. A1111's *Tiling* is both
ways at once (`Conv2d.padding_mode`, modules/sd_hijack.py); each way by itself is what its extensions have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager as Context
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from pipelines.engines.modifiers.base import Modifier


class Edges(NamedTuple):
    """Which edges meet."""

    across: bool = False  # left and right
    down: bool = False  # top and bottom

    def beyond(self, pixels: torch.Tensor, width: int, height: int) -> torch.Tensor:
        """(…, height, width) with so much more on each side that meets another."""
        x, y = width * self.across, height * self.down
        return torch.nn.functional.pad(pixels, (x, x, y, y), mode="circular")


def edges_of(tiling: str) -> Edges:
    """Of the request's field."""
    return Edges(across=tiling in ("x", "both"), down=tiling in ("y", "both"))


@dataclass(frozen=True, kw_only=True)
class Tiling(Modifier):
    edges: Edges

    def applied_to(self, network: Any) -> Context[Any]:
        return wrapped(network, self.edges)


@contextmanager
def wrapped(network: torch.nn.Module, edges: Edges) -> Iterator[None]:
    """Its convolutions go round these edges meanwhile."""
    with ExitStack() as stack:
        for one in network.modules() if any(edges) else ():
            if isinstance(one, torch.nn.Conv2d) and any(one.padding):
                stack.enter_context(_rounded(one, edges))
        yield


@contextmanager
def _rounded(convolution: torch.nn.Conv2d, edges: Edges) -> Iterator[None]:
    """It is given what lies beyond the edges that meet, and adds zeros beyond the others alone."""
    down, across = map(int, convolution.padding)

    def goes_round(_: Any, given: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return edges.beyond(given[0], across, down)

    hook, before = convolution.register_forward_pre_hook(goes_round), convolution.padding
    convolution.padding = (0 if edges.down else down, 0 if edges.across else across)
    try:
        yield
    finally:
        convolution.padding = before
        hook.remove()
