"""One picture of several, near-square."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

PIXEL_LIMIT = 80_000_000  # below the size at which Pillow and browsers become wary
SIDE_LIMIT = 16_384  # pixels
_LINE = 20  # pixels under a picture, for its caption


def shape(count: int) -> tuple[int, int]:
    """Columns and rows for `count` pictures: as square as can be, wider rather than taller, no empty row."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def make_grid(images: Sequence[Image.Image], captions: Sequence[str] = ()) -> Image.Image:
    """An "RGB" grid, left to right and down, each picture centred in a cell as large as the largest, its
    caption under it.

    Scaled down as a whole when it would pass `PIXEL_LIMIT` or `SIDE_LIMIT`. Raises ValueError without pictures."""
    if not images:
        raise ValueError("a grid needs at least one picture")
    columns, rows = shape(len(images))
    line = _LINE if captions else 0
    cell = max(image.width for image in images), max(image.height for image in images) + line
    width, height = columns * cell[0], rows * cell[1]
    scale = min(1.0, SIDE_LIMIT / width, SIDE_LIMIT / height, math.sqrt(PIXEL_LIMIT / (width * height)))
    cell = max(1, int(cell[0] * scale)), max(1, int(cell[1] * scale))
    line = int(line * scale)
    grid = Image.new("RGB", (columns * cell[0], rows * cell[1]), (255, 255, 255))
    for place, image in enumerate(images):
        tile = image.convert("RGB")
        if scale < 1:
            size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
            tile = tile.resize(size, Image.Resampling.LANCZOS)
        row, column = divmod(place, columns)
        left = column * cell[0] + (cell[0] - tile.width) // 2
        top = row * cell[1] + (cell[1] - line - tile.height) // 2
        grid.paste(tile, (left, top))
        if place < len(captions):
            _write(grid, captions[place], (column * cell[0], (row + 1) * cell[1] - line, cell[0], line))
    return grid


def _write(grid: Image.Image, text: str, box: tuple[int, int, int, int]) -> None:
    """In the middle of `box` (left, top, width, height), as small as it has to be."""
    left, top, width, height = box
    font = ImageFont.load_default(max(1, int(height * 0.7)))
    if (long := font.getlength(text)) > width:
        font = ImageFont.load_default(max(1, int(height * 0.7 * width / long)))
    ImageDraw.Draw(grid).text((left + width / 2, top + height / 2), text, fill=(30, 30, 34), font=font, anchor="mm")
