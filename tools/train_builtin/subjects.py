"""The twelve subjects, each a bold silhouette drawn in units of its radius around (0, 0), y pointing down."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from tools.train_builtin.scenes import mix
from tools.train_builtin.world import RGB

Point = tuple[float, float]
WHITE: RGB = (250, 250, 248)
WINDOW: RGB = (190, 230, 250)
WOOD: RGB = (112, 72, 40)
LEAF: RGB = (50, 140, 60)


@dataclass(frozen=True, kw_only=True)
class Pen:
    """Draws shapes given in radii, tilted and moved to their place; `outline` is in canvas pixels, 0 for none."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    radius: float
    tilt: float
    outline: int
    ink: RGB

    def _to_canvas(self, point: Point) -> Point:
        cosine, sine = math.cos(self.tilt), math.sin(self.tilt)
        x, y = point
        return self.x + self.radius * (x * cosine - y * sine), self.y + self.radius * (x * sine + y * cosine)

    def polygon(self, points: Sequence[Point], fill: RGB, *, outlined: bool = True) -> None:
        canvas = [self._to_canvas(point) for point in points]
        self.draw.polygon(canvas, fill=fill)
        if self.outline and outlined:
            self.draw.line(canvas + canvas[:2], fill=self.ink, width=self.outline, joint="curve")

    def box(self, corners: tuple[float, float, float, float], fill: RGB, *, outlined: bool = True) -> None:
        left, top, right, bottom = corners
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill, outlined=outlined)

    def ellipse(self, centre: Point, radii: Point, fill: RGB, *, turn: float = 0.0, outlined: bool = True) -> None:
        cosine, sine = math.cos(turn), math.sin(turn)
        points = []
        for step in range(40):
            angle = step * math.tau / 40
            x, y = radii[0] * math.cos(angle), radii[1] * math.sin(angle)
            points.append((centre[0] + x * cosine - y * sine, centre[1] + x * sine + y * cosine))
        self.polygon(points, fill, outlined=outlined)


def _is_dark(colour: RGB) -> bool:
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] < 60


def _second_tone(colour: RGB) -> RGB:
    """A darker tone of the colour; a lighter one where darker could not be seen."""
    return mix(colour, WHITE, 0.3) if _is_dark(colour) else mix(colour, (0, 0, 0), 0.3)


def _ball(pen: Pen, colour: RGB) -> None:
    pen.ellipse((0, 0), (0.95, 0.95), colour)
    pen.ellipse((-0.35, -0.38), (0.26, 0.18), mix(colour, WHITE, 0.5), turn=-0.7, outlined=False)


def _star(pen: Pen, colour: RGB) -> None:
    points = []
    for corner in range(10):
        reach, angle = (1.08 if corner % 2 == 0 else 0.46), corner * math.pi / 5
        points.append((reach * math.sin(angle), 0.08 - reach * math.cos(angle)))
    pen.polygon(points, colour)


def _heart(pen: Pen, colour: RGB) -> None:
    points = []
    for step in range(48):
        a = step * math.tau / 48
        x = 16 * math.sin(a) ** 3
        y = 13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)
        points.append((0.061 * x, -0.064 * y - 0.08))
    pen.polygon(points, colour)


def _moon(pen: Pen, colour: RGB) -> None:
    """A crescent open to the right: an outer arc and an inner arc back."""
    outer = [(math.cos(math.radians(a)), math.sin(math.radians(a))) for a in range(50, 311, 10)]
    inner = [(0.32 + 0.78 * math.cos(math.radians(a)), 0.78 * math.sin(math.radians(a))) for a in range(290, 69, -10)]
    pen.polygon([(x + 0.12, y) for x, y in outer + inner], colour)


def _house(pen: Pen, colour: RGB) -> None:
    pen.box((-0.74, -0.1, 0.74, 0.92), colour)
    pen.polygon([(-1.0, -0.08), (0, -0.98), (1.0, -0.08)], _second_tone(colour))
    pen.box((-0.2, 0.3, 0.2, 0.92), mix(WINDOW, WOOD, 0.0 if _is_dark(colour) else 0.15))


def _tree(pen: Pen, colour: RGB) -> None:
    pen.box((-0.16, 0.2, 0.16, 1.0), WOOD)
    pen.ellipse((-0.42, -0.1), (0.46, 0.44), colour)
    pen.ellipse((0.42, -0.1), (0.46, 0.44), colour)
    pen.ellipse((0, -0.54), (0.5, 0.46), colour)
    pen.ellipse((0, -0.14), (0.52, 0.42), colour, outlined=False)


