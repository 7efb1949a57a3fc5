"""A picture that goes on beyond its sides: what lies there at first, what of it is painted, and what stays."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from webui.jobs.outpainting import FILLS, OVERLAP, Sides, extended, sides_in

SIDES = Sides(24, 8, 0, 40)
PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("fill", FILLS)
def test_the_picture_stands_in_the_larger_one_and_all_that_is_new_is_masked(fill: str) -> None:
    larger, mask = extended(PICTURE, SIDES, fill)
    assert larger.size == mask.size == (88, 96)
    assert larger.crop((24, 8, 88, 56)).tobytes() == PICTURE.tobytes()
    painted = np.asarray(mask) == 255
    assert set(np.unique(np.asarray(mask))) == {0, 255}
    kept = ~painted
    # a band of the picture where it goes on is painted too, none at its right side
    assert kept.sum() == (64 - OVERLAP) * (48 - 2 * OVERLAP)
    assert kept[8 + OVERLAP : 56 - OVERLAP, 24 + OVERLAP :].all()
    assert extended(PICTURE, SIDES, fill)[0].tobytes() == larger.tobytes()


def test_what_lies_beyond_at_first() -> None:
    pixels = np.asarray(PICTURE)
    found = {fill: np.asarray(extended(PICTURE, SIDES, fill)[0]) for fill in FILLS}
    assert (found["edge"][8:56, :24] == pixels[:, :1]).all()
    assert (found["mirrored"][8:56, :24] == pixels[:, 23::-1]).all()
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3)}
    assert {tuple(colour) for colour in found["noise"].reshape(-1, 3)} <= colours
    assert len(np.unique(found["noise"][8:56, :24], axis=1)[0]) > 10
    rough = {fill: np.abs(np.diff(found[fill][56:, :].astype(int), axis=1)).mean() for fill in ("edge", "blurred")}
    assert rough["blurred"] < 0.2 * rough["edge"]


def test_a_shape_adds_as_little_as_makes_it() -> None:
    assert sides_in("16:9", (90, 90)) == Sides(35, 0, 35, 0)
    assert sides_in("1:1", (90, 51)) == Sides(0, 19, 0, 20)
    assert sides_in("64,0,32,8", (1, 1)) == Sides(64, 0, 32, 8)


@pytest.mark.parametrize("text", ["", "64", "1,2,3", "0:9", "16:9:1", "-1,0,0,0", "a,b,c,d"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sides_in(text, (64, 64))
    assert caught.value.note.code == "outpaint_sides"


@pytest.mark.parametrize(
    ("sides", "fill", "field", "code"),
    [
        (Sides(), "edge", "outpaint_left", "outpaint_nothing"),
        (Sides(right=4090), "edge", "outpaint_left", "outpaint_large"),
        (Sides(top=-8), "edge", "outpaint_top", "whole_number"),
        (Sides(bottom="8"), "edge", "outpaint_bottom", "whole_number"),  # type: ignore[arg-type]
        (Sides(left=8), "other", "outpaint_fill", "choice"),
    ],
)
def test_what_cannot_be_is_told_of_its_part(sides: Sides, fill: str, field: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        extended(PICTURE, sides, fill)
    assert (caught.value.field, caught.value.note.code) == (field, code)


def test_a_tiny_picture_keeps_its_middle() -> None:
    _, mask = extended(Image.new("RGB", (8, 8)), Sides(8, 8, 8, 8), "edge")
    assert (np.asarray(mask) == 0).sum() == 4 * 4
