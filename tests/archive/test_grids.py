"""Grids: shape, order, caps."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.archive.helpers import Open, tile
from webui.archive import grids
from webui.lab.sheet import draw_sheet


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (6, 3, 2), (7, 3, 3), (12, 4, 3)],
)
def test_shapes(count: int, columns: int, rows: int) -> None:
    assert grids.shape(count) == (columns, rows)


@pytest.mark.parametrize("count", range(1, 101))
def test_shape_holds_all_with_no_empty_row_and_is_near_square(count: int) -> None:
    columns, rows = grids.shape(count)
    assert columns * (rows - 1) < count <= columns * rows
    assert 0 <= columns - rows <= 1


def test_pictures_stand_in_reading_order_unchanged() -> None:
    tiles = [Image.new("RGB", (8, 6), (shade, 0, 0)) for shade in (10, 20, 30)]
    grid = grids.make_grid(list(map(tile, tiles)))
    assert grid.size == (16, 12)
    assert [grid.getpixel(place) for place in ((0, 0), (8, 0), (7, 11), (8, 6))] == [
        (10, 0, 0),
        (20, 0, 0),
        (30, 0, 0),
        (255, 255, 255),
    ]


def test_a_smaller_picture_is_centred() -> None:
    grid = grids.make_grid([tile(Image.new("RGB", (10, 10))), tile(Image.new("RGB", (4, 10), (9, 9, 9)))])
    assert [grid.getpixel((x, 5)) for x in (12, 13, 16, 17)] == [(255,) * 3, (9,) * 3, (9,) * 3, (255,) * 3]


def test_caps_scale_the_whole_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = [tile(Image.new("RGB", (100, 50)))] * 4
    monkeypatch.setattr(grids, "PIXEL_LIMIT", 5000)
    assert grids.make_grid(tiles).size == (100, 50)
    monkeypatch.setattr(grids, "SIDE_LIMIT", 40)
    assert grids.make_grid(tiles).size == (40, 20)
    with pytest.raises(ValueError, match="at least one"):
        grids.make_grid([])


def test_captions_stand_under_their_pictures() -> None:
    """Ink below each picture that has one and nowhere else; the pictures themselves as they were."""
    tiles = [Image.new("RGB", (100, 40), (shade, 0, 0)) for shade in (10, 20, 30)]
    grid = grids.make_grid(list(map(tile, tiles, ["4294967295", "2", ""])))
    assert grid.size == (200, 120)
    for place, (left, top) in enumerate(((0, 0), (100, 0), (0, 60))):
        assert grid.crop((left, top, left + 100, top + 40)).getcolors() == [(4000, (10 * (place + 1), 0, 0))]
        below = grid.crop((left, top + 40, left + 100, top + 60)).convert("L")
        assert (below.getextrema()[0] < 128) == (place < 2)
    assert grid.crop((100, 60, 200, 120)).getcolors() == [(6000, (255, 255, 255))]


def test_a_long_caption_stays_within_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = [Image.new("RGB", (32, 32), (255, 255, 255))] * 2
    grid = grids.make_grid(list(map(tile, tiles, ["4294967295", ""]))).convert("L")
    assert grid.crop((0, 32, 32, 52)).getextrema()[0] < 200
    assert grid.crop((32, 0, 64, 52)).getextrema() == (255, 255)
    monkeypatch.setattr(grids, "SIDE_LIMIT", 16)
    assert max(grids.make_grid(list(map(tile, tiles, ["1", "2"]))).size) <= 16


@pytest.mark.parametrize("drawn", ["grid", "sheet"])
def test_one_picture_is_open_at_a_time(drawn: str) -> None:
    """A run of 1,600 pictures of a megapixel would be five gigabytes at once."""
    pictures = Open()

    def picture() -> Image.Image:
        return pictures.tell(Image.new("RGB", (64, 48)))

    tiles = [grids.Tile(size=(64, 48), read=picture, caption=str(number)) for number in range(1600)]
    if drawn == "grid":
        grids.make_grid(tiles)
    else:
        draw_sheet([(str(place // 40), str(place % 40), tile) for place, tile in enumerate(tiles)])
    assert (pictures.told, pictures.most) == (1600, 1)


def test_a_picture_that_changed_its_size_meanwhile_stays_in_its_cell() -> None:
    larger = grids.Tile(size=(10, 10), read=lambda: Image.new("RGB", (30, 30), (9, 9, 9)))
    grid = grids.make_grid([larger, tile(Image.new("RGB", (10, 10), (200, 0, 0)))])
    assert grid.size == (20, 10)
    assert [grid.getpixel((x, 5)) for x in (9, 10)] == [(9, 9, 9), (200, 0, 0)]