def _flower(pen: Pen, colour: RGB) -> None:
    pen.box((-0.07, 0.0, 0.07, 1.0), LEAF)
    pen.ellipse((0.32, 0.7), (0.32, 0.14), LEAF, turn=-0.5)
    for petal in range(5):
        angle = petal * math.tau / 5 - math.pi / 2
        pen.ellipse((0.44 * math.cos(angle), -0.34 + 0.44 * math.sin(angle)), (0.35, 0.29), colour, turn=angle)
    warm = colour[0] > 200 and 110 < colour[1] < 230 and colour[2] < 90  # orange and yellow petals hide a yellow eye
    pen.ellipse((0, -0.34), (0.25, 0.25), (125, 75, 40) if warm else (250, 210, 60))


def _fish(pen: Pen, colour: RGB) -> None:
    pen.polygon([(0.42, 0), (1.05, -0.58), (0.88, 0), (1.05, 0.58)], _second_tone(colour))
    pen.ellipse((-0.2, 0), (0.82, 0.56), colour)
    pen.ellipse((-0.6, -0.12), (0.15, 0.15), WHITE, outlined=False)
    pen.ellipse((-0.62, -0.12), (0.075, 0.075), (20, 20, 25), outlined=False)


def _cat(pen: Pen, colour: RGB) -> None:
    for side in (-1, 1):
        pen.polygon([(side * 0.86, 0.05), (side * 0.82, -1.0), (side * 0.14, -0.5)], colour)
    pen.ellipse((0, 0.18), (0.94, 0.76), colour)
    eyes: RGB = (250, 235, 120) if _is_dark(colour) else (20, 20, 25)
    for side in (-1, 1):
        pen.ellipse((side * 0.38, 0.06), (0.13, 0.19), eyes, outlined=False)
    pen.polygon([(-0.14, 0.36), (0.14, 0.36), (0, 0.54)], mix((235, 110, 130), WHITE, 0.2), outlined=False)


def _boat(pen: Pen, colour: RGB) -> None:
    sail: RGB = (235, 205, 140) if min(colour) > 220 else WHITE
    pen.box((-0.06, -0.95, 0.06, 0.4), WOOD)
    pen.polygon([(0.1, -0.98), (0.86, 0.24), (0.1, 0.24)], sail)
    pen.polygon([(-0.12, -0.74), (-0.7, 0.24), (-0.12, 0.24)], mix(sail, (120, 120, 130), 0.15))
    pen.polygon([(-1.02, 0.36), (1.02, 0.36), (0.66, 0.92), (-0.66, 0.92)], colour)


def _car(pen: Pen, colour: RGB) -> None:
    pen.polygon([(-0.62, -0.02), (-0.4, -0.5), (0.32, -0.5), (0.6, -0.02)], colour)
    pen.polygon([(-0.42, -0.04), (-0.29, -0.36), (-0.05, -0.36), (-0.05, -0.04)], WINDOW, outlined=False)
    pen.polygon([(0.08, -0.04), (0.08, -0.36), (0.24, -0.36), (0.41, -0.04)], WINDOW, outlined=False)
    pen.box((-1.04, -0.06, 1.04, 0.44), colour)
    for side in (-0.56, 0.56):
        pen.ellipse((side, 0.46), (0.26, 0.26), (42, 42, 48))
        pen.ellipse((side, 0.46), (0.11, 0.11), (205, 205, 210), outlined=False)


def _rocket(pen: Pen, colour: RGB) -> None:
    fin = _second_tone(colour)
    pen.polygon([(-0.26, 0.6), (0.26, 0.6), (0, 1.12)], (255, 165, 35))
    pen.polygon([(-0.3, 0.0), (-0.78, 0.76), (-0.26, 0.62)], fin)
    pen.polygon([(0.3, 0.0), (0.78, 0.76), (0.26, 0.62)], fin)
    right = [(0.24, -0.72), (0.38, -0.3), (0.4, 0.2), (0.3, 0.64)]
    pen.polygon([(0, -1.06), *right, *((-x, y) for x, y in reversed(right))], colour)
    pen.ellipse((0, -0.2), (0.19, 0.19), (90, 160, 220) if min(colour) > 200 else WINDOW)


DRAWERS: dict[str, Callable[[Pen, RGB], None]] = {
    "ball": _ball,
    "star": _star,
    "heart": _heart,
    "moon": _moon,
    "house": _house,
    "tree": _tree,
    "flower": _flower,
    "fish": _fish,
    "cat": _cat,
    "boat": _boat,
    "car": _car,
    "rocket": _rocket,
}
