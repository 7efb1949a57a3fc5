"""Maps of pictures whose lines and areas are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from pipelines.control.preprocessing import PREPROCESSORS, map_of

SIDE = 96


def page() -> Image.Image:
    """A dark line and a dark disc on white paper."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    draw = ImageDraw.Draw(image)
    draw.line((10, 10, 86, 10), fill="black", width=3)
    draw.ellipse((30, 35, 70, 75), fill="navy")
    return image


def halves() -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), (200, 40, 40))
    image.paste((30, 60, 220), (0, 0, SIDE // 2, SIDE))
    return image


def made(name: str, image: Image.Image) -> Any:
    return np.asarray(map_of(image, name, 100, 200)).astype(int)


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_each_gives_a_picture_of_its_size_and_the_same_again(name: str) -> None:
    image = page().resize((80, 56))
    before = image.tobytes()
    first, second = (map_of(image, name, 100, 200) for _ in range(2))
    assert (first.mode, first.size) == ("RGB", (80, 56))
    assert first.tobytes() == second.tobytes()
    assert image.tobytes() == before


@pytest.mark.parametrize("name", ["canny", "soft edges", "lineart", "scribble"])
def test_lines_are_white_on_black(name: str) -> None:
    found = made(name, page())
    assert (found[..., 0] == found[..., 2]).all()
    assert found[8:13, 20:76].max(0).min() > 100  # along the line
    assert found[85:, :].max() == 0  # empty paper
    flat = made(name, Image.new("RGB", (SIDE, SIDE), (90, 140, 30)))
    assert flat.max() == 0


def test_edges_of_canny_begin_and_go_on_where_it_is_said() -> None:
    faint = Image.new("RGB", (SIDE, SIDE), (100, 100, 100))
    faint.paste((130, 130, 130), (SIDE // 2, 0, SIDE, SIDE))  # a step of 30 is 120 to Sobel
    assert np.asarray(map_of(faint, "canny", 100, 110)).max() == 255
    assert np.asarray(map_of(faint, "canny", 100, 130)).max() == 0


def test_the_lines_of_a_scribble_are_thicker_than_those_of_a_drawing() -> None:
    def covered(name: str) -> float:
        return float((made(name, page())[5:16, 20:76, 0] > 100).mean())

    assert covered("scribble") >= covered("canny") > 0


def test_what_is_exact() -> None:
    image = page()
    assert (made("invert", image) == 255 - np.asarray(image).astype(int)).all()
    assert map_of(image, "tile", 1, 1).tobytes() == map_of(image, "none", 1, 1).tobytes() == image.tobytes()
    assert map_of(image, "blur", 1, 1).tobytes() == image.filter(ImageFilter.GaussianBlur(9)).tobytes()


def test_colours_stand_in_fields() -> None:
    found = made("colour grid", halves().resize((128, 128)))
    for top in (0, 64):
        for left in (0, 64):
            field = found[top : top + 64, left : left + 64].reshape(-1, 3)
            assert (field == field[0]).all()
    assert found[0, 0, 2] > found[0, 0, 0]
    assert found[0, 127, 0] > found[0, 127, 2]


def test_areas_have_the_mean_of_what_they_cover() -> None:
    found = made("segments", halves())
    assert np.abs(found[:, 2:46] - (30, 60, 220)).max() <= 1
    assert np.abs(found[:, 50:94] - (200, 40, 40)).max() <= 1
