"""Pictures brought to a size: what each mode keeps, and what it must not touch."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from pipelines import images
from pipelines.groups import RESIZE_MODES


def halves(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Left half red, right half blue; as a mask: 255 and 0."""
    picture = Image.new(mode, (width, height), "blue" if mode == "RGB" else 0)
    ImageDraw.Draw(picture).rectangle((0, 0, width // 2 - 1, height - 1), fill="red" if mode == "RGB" else 255)
    return picture


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_picture_of_the_right_size_keeps_its_bytes(mode: images.ResizeMode) -> None:
    noise = Image.effect_noise((40, 24), 90).convert("RGB")
    assert images.fit(noise, (40, 24), mode).tobytes() == noise.tobytes()


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("size", [(64, 64), (128, 72), (72, 200), (8, 4096)])
@pytest.mark.parametrize("source", [(100, 50), (50, 100), (3, 1)])
def test_every_mode_gives_the_size_asked_for(mode: images.ResizeMode, size: images.Size, source: images.Size) -> None:
    for kind in ("RGB", "L"):
        fitted = images.fit(halves(*source, kind), size, mode)
        assert (fitted.size, fitted.mode) == (size, kind)


def test_stretch_keeps_all_of_the_picture() -> None:
    fitted = images.fit(halves(200, 100), (64, 64), "stretch")
    assert fitted.getpixel((1, 1)) == (255, 0, 0)
    assert fitted.getpixel((62, 62)) == (0, 0, 255)
    assert fitted.getpixel((24, 32))[0] > 250  # the border is still in the middle


def test_crop_keeps_the_middle_at_its_own_aspect() -> None:
    wide = Image.new("RGB", (300, 100), "black")
    wide.paste("white", (100, 0, 200, 100))  # exactly the square in the middle
    fitted = images.fit(wide, (50, 50), "crop")
    assert fitted.getpixel((25, 25)) == (255, 255, 255)
    assert fitted.crop((2, 2, 48, 48)).convert("L").getextrema()[0] > 250


def test_pad_draws_the_edges_out_and_leaves_a_masks_bars_empty() -> None:
    fitted = images.fit(halves(100, 50), (100, 100), "pad")
    assert fitted.getpixel((2, 2)) == (255, 0, 0)  # above the red half
    assert fitted.getpixel((97, 97)) == (0, 0, 255)  # below the blue half
    mask = images.fit(Image.new("L", (100, 50), 255), (100, 100), "pad")
    assert mask.getbbox() == (0, 25, 100, 75)


def test_a_mask_never_overshoots() -> None:
    """Lanczos would ring beyond the edge and mark pixels that nobody painted."""
    mask = Image.new("L", (400, 400), 0)
    mask.paste(255, (100, 100, 300, 300))
    fitted = images.fit(mask, (150, 150), "stretch")
    assert fitted.getpixel((30, 75)) == 0
    assert fitted.getpixel((75, 75)) == 255
    box = fitted.getbbox()
    assert box is not None
    assert box[0] >= 36
    assert box[2] <= 114


def test_previews_are_small_jpegs() -> None:
    picture = Image.open(io.BytesIO(images.jpeg(halves(1024, 512))))
    assert (picture.format, picture.size) == ("JPEG", (256, 128))
    assert Image.open(io.BytesIO(images.jpeg(halves(16, 8)))).size == (16, 8)
