"""A picture in parts that overlap, always the same ones in the same order.

Each part is computed with what lies around it. What it gives near its border, where it saw too little, is left out;
further in it fades into its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where the parts of one direction begin: each shares `overlap` or more with the next; the last ends at the end."""
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - overlap), length - tile]


def corners(width: int, height: int, tile: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Left and top of every part, row by row from the top."""
    yield from ((x, y) for y, x in product(starts(height, tile, overlap), starts(width, tile, overlap)))


def shares(start: int, tile: int, length: int, overlap: int, scale: int) -> NDArray[np.float32]:
    """How much a part counts along one direction, (pixels that come out of it,). At the picture's own border it counts
    wholly; elsewhere nothing in the outer quarter of the overlap, wholly from its inner quarter on."""
    size = min(tile, length)
    places = (np.arange(size * scale, dtype=np.float32) + 0.5) / scale
    found = np.ones(size * scale, np.float32)
    if overlap:
        if start > 0:
            found = np.minimum(found, (places - overlap / 4) / (overlap / 2))
        if start + size < length:
            found = np.minimum(found, (size - places - overlap / 4) / (overlap / 2))
    return found.clip(0, 1)


class Canvas:
    """Takes the parts of a picture of `width` by `height` pixels made `scale` times as large, and gives the whole."""

    def __init__(self, width: int, height: int, scale: int) -> None:
        self._width, self._height, self._scale = width, height, scale
        self._sum = np.zeros((height * scale, width * scale, 3), np.float32)
        self._shares = np.zeros((height * scale, width * scale, 1), np.float32)

    def put(self, part: NDArray[np.float32], corner: tuple[int, int], tile: int, overlap: int) -> None:
        """`part`: (height, width, 3); `corner`: where its left top is in the picture."""
        (x, y), scale = corner, self._scale
        across = shares(x, tile, self._width, overlap, scale)
        down = shares(y, tile, self._height, overlap, scale)
        share = (down[:, None] * across[None, :])[..., None]
        height, width = part.shape[:2]
        inside = np.s_[y * scale : y * scale + height, x * scale : x * scale + width]
        self._sum[inside] += part * share
        self._shares[inside] += share

    def whole(self) -> NDArray[np.float32]:
        """(height, width, 3)"""
        return self._sum / self._shares
