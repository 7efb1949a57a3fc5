"""Inpainting's geometry, against what the words mean: no value here comes from our own output."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.errors import InvalidRequest
from pipelines.groups import InitImage, Inpaint
from pipelines.types import GenerationRequest

pytestmark = pytest.mark.torch
masks = pytest.importorskip("pipelines.sampling.masks")


def square(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return mask


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values)


def request(picture: Image.Image, mask: Image.Image, size: tuple[int, int], **options: object) -> GenerationRequest:
    init = InitImage(image=picture, strength=1.0, resize_mode=options.pop("resize_mode", "crop"))
    inpaint = Inpaint(mask=mask, **options)
    return GenerationRequest(init=init, inpaint=inpaint, width=size[0], height=size[1])


def test_growing_follows_the_euclidean_distance() -> None:
    dot = square((41, 41), (20, 20, 21, 21))
    grown = np.asarray(masks.grown(dot, 9)) == 255
    y, x = np.mgrid[:41, :41]
    assert (grown == (np.hypot(x - 20, y - 20) <= 9)).all()


def test_shrinking_undoes_growing_of_a_rectangle_and_stops_at_nothing() -> None:
    mask = square((60, 60), (20, 20, 40, 40))
    shrunk = masks.grown(mask, -5)
    assert shrunk.getbbox() == (25, 25, 35, 35)
    assert masks.grown(mask, -12).getbbox() is None
    assert masks.grown(Image.new("L", (9, 9), 255), -5).getextrema() == (255, 255)  # no edge, so nothing to shrink
    assert masks.grown(Image.new("L", (9, 9), 0), 5).getbbox() is None


def test_invert_comes_before_grow_and_grow_before_blur() -> None:
    mask = square((64, 64), (0, 0, 32, 64))
    inpaint = Inpaint(mask=mask, invert=True, mask_grow=8, mask_blur=0)
    assert masks.prepared(inpaint).getbbox() == (24, 0, 64, 64)
    blurred = np.asarray(masks.prepared(Inpaint(mask=mask, mask_blur=4)))[32]
    assert blurred[16] == 255
    assert blurred[60] == 0
    assert (np.diff(blurred.astype(int)) <= 0).all()
    assert 96 < blurred[31] < 160  # half way at the edge


@pytest.mark.parametrize("factor", [4, 8])
def test_a_latent_is_repainted_when_any_of_its_pixels_is_painted(factor: int) -> None:
    mask = square((64, 96), (17, 40, 18, 41))
    latent = masks.latent_mask(mask, factor)
    assert latent.shape == (1, 1, 96 // factor, 64 // factor)
    assert latent.nonzero().tolist() == [[0, 0, 40 // factor, 17 // factor]]


def test_a_faint_mask_still_repaints_something() -> None:
    faint = Image.new("L", (64, 64), 0)
    faint.putpixel((9, 9), 30)
    assert int(masks.latent_mask(faint, 8).sum()) == 1


@pytest.mark.parametrize(
    ("bounds", "padding", "working", "expected"),
    [
        ((40, 40, 60, 60), 10, (64, 64), (30, 30, 70, 70)),  # square in a square
        ((40, 40, 60, 60), 10, (128, 64), (10, 30, 90, 70)),  # widened to 2 : 1 about its middle
        ((0, 0, 20, 20), 10, (64, 64), (0, 0, 30, 30)),  # padding is cut at the edge
        ((0, 40, 20, 60), 0, (128, 64), (0, 40, 40, 60)),  # cannot widen to the left: all to the right
        ((80, 40, 100, 60), 0, (128, 64), (60, 40, 100, 60)),
        ((0, 0, 100, 100), 32, (128, 64), (0, 0, 100, 100)),  # no more than the picture
    ],
)
def test_the_region_worked_on(
    bounds: tuple[int, int, int, int],
    padding: int,
    working: tuple[int, int],
    expected: tuple[int, int, int, int],
) -> None:
    assert masks.region(bounds, padding, working, (100, 100)) == expected


@pytest.mark.parametrize("seed", range(20))
def test_the_region_always_holds_the_mask_and_lies_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = tuple(int(side) for side in rng.integers(20, 400, 2))
    left, top = int(rng.integers(0, whole[0] - 1)), int(rng.integers(0, whole[1] - 1))
    bounds = (left, top, int(rng.integers(left + 1, whole[0] + 1)), int(rng.integers(top + 1, whole[1] + 1)))
    working = tuple(int(side) * 8 for side in rng.integers(8, 64, 2))
    box = masks.region(bounds, int(rng.integers(0, 64)), working, whole)
    assert 0 <= box[0] <= bounds[0] < bounds[2] <= box[2] <= whole[0]
    assert 0 <= box[1] <= bounds[1] < bounds[3] <= box[3] <= whole[1]
    free = box[2] - box[0] < whole[0] and box[3] - box[1] < whole[1]
    if free:  # nothing was cut: the aspect is the working size's, to a pixel
        assert abs((box[2] - box[0]) - (box[3] - box[1]) * working[0] / working[1]) <= max(1, working[0] / working[1])


def test_whole_picture_works_on_the_fitted_picture() -> None:
    picture = noise((200, 100))
    canvas = masks.plan(request(picture, square((200, 100), (80, 30, 120, 70)), (64, 64), mask_blur=0))
    assert canvas.original.size == canvas.picture.size == canvas.mask.size == (64, 64)
    assert canvas.box == (0, 0, 64, 64)
    # crop keeps 50 … 150 of 200, at 0.64: the mask moves with the picture
    bounds = canvas.mask.getbbox()
    assert bounds is not None
    assert all(abs(is_at - should) <= 1 for is_at, should in zip(bounds, (19.2, 19.2, 44.8, 44.8), strict=True))


def test_only_masked_keeps_the_pictures_own_size() -> None:
    picture = noise((300, 200))
    mask = square((300, 200), (100, 50, 140, 90))
    canvas = masks.plan(request(picture, mask, (64, 64), mask_blur=0, only_masked=True, padding=10))
    assert canvas.box == (90, 40, 150, 100)
    assert canvas.original.tobytes() == picture.tobytes()
    assert canvas.picture.size == canvas.working_mask.size == (64, 64)
    result, changed = masks.composed(canvas, Image.new("RGB", (64, 64), (1, 2, 3)))
    assert result.size == (300, 200)
    assert changed == 0
    different = (np.asarray(result) != np.asarray(picture)).any(axis=2)
    y, x = np.nonzero(different)
    assert (x.min(), y.min(), x.max(), y.max()) == (100, 50, 139, 89)


def test_a_mask_that_is_cropped_away_is_refused_in_words() -> None:
    mask = square((200, 100), (0, 0, 10, 10))
    with pytest.raises(InvalidRequest, match="mask: mask_gone"):
        masks.plan(request(noise((200, 100)), mask, (64, 64), mask_blur=0))


@pytest.mark.parametrize("blur", [0, 1, 4, 16])
@pytest.mark.parametrize("only_masked", [False, True])
def test_outside_the_blurred_mask_every_byte_stays(blur: int, only_masked: bool) -> None:
    picture = noise((160, 120), seed=blur)
    mask = Image.new("L", (160, 120), 0)
    ImageDraw.Draw(mask).ellipse((60, 40, 90, 80), fill=255)
    wish = request(picture, mask, (160, 120), mask_blur=blur, only_masked=only_masked, padding=8, resize_mode="stretch")
    canvas = masks.plan(wish)
    result, changed = masks.composed(canvas, noise((160, 120), seed=99))
    outside = np.asarray(canvas.mask) == 0
    assert outside.any()
    assert changed == 0
    assert (np.asarray(result)[outside] == np.asarray(picture)[outside]).all()


def test_changed_pixels_are_really_counted() -> None:
    picture = noise((20, 20))
    other = picture.copy()
    other.putpixel((3, 3), tuple(255 - value for value in picture.getpixel((3, 3))))
    other.putpixel((10, 10), tuple(255 - value for value in picture.getpixel((10, 10))))
    assert masks.changed_outside(other, picture, square((20, 20), (8, 8, 12, 12))) == 1


def test_fill_takes_the_surrounding_colours_and_leaves_the_rest() -> None:
    picture = Image.new("RGB", (128, 128), (20, 40, 200))
    mask = square((128, 128), (40, 40, 88, 88))
    picture.paste((255, 0, 0), (40, 40, 88, 88))
    filled = np.asarray(masks.filled(picture, mask)).astype(int)
    inside = filled[40:88, 40:88].reshape(-1, 3)
    # blue everywhere, of the red nothing is left; the rest is the rounding of faint premultiplied colours
    assert np.abs(inside - (20, 40, 200)).max() <= 10
    outside = np.asarray(mask) == 0
    assert (filled[outside] == np.asarray(picture)[outside]).all()


def test_fill_with_two_sides_keeps_each_side_its_colour() -> None:
    picture = Image.new("RGB", (128, 64), (250, 250, 0))
    picture.paste((0, 0, 250), (64, 0, 128, 64))
    filled = masks.filled(picture, square((128, 64), (44, 0, 84, 64)))
    assert filled.getpixel((45, 32))[2] < 60
    assert filled.getpixel((82, 32))[2] > 190


def test_fill_of_everything_changes_nothing() -> None:
    picture = noise((32, 32))
    assert masks.filled(picture, Image.new("L", (32, 32), 255)).tobytes() == picture.tobytes()
