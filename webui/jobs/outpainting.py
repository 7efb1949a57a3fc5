"""A picture that is to go on beyond its sides: a larger one to start from, and a mask of what is new of it."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy
from PIL import Image, ImageDraw, ImageFilter

from pipelines.errors import InvalidRequest
from pipelines.groups import LARGEST_SIDE
from pipelines.kinds import shown, whole

FILLS = ("edge", "mirrored", "noise", "blurred")  # what lies beyond the sides at first
_ADDED = whole(0, LARGEST_SIDE)
OVERLAP = 8  # pixels of the picture itself that are painted anew, so that no seam shows


class Sides(NamedTuple):
    """Pixels that are added."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def of(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size that comes out."""
        return self.left + size[0] + self.right, self.top + size[1] + self.bottom


def sides_in(text: str, size: tuple[int, int]) -> Sides:
    """Of what was typed: "64,0,64,0", or a shape that a picture of this size is brought to: "16:9". Raises
    InvalidRequest."""
    shape, pixels = re.fullmatch(r"(\d{1,4}):(\d{1,4})", text), re.fullmatch(r"(\d{1,4})(?:,(\d{1,4})){3}", text)
    if shape and all(parts := [int(part) for part in shape.groups()]):
        return to_shape(size, (parts[0], parts[1]))
    if pixels is None:
        raise InvalidRequest("outpaint", "outpaint_sides", value=shown(text))
    return Sides(*map(int, text.split(",")))


def to_shape(size: tuple[int, int], shape: tuple[int, int]) -> Sides:
    """As little as makes a picture of this shape, width to height, half of it on either side."""
    wide, high = round(size[1] * shape[0] / shape[1]), round(size[0] * shape[1] / shape[0])
    across, down = max(0, wide - size[0]), max(0, high - size[1])
    return Sides(across // 2, down // 2, across - across // 2, down - down // 2)


def extended(image: Image.Image, sides: Sides, fill: str) -> tuple[Image.Image, Image.Image]:
    """The larger picture ("RGB") and its mask ("L", white where it is new). Raises InvalidRequest."""
    for name, pixels in zip(sides._fields, sides, strict=True):
        _ADDED.check(f"outpaint_{name}", pixels)
    if fill not in FILLS:
        raise InvalidRequest("outpaint_fill", "choice", choices=FILLS, value=fill)
    if not any(sides):
        raise InvalidRequest("outpaint_left", "outpaint_nothing")
    if max(size := sides.of(image.size)) > LARGEST_SIDE:
        raise InvalidRequest("outpaint_left", "outpaint_large", limit=LARGEST_SIDE, value="{} × {}".format(*size))
    larger = _beyond(image, sides, fill)
    larger.paste(image, (sides.left, sides.top))
    return larger, _mask(image.size, sides)


def _beyond(image: Image.Image, sides: Sides, fill: str) -> Image.Image:
    pixels, widths = numpy.asarray(image), ((sides.top, sides.bottom), (sides.left, sides.right), (0, 0))
    if fill == "noise":
        size = sides.of(image.size)
        # colours of the picture, in no order, and the same ones each time
        drawn = numpy.random.default_rng(0).integers(image.width * image.height, size=size[::-1])
        return Image.fromarray(pixels.reshape(-1, 3)[drawn])
    if fill == "mirrored":
        return Image.fromarray(numpy.pad(pixels, widths, mode="symmetric"))
    larger = Image.fromarray(numpy.pad(pixels, widths, mode="edge"))
    return larger.filter(ImageFilter.GaussianBlur(max(sides) / 4)) if fill == "blurred" else larger


def _mask(size: tuple[int, int], sides: Sides) -> Image.Image:
    """What stays is the picture, but for a narrow band where it goes on; a tiny picture keeps its middle."""
    width, height = size
    band = [min(OVERLAP, across // 4) if pixels else 0 for pixels, across in zip(sides, size * 2, strict=True)]
    mask = Image.new("L", sides.of(size), 255)
    left, top = sides.left + band[0], sides.top + band[1]
    right, bottom = sides.left + width - band[2], sides.top + height - band[3]
    ImageDraw.Draw(mask).rectangle((left, top, right - 1, bottom - 1), fill=0)
    return mask
