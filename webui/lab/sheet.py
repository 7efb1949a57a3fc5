"""The labelled grid of an experiment: rows and columns with their words, pictures in their places."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from webui.archive.grids import PIXEL_LIMIT, SIDE_LIMIT, Tile

_INK, _PAPER, _EMPTY = (30, 30, 34), (255, 255, 255), (240, 240, 242)
_GAP = 4  # pixels
_LINES = 3  # of a label, at most
_CHINESE = ("NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "msyh.ttc", "PingFang.ttc", "wqy-microhei.ttc")

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


def draw_sheet(cells: Sequence[tuple[str, str, Tile]]) -> Image.Image:
    """An "RGB" sheet of (row, column, picture), rows and columns in the order in which they first come.

    Scaled down as a whole when it would pass the limits of grids. Raises ValueError without pictures."""
    if not cells:
        raise ValueError("a sheet needs at least one picture")
    rows = list(dict.fromkeys(row for row, _, _ in cells))
    columns = list(dict.fromkeys(column for _, column, _ in cells))
    width, height = (max(tile.size[side] for *_, tile in cells) for side in (0, 1))
    size = max(11, min(28, width // 12))
    margin = max(96, width * 3 // 4)  # for the words of a row
    wide, high = margin + len(columns) * width, len(rows) * height
    words = _LINES * (size + 4) + 2 * _GAP  # above the columns, at most
    room = SIDE_LIMIT - len(columns) * _GAP, SIDE_LIMIT - len(rows) * _GAP - words
    scale = min(1.0, room[0] / wide, room[1] / high, math.sqrt(PIXEL_LIMIT / (wide * high)))
    width, height, margin = (max(1, int(side * scale)) for side in (width, height, margin))
    font = _font(size, "".join([*rows, *columns]))
    top = max(_height(_wrapped(column, font, width), size) for column in columns) + _GAP * 2
    sheet = Image.new("RGB", (margin + len(columns) * (width + _GAP), top + len(rows) * (height + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, column in enumerate(columns):
        text = _wrapped(column, font, width)
        draw.multiline_text((margin + place * (width + _GAP), _GAP), text, fill=_INK, font=font, spacing=2)
    for place, row in enumerate(rows):
        upper = top + place * (height + _GAP)
        text = _wrapped(row, font, margin - 2 * _GAP, max(1, height // (size + 4)))
        draw.multiline_text((_GAP, upper), text, fill=_INK, font=font, spacing=2)
        for side in range(len(columns)):
            left = margin + side * (width + _GAP)
            draw.rectangle((left, upper, left + width - 1, upper + height - 1), fill=_EMPTY)
    for row, column, tile in cells:
        left, upper = margin + columns.index(column) * (width + _GAP), top + rows.index(row) * (height + _GAP)
        _paste(sheet, tile, (left, upper, width, height))
    return sheet


def _paste(sheet: Image.Image, tile: Tile, box: tuple[int, int, int, int]) -> None:
    """In the middle of `box` (left, top, width, height), scaled down to it."""
    left, top, width, height = box
    picture = tile.read().convert("RGB")
    picture.thumbnail((width, height), Image.Resampling.LANCZOS)
    sheet.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))


def _font(size: int, text: str) -> Font:
    """Pillow's own; for words that it has no letters for, one of the system's."""
    if any(ord(character) > 0x2E7F for character in text):
        for name in _CHINESE:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


def _wrapped(text: str, font: Font, width: int, lines: int = _LINES) -> str:
    """At most `lines` lines no wider than `width` pixels; the rest is an ellipsis."""
    found: list[str] = [""]
    for word in text.replace("\n", " ").split(" "):
        longer = f"{found[-1]} {word}".strip()
        if font.getlength(longer) <= width or not found[-1]:
            found[-1] = longer
        else:
            found.append(word)
    if len(found) > lines:
        found = [*found[: lines - 1], found[lines - 1] + " …"]
    return "\n".join(_cut(line, font, width) for line in found)


def _cut(line: str, font: Font, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


def _height(text: str, size: int) -> int:
    return (text.count("\n") + 1) * (size + 4)
