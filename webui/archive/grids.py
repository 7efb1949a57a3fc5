"""One picture of several, near-square."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

PIXEL_LIMIT = 80_000_000  # below the size at which Pillow and browsers become wary
SIDE_LIMIT = 16_384  # pixels


def shape(count: int) -> tuple[int, int]:
    """Columns and rows for `count` pictures: as square as can be, wider rather than taller, no empty row."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def make_grid(images: Sequence[Image.Image]) -> Image.Image:
    """An "RGB" grid, left to right and down, each picture centred in a cell as large as the largest.

    Scaled down as a whole when it would pass `PIXEL_LIMIT` or `SIDE_LIMIT`. Raises ValueError without pictures."""
    if not images:
        raise ValueError("a grid needs at least one picture")
    columns, rows = shape(len(images))
    cell = max(image.width for image in images), max(image.height for image in images)
    width, height = columns * cell[0], rows * cell[1]
    scale = min(1.0, SIDE_LIMIT / width, SIDE_LIMIT / height, math.sqrt(PIXEL_LIMIT / (width * height)))
    cell = max(1, int(cell[0] * scale)), max(1, int(cell[1] * scale))
    grid = Image.new("RGB", (columns * cell[0], rows * cell[1]), (255, 255, 255))
    for place, image in enumerate(images):
        tile = image.convert("RGB")
        if scale < 1:
            size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
            tile = tile.resize(size, Image.Resampling.LANCZOS)
        row, column = divmod(place, columns)
        left = column * cell[0] + (cell[0] - tile.width) // 2
        top = row * cell[1] + (cell[1] - tile.height) // 2
        grid.paste(tile, (left, top))
    return grid
