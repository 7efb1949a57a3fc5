"""Parts that overlap: every pixel is covered, and what a part gives near its border is not used."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipelines.upscaling.tiles import Canvas, corners, starts

SIZES = [(1, 1), (64, 64), (65, 64), (127, 300), (200, 77)]
TILES = [(64, 0), (64, 16), (64, 32), (72, 8)]


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
@pytest.mark.parametrize(("tile", "overlap"), TILES)
def test_parts_cover_all_and_share_what_they_should(length: int, tile: int, overlap: int) -> None:
    found = starts(length, tile, overlap)
    assert found[0] == 0
    assert found[-1] == max(0, length - tile)
    assert all(one < other <= one + tile - overlap for one, other in itertools.pairwise(found))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(("tile", "overlap"), TILES)
@pytest.mark.parametrize("scale", [1, 3])
def test_parts_of_a_picture_make_the_picture(width: int, height: int, tile: int, overlap: int, scale: int) -> None:
    picture = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    canvas = Canvas(width, height, scale)
    for x, y in corners(width, height, tile, overlap):
        part = picture[y : y + tile, x : x + tile].repeat(scale, 0).repeat(scale, 1)
        canvas.put(part, (x, y), tile, overlap)
    assert np.abs(canvas.whole() - picture.repeat(scale, 0).repeat(scale, 1)).max() < 1e-6


def test_what_a_part_gives_near_its_border_is_left_out() -> None:
    """At the picture's own border it is used: nothing else is there."""
    tile, overlap, quarter = 64, 32, 8
    canvas, clean = Canvas(160, 64, 1), np.ones((64, 64, 3), np.float32)
    for x, y in corners(160, 64, tile, overlap):
        part = clean.copy()
        if x > 0:
            part[:, :quarter] = 1e9
        if x + tile < 160:
            part[:, -quarter:] = 1e9
        canvas.put(part, (x, y), tile, overlap)
    assert (canvas.whole() == 1).all()


def test_neighbours_fade_into_each_other() -> None:
    """A step between two parts becomes a ramp over half of the overlap."""
    canvas = Canvas(96, 64, 1)
    for value, (x, y) in enumerate(corners(96, 64, 64, 32)):
        canvas.put(np.full((64, 64, 3), value, np.float32), (x, y), 64, 32)
    row = canvas.whole()[5, :, 0]
    assert (row[:40] == 0).all()
    assert (row[56:] == 1).all()
    assert np.diff(row).max() < 0.07
