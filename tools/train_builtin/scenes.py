"""Backgrounds: twelve plain colours and eight scenes, by day, at sunset and at night."""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from tools.train_builtin.world import COLOURS, RGB, Picture

HORIZON = 0.62  # share of the height
SKY: dict[str, tuple[RGB, RGB]] = {  # top, horizon
    "day": ((110, 185, 245), (205, 232, 252)),
    "sunset": ((125, 70, 150), (255, 165, 75)),
    "night": ((18, 22, 66), (48, 54, 120)),
}
LIGHT: dict[str, tuple[RGB, float]] = {  # what the ground is mixed with, and how much
    "day": ((255, 255, 255), 0.0),
    "sunset": ((200, 80, 60), 0.32),
    "night": ((14, 18, 60), 0.6),
}
Paint = Callable[[RGB], RGB]


def mix(one: RGB, other: RGB, share: float) -> RGB:
    """`one` with `share` of `other` in it."""
    red, green, blue = (round(a * (1 - share) + b * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def gradient(width: int, height: int, top: RGB, bottom: RGB) -> Image.Image:
    """A vertical gradient."""
    ramp = np.linspace(np.array(top, np.float32), np.array(bottom, np.float32), height)[:, None]
    return Image.fromarray(np.broadcast_to(ramp, (height, width, 3)).round().astype(np.uint8))


def draw_background(picture: Picture, width: int, height: int, rng: random.Random) -> Image.Image:
    """The empty stage of a picture."""
    if picture.plain:
        shift = rng.uniform(-6, 6)
        red, green, blue = (round(min(255, max(0, value + shift))) for value in COLOURS[picture.background])
        return Image.new("RGB", (width, height), (red, green, blue))
    if picture.background == "space":
        return _space(width, height, rng)
    sky_top, sky_low = SKY[picture.time]
    horizon = round(HORIZON * height)
    image = Image.new("RGB", (width, height), sky_low)
    image.paste(gradient(width, horizon, sky_top, sky_low), (0, 0))
    light, share = LIGHT[picture.time]
    stage = Stage(image, horizon, lambda colour: mix(colour, light, share), rng)
    SCENE_DRAWERS[picture.background](stage)
    return image


class Stage:
    """A canvas with a horizon, and paint in the light of the hour."""

    def __init__(self, image: Image.Image, horizon: int, paint: Paint, rng: random.Random) -> None:
        self.draw = ImageDraw.Draw(image)
        self.width, self.height = image.size
        self.horizon = horizon
        self.paint = paint
        self.shift = rng.uniform(-0.03, 0.03) * self.width  # the one difference between two pictures of a scene

    def band(self, top: float, colour: RGB) -> None:
        """Everything below `top` (share of the height below the sky, 0 at the horizon)."""
        y = self.horizon + top * (self.height - self.horizon)
        self.draw.rectangle((0, y, self.width, self.height), fill=self.paint(colour))

    def hill(self, x: float, top: float, spread: float, colour: RGB) -> None:
        """A round hill: centre x and half width in widths, top in heights."""
        left, right = (x - spread) * self.width + self.shift, (x + spread) * self.width + self.shift
        y = top * self.height
        self.draw.ellipse((left, y, right, y + 2 * (self.height - y)), fill=self.paint(colour))

    def peak(self, x: float, top: float, spread: float, colour: RGB) -> None:
        """A triangle on the horizon: centre and half width in widths, height in heights."""
        tip = x * self.width + self.shift
        reach = spread * self.width
        base = self.horizon + 2
        points = [(tip - reach, base), (tip + reach, base), (tip, self.horizon - top * self.height)]
        self.draw.polygon(points, fill=self.paint(colour))


def _meadow(stage: Stage) -> None:
    stage.band(0, (96, 178, 72))
    stage.hill(0.2, 0.57, 0.55, (112, 194, 84))
    stage.band(0.45, (84, 164, 62))


def _beach(stage: Stage) -> None:
    stage.band(0, (38, 140, 205))
    stage.band(0.34, (240, 247, 250))
    stage.band(0.42, (242, 216, 150))


def _desert(stage: Stage) -> None:
    stage.band(0, (214, 158, 84))
    stage.hill(0.78, 0.5, 0.5, (226, 172, 98))
    stage.hill(0.15, 0.7, 0.75, (198, 136, 66))


def _snow(stage: Stage) -> None:
    for x, top in ((0.08, 0.3), (0.24, 0.2), (0.78, 0.2), (0.93, 0.32)):
        stage.peak(x, top, 0.09, (58, 112, 92))
    stage.band(0, (236, 243, 252))


def _sea(stage: Stage) -> None:
    stage.band(0, (52, 146, 212))
    stage.band(0.3, (36, 118, 190))
    stage.band(0.65, (24, 92, 166))


def _mountains(stage: Stage) -> None:
    for x, top, spread in ((0.18, 0.38, 0.3), (0.84, 0.42, 0.32), (0.5, 0.3, 0.26)):
        stage.peak(x, top, spread, (118, 126, 150))
        tip = x * stage.width + stage.shift
        y, reach = stage.horizon - top * stage.height, 0.3 * spread * stage.width
        base = y + 0.3 * top * stage.height
        stage.draw.polygon([(tip, y), (tip - reach, base), (tip + reach, base)], fill=stage.paint((246, 249, 252)))
    stage.band(0, (104, 152, 92))


def _city(stage: Stage) -> None:
    towers = ((0.0, 0.3), (0.17, 0.42), (0.34, 0.24), (0.5, 0.36), (0.66, 0.26), (0.82, 0.44))
    shades: tuple[RGB, RGB] = ((122, 128, 152), (148, 142, 156))
    for index, (x, top) in enumerate(towers):
        left = x * stage.width + stage.shift
        box = (left, stage.horizon - top * stage.height, left + 0.155 * stage.width, stage.horizon)
        stage.draw.rectangle(box, fill=stage.paint(shades[index % 2]))
    stage.band(0, (98, 98, 106))
    stage.draw.rectangle((0, 0.84 * stage.height, stage.width, 0.87 * stage.height), fill=stage.paint((236, 226, 160)))


def _space(width: int, height: int, rng: random.Random) -> Image.Image:
    """Deep violet with one ringed planet and a few large stars in fixed places."""
    image = gradient(width, height, (30, 18, 70), (58, 34, 112))
    draw = ImageDraw.Draw(image)
    short = min(width, height)
    x, y, radius = 0.85 * width + rng.uniform(-0.02, 0.02) * width, 0.16 * height, 0.1 * short
    draw.ellipse((x - 1.6 * radius, y - 0.4 * radius, x + 1.6 * radius, y + 0.4 * radius), fill=(226, 196, 150))
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(196, 132, 190))
    for star_x, star_y in ((0.1, 0.12), (0.42, 0.08), (0.07, 0.55), (0.93, 0.6), (0.15, 0.9), (0.62, 0.93)):
        size = 0.016 * short
        left, top = star_x * width, star_y * height
        draw.ellipse((left - size, top - size, left + size, top + size), fill=(250, 246, 220))
    return image


SCENE_DRAWERS: dict[str, Callable[[Stage], None]] = {
    "meadow": _meadow,
    "beach": _beach,
    "desert": _desert,
    "snow": _snow,
    "sea": _sea,
    "mountains": _mountains,
    "city": _city,
}
