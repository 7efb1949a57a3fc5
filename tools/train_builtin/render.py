"""Draws a `Picture` with Pillow, supersampled. Large calm shapes only: detail costs capacity that silhouettes need."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tools.train_builtin.scenes import draw_background
from tools.train_builtin.subjects import DRAWERS, Pen
from tools.train_builtin.world import COLOURS, RGB, Picture

SUPERSAMPLING = 3
PIXEL_BLOCK = 4  # pixels of one pixel-art block: equals the VAE's factor, so a block is one latent pixel
OUTLINE: RGB = (18, 18, 22)
RADIUS = {"small": (0.185, 0.205), "medium": (0.28, 0.305), "large": (0.395, 0.425)}  # share of the shorter side
RADIUS_OF_TWO = (0.215, 0.235)
PLACE = {"left": 0.28, "center": 0.5, "right": 0.72}  # share of the width
PAPER = np.array([250, 248, 242], np.float32)

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Drawing:
    """A rendered image and the boxes (left, top, right, bottom; pixels) its subjects fill."""

    image: Image.Image
    boxes: tuple[Box, ...]


def render(picture: Picture, rng: random.Random, *, width: int = 128, height: int = 128, scale: int = 1) -> Drawing:
    """Draw one picture; `rng` gives it its small differences of place, size, tilt and shade.

    With `scale` the same picture is `scale` times as wide and high: blocks of pixel art, washes and blurs grow with it.
    """
    width, height = width * scale, height * scale
    wide, high = width * SUPERSAMPLING, height * SUPERSAMPLING
    image = draw_background(picture, wide, high, rng)
    places = [_place(picture, wide, high, rng)] if picture.second is None else _two_places(wide, high, rng)
    shown = [(picture.subject, picture.colour)] + ([picture.second] if picture.second else [])
    draw = ImageDraw.Draw(image)
    outline = round(0.032 * min(wide, high)) if picture.style == "cartoon" else 0
    for (subject, colour), (x, y, radius) in zip(shown, places, strict=True):
        shade = jitter(COLOURS[colour], rng)
        pen = Pen(draw=draw, x=x, y=y, radius=radius, tilt=rng.uniform(-0.06, 0.06), outline=outline, ink=OUTLINE)
        DRAWERS[subject](pen, shade)
    boxes = tuple(_box(place, width, height) for place in places)
    finished = finish(image, picture.style, width, height, scale)
    if picture.blurred:
        finished = finished.filter(ImageFilter.GaussianBlur(rng.uniform(2.2, 3.2) * scale))
    return Drawing(finished, boxes)


def jitter(colour: RGB, rng: random.Random) -> RGB:
    red, green, blue = (round(min(255, max(0, value + rng.uniform(-7, 7)))) for value in colour)
    return red, green, blue


def _place(picture: Picture, wide: int, high: int, rng: random.Random) -> tuple[float, float, float]:
    """Centre and radius in supersampled pixels."""
    short = min(wide, high)
    radius = rng.uniform(*RADIUS[picture.size]) * short
    x = (PLACE[picture.position] + rng.uniform(-0.02, 0.02)) * wide
    if picture.size == "large":
        x = 0.5 * wide + (x - 0.5 * wide) * 0.75  # or half of it would be outside
    y = (0.52 if picture.plain or picture.size == "large" else 0.58) + rng.uniform(-0.02, 0.02)
    return x, y * high, radius


def _two_places(wide: int, high: int, rng: random.Random) -> list[tuple[float, float, float]]:
    radius = rng.uniform(*RADIUS_OF_TWO) * min(wide, high)
    return [((at + rng.uniform(-0.012, 0.012)) * wide, rng.uniform(0.53, 0.57) * high, radius) for at in (0.26, 0.74)]


def _box(place: tuple[float, float, float], width: int, height: int) -> Box:
    x, y, radius = (value / SUPERSAMPLING for value in place)
    reach = radius * 1.12
    return (
        max(0, int(x - reach)),
        max(0, int(y - reach)),
        min(width, math.ceil(x + reach)),
        min(height, math.ceil(y + reach)),
    )


def finish(image: Image.Image, style: str, width: int, height: int, scale: int = 1) -> Image.Image:
    """Bring the supersampled drawing to its size (pixels), in its style."""
    if style == "pixel":
        block = PIXEL_BLOCK * scale
        blocks = image.resize((width // block, height // block), Image.Resampling.NEAREST)
        return blocks.resize((width, height), Image.Resampling.NEAREST)
    image = image.resize((width, height), Image.Resampling.BOX)
    return _watercolour(image, scale) if style == "watercolor" else image


def _watercolour(image: Image.Image, scale: int) -> Image.Image:
    """Soft edges that darken where the paint dries, paler colours, and a border of bare paper."""
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.1 * scale)), np.float32)
    wide = np.asarray(image.filter(ImageFilter.GaussianBlur(4.5 * scale)), np.float32)
    paint = (soft + 0.3 * (soft - wide)) * 0.8 + 255 * 0.2
    height, width = paint.shape[0] / scale, paint.shape[1] / scale
    rows, columns = np.mgrid[0 : paint.shape[0], 0 : paint.shape[1]].astype(np.float32) / scale
    edge = np.minimum(np.minimum(columns, width - 1 - columns), np.minimum(rows, height - 1 - rows))
    wave = 1.5 * np.sin(columns / 9) + 1.5 * np.sin(rows / 11)  # the same wobble each time: nothing to memorise
    cover = np.clip((edge + wave - 7) / 3, 0, 1)[..., None]
    return Image.fromarray((paint * cover + PAPER * (1 - cover)).clip(0, 255).astype(np.uint8))


def contact_sheet(images: Sequence[Image.Image], columns: int, gap: int = 2) -> Image.Image:
    """Equal images in rows on white."""
    width, height = images[0].size
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * (width + gap), rows * (height + gap)), (255, 255, 255))
    for index, image in enumerate(images):
        sheet.paste(image, (index % columns * (width + gap), index // columns * (height + gap)))
    return sheet
