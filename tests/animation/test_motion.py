"""How a picture is moved: told by where a mark in it comes to."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from webui.animation.motion import moved


def marked(x: int, y: int) -> Image.Image:
    """Black, 64 × 48, with a white mark of 3 × 3 pixels about that one."""
    image = Image.new("RGB", (64, 48))
    image.paste((255, 255, 255), (x - 1, y - 1, x + 2, y + 2))
    return image


def middle_of_mark(image: Image.Image) -> tuple[float, float]:
    light = np.asarray(image.convert("L"), np.float64)
    y, x = np.indices(light.shape)
    return float((x * light).sum() / light.sum()), float((y * light).sum() / light.sum())


@pytest.mark.parametrize(
    ("motion", "x", "y"),
    [
        ({"right": 5, "down": -3}, 46, 20),
        ({"zoom": 1.5}, 45.75, 22.75),  # the middle of the picture lies between its pixels
        ({"turn": 90}, 32, 33),  # clockwise: what is right of the middle comes below it
    ],
)
def test_where_a_mark_comes_to(motion: dict[str, float], x: float, y: float) -> None:
    found = middle_of_mark(moved(marked(41, 23), motion))
    assert found == pytest.approx((x, y), abs=0.3)


def test_nothing_is_nothing() -> None:
    image = marked(3, 4)
    assert moved(image, {"zoom": 1.0, "turn": 0}) is image


def test_edges_are_mirrored() -> None:
    """Of grey nothing but grey comes in."""
    grey = Image.new("RGB", (64, 48), (90, 90, 90))
    assert moved(grey, {"zoom": 0.5, "turn": 45, "right": 30}).getcolors() == [(64 * 48, (90, 90, 90))]
    pushed = np.asarray(moved(marked(1, 20), {"right": 3}))
    assert (pushed[20, :6, 0] == 255).all()  # three pixels of the mark, and their mirror image before them
