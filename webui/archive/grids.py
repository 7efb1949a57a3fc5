"""One picture of several, near-square."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

PIXEL_LIMIT = 80_000_000  # below the size at which Pillow and browsers become wary
SIDE_LIMIT = 16_384  # pixels
_LINE = 20  # pixels under a picture, for its caption


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """A picture of a grid. It is read when its turn comes and let go before the next: a run may have thousands."""

    size: tuple[int, int]  # pixels
    read: Callable[[], Image.Image]
    caption: str = ""  # written under it


def shape(count: int) -> tuple[int, int]:
    """Columns and rows for `count` pictures: as square as can be, wider rather than taller, no empty row."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def make_grid(tiles: Sequence[Tile]) -> Image.Image:
    """An "RGB" grid, left to right and down, each picture centred in a cell as large as the largest, its
    caption under it.

    Scaled down as a whole when it would pass `PIXEL_LIMIT` or `SIDE_LIMIT`. Raises ValueError without pictures."""
    if not tiles:
        raise ValueError("a grid needs at least one picture")
    columns, rows = shape(len(tiles))
    line = _LINE if any(tile.caption for tile in tiles) else 0
    cell = max(tile.size[0] for tile in tiles), max(tile.size[1] for tile in tiles) + line
    width, height = columns * cell[0], rows * cell[1]
    scale = min(1.0, SIDE_LIMIT / width, SIDE_LIMIT / height, math.sqrt(PIXEL_LIMIT / (width * height)))
    cell = max(1, int(cell[0] * scale)), max(1, int(cell[1] * scale))
    line = int(line * scale)
    grid = Image.new("RGB", (columns * cell[0], rows * cell[1]), (255, 255, 255))
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        _paste(grid, tile, scale, (column * cell[0], row * cell[1], cell[0], cell[1] - line))
        if tile.caption:
            _write(grid, tile.caption, (column * cell[0], (row + 1) * cell[1] - line, cell[0], line))
    return grid


def _paste(grid: Image.Image, tile: Tile, scale: float, box: tuple[int, int, int, int]) -> None:
    """In the middle of `box` (left, top, width, height)."""
    left, top, width, height = box
    picture = tile.read().convert("RGB")
    size = max(1, int(tile.size[0] * scale)), max(1, int(tile.size[1] * scale))
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    grid.paste(picture, (left + (width - size[0]) // 2, top + (height - size[1]) // 2))


def _write(grid: Image.Image, text: str, box: tuple[int, int, int, int]) -> None:
    """In the middle of `box` (left, top, width, height), as small as it has to be."""
    left, top, width, height = box
    font = ImageFont.load_default(max(1, int(height * 0.7)))
    if (long := font.getlength(text)) > width:
        font = ImageFont.load_default(max(1, int(height * 0.7 * width / long)))
    ImageDraw.Draw(grid).text((left + width / 2, top + height / 2), text, fill=(30, 30, 34), font=font, anchor="mm")
