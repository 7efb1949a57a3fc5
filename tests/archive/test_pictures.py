"""Every mode a picture may come in, against values worked out here by the formats' own definitions."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.errors import UnreadableImage
from pipelines.groups import Inpaint
from tests.archive.helpers import chunk, encoded, icc_profile, png
from webui.archive import pictures

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # PNG colour types


def pixels(image: Image.Image) -> list[tuple[int, ...]]:
    assert image.mode == "RGB"
    data = image.tobytes()
    return [tuple(data[place : place + 3]) for place in range(0, len(data), 3)]


def over_white(value: int, alpha: int) -> int:
    return round((value * alpha + 255 * (255 - alpha)) / 255)


def test_eight_bit_colour_is_unchanged() -> None:
    row = bytes([1, 2, 3, 250, 0, 255])
    assert pixels(pictures.read(png((2, 1), 8, RGB, [row]))) == [(1, 2, 3), (250, 0, 255)]


@pytest.mark.parametrize(("depth", "packed", "greys"), [(1, 0b01_000000, [0, 255]), (2, 0b01_10_0000, [85, 170])])
def test_few_bit_greys_span_black_to_white(depth: int, packed: int, greys: list[int]) -> None:
    assert pixels(pictures.read(png((2, 1), depth, GREY, [bytes([packed])]))) == [(g, g, g) for g in greys]


@pytest.mark.fault(24)
def test_one_bit_bitmap_and_eight_bit_grey() -> None:
    assert pixels(pictures.read(encoded(Image.frombytes("1", (2, 1), b"\x40"), "BMP"))) == [(0, 0, 0), (255, 255, 255)]
    assert pixels(pictures.read(png((2, 1), 8, GREY, [b"\x07\xc8"]))) == [(7, 7, 7), (200, 200, 200)]


@pytest.mark.fault(25)
def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    every = [struct.pack(">256H", *range(start, start + 256)) for start in range(0, 65536, 256)]
    image = pictures.read(png((256, 256), 16, GREY, every))
    assert list(image.getchannel("R").tobytes()) == [round(value * 255 / 65535) for value in range(65536)]


@pytest.mark.fault(25)
def test_sixteen_bit_colour_and_alpha() -> None:
    colour = pictures.read(png((1, 1), 16, RGB, [struct.pack(">3H", 0, 0x8000, 0xFFFF)]))
    assert pixels(colour) == [(0, 128, 255)]
    half = pictures.read(png((1, 1), 16, GREY_ALPHA, [struct.pack(">2H", 0, 0x8000)]))
    assert pixels(half) == [(over_white(0, 128),) * 3]


@pytest.mark.fault(24)
def test_transparency_lies_over_white() -> None:
    values = [(10, 200, 30, alpha) for alpha in range(256)]
    row = b"".join(bytes(value) for value in values)
    expected = [tuple(over_white(value, alpha) for value in (10, 200, 30)) for alpha in range(256)]
    assert pixels(pictures.read(png((256, 1), 8, RGBA, [row]))) == expected
    grey = b"".join(bytes((77, alpha)) for alpha in range(256))
    assert pixels(pictures.read(png((256, 1), 8, GREY_ALPHA, [grey]))) == [(over_white(77, a),) * 3 for a in range(256)]


@pytest.mark.fault(24)
def test_palette_with_and_without_transparency() -> None:
    colours = chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))
    assert pixels(pictures.read(png((2, 1), 8, PALETTE, [b"\0\1"], [colours]))) == [(255, 0, 0), (0, 0, 255)]
    clear = [colours, chunk(b"tRNS", bytes([0, 51]))]
    expected = [(255, 255, 255), (over_white(0, 51), over_white(0, 51), 255)]
    assert pixels(pictures.read(png((2, 1), 8, PALETTE, [b"\0\1"], clear))) == expected


def test_one_colour_named_transparent() -> None:
    clear = [chunk(b"tRNS", struct.pack(">3H", 9, 9, 9))]
    assert pixels(pictures.read(png((2, 1), 8, RGB, [bytes([9, 9, 9, 8, 9, 9])], clear))) == [(255,) * 3, (8, 9, 9)]
    grey = [chunk(b"tRNS", struct.pack(">H", 9))]
    assert pixels(pictures.read(png((2, 1), 8, GREY, [bytes([9, 8])], grey))) == [(255,) * 3, (8,) * 3]
    for value in (9, 40000):  # named among 65,536 greys it is passed over
        wide = [chunk(b"tRNS", struct.pack(">H", value))]
        row = struct.pack(">2H", 9 * 257, 40000)
        assert pixels(pictures.read(png((2, 1), 16, GREY, [row], wide))) == [(9,) * 3, (156,) * 3]


@pytest.mark.fault(24)
def test_cmyk_jpeg() -> None:
    ink = (200, 40, 0, 60)
    data = encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100)
    expected = [(255 - part) * (255 - ink[3]) / 255 for part in ink[:3]]
    for value, wanted in zip(pixels(pictures.read(data))[0], expected, strict=True):
        assert abs(value - wanted) <= 3  # JPEG rounds


@pytest.mark.fault(24)
def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    for kind, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert set(pixels(pictures.read(data))) == {(255, 0, 0)}, kind


def test_lossless_webp_with_alpha_and_avif() -> None:
    data = encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 51)), "WEBP", lossless=True, exact=True)
    assert set(pixels(pictures.read(data))) == {(204, 204, 204)}
    colour = (200, 100, 50)
    seen = pixels(pictures.read(encoded(Image.new("RGB", (16, 16), colour), "AVIF", quality=100)))[0]
    assert all(abs(value - wanted) <= 3 for value, wanted in zip(seen, colour, strict=True))


@pytest.mark.fault(23)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    width, height = 3, 2
    stored = [[(10 * x, 10 * y, 0) for x in range(width)] for y in range(height)]
    # EXIF 2.32, tag 0x0112: which stored pixel is seen at (x, y) of the upright picture
    seen = {
        1: lambda x, y: stored[y][x],
        2: lambda x, y: stored[y][width - 1 - x],
        3: lambda x, y: stored[height - 1 - y][width - 1 - x],
        4: lambda x, y: stored[height - 1 - y][x],
        5: lambda x, y: stored[x][y],
        6: lambda x, y: stored[height - 1 - x][y],
        7: lambda x, y: stored[height - 1 - x][width - 1 - y],
        8: lambda x, y: stored[x][width - 1 - y],
    }[orientation]
    size = (width, height) if orientation < 5 else (height, width)
    tiff = b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0\0\0\0"
    rows = [b"".join(bytes(value) for value in row) for row in stored]
    image = pictures.read(png((width, height), 8, RGB, rows, [chunk(b"eXIf", tiff)]))
    assert image.size == size
    assert pixels(image) == [seen(x, y) for y in range(size[1]) for x in range(size[0])]


SRGB_D50 = [(0.4360747, 0.2225045, 0.0139322), (0.3850649, 0.7168786, 0.0971045), (0.1430804, 0.0606169, 0.7141733)]


def srgb_curve(linear: float) -> float:
    """IEC 61966-2-1."""
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def test_linear_profile_is_brought_to_srgb() -> None:
    row = bytes(value for grey in range(256) for value in (grey, 0, 255 - grey))
    data = encoded(Image.frombytes("RGB", (256, 1), row), "PNG", icc_profile=icc_profile(SRGB_D50))
    for grey, (red, green, blue) in enumerate(pixels(pictures.read(data))):
        assert abs(red - 255 * srgb_curve(grey / 255)) <= 2
        assert green <= 2
        assert abs(blue - 255 * srgb_curve(1 - grey / 255)) <= 2


def test_swapped_primaries_swap_and_alpha_survives_a_profile() -> None:
    swapped = icc_profile([SRGB_D50[2], SRGB_D50[1], SRGB_D50[0]])
    red, green, blue = pixels(
        pictures.read(encoded(Image.new("RGB", (1, 1), (255, 0, 0)), "PNG", icc_profile=swapped))
    )[0]
    assert (red <= 2, green <= 2, blue >= 253) == (True, True, True)
    clear = encoded(Image.new("RGBA", (1, 1), (255, 0, 0, 51)), "PNG", icc_profile=swapped)
    assert all(abs(a - b) <= 2 for a, b in zip(pixels(pictures.read(clear))[0], (204, 204, 255), strict=True))


def test_a_broken_profile_is_passed_over() -> None:
    data = encoded(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG", icc_profile=b"no profile" * 20)
    assert pixels(pictures.read(data)) == [(1, 2, 3)]
    grey = encoded(Image.new("L", (1, 1), 9), "PNG", icc_profile=icc_profile(SRGB_D50))  # RGB profile, grey picture
    assert pixels(pictures.read(grey)) == [(9, 9, 9)]


@pytest.mark.fault(23)
def test_no_metadata_is_carried_on() -> None:
    assert pictures.read(encoded(Image.new("RGB", (1, 1)), "PNG", icc_profile=icc_profile(SRGB_D50))).info == {}


def test_mask_is_luminance_or_alpha() -> None:
    plain = pictures.read_mask(png((3, 1), 8, RGB, [bytes([255, 255, 255, 0, 0, 0, 255, 0, 0])]))
    assert plain.mode == "L"
    assert list(plain.tobytes()) == [255, 0, round(0.299 * 255)]
    assert list(pictures.read_mask(png((2, 1), 8, GREY, [b"\x11\xee"])).tobytes()) == [0x11, 0xEE]
    opaque = png((2, 1), 8, RGBA, [bytes([255, 255, 255, 255, 0, 0, 0, 255])])
    assert list(pictures.read_mask(opaque).tobytes()) == [255, 0]
    drawn = png((2, 1), 8, RGBA, [bytes([0, 0, 0, 200, 255, 255, 255, 0])])
    assert list(pictures.read_mask(drawn).tobytes()) == [200, 0]
    assert list(pictures.read_mask(png((2, 1), 16, GREY, [struct.pack(">2H", 0, 65535)])).tobytes()) == [0, 255]


CASES = Path(__file__).parents[1] / "data" / "cases"


@pytest.mark.fault(26)
@pytest.mark.parametrize("level", [1, 16])
@pytest.mark.torch
def test_nearly_black_is_black(level: int) -> None:
    """Else what is repainted is the whole picture (AUTOMATIC1111/stable-diffusion-webui, pull request 10644)."""
    from pipelines.sampling import masks

    black = pictures.read_mask(CASES / "14" / "mask_black0.png")
    nearly = pictures.read_mask(CASES / "14" / f"mask_black{level}.png")
    assert nearly.tobytes() == black.tobytes()
    assert nearly.getbbox() == (400, 300, 481, 381)
    inpaint = Inpaint(mask=nearly, only_masked=True, mask_blur=4)
    box = masks.prepared(inpaint).getbbox()
    assert box is not None
    found = masks.region(box, 32, (512, 512), nearly.size)
    assert all(abs(side - wanted) <= 16 for side, wanted in zip(found, (358, 258, 523, 423), strict=True))


def test_a_soft_mask_keeps_its_levels_and_a_white_one_can_be_inverted() -> None:
    """Nearly white is white too: inverted, it would be what nearly black is."""
    levels = Image.frombytes("L", (256, 1), bytes(range(256)))
    read = list(pictures.read_mask(encoded(levels, "PNG")).tobytes())
    assert read == [0] * 17 + list(range(17, 239)) + [255] * 17


def test_jpegs_noise_is_no_mask() -> None:
    drawn = Image.new("L", (64, 64), 0)
    drawn.paste(255, (16, 16, 48, 48))
    mask = pictures.read_mask(encoded(drawn, "JPEG", quality=75))
    left, top, right, bottom = mask.getbbox() or (0, 0, 64, 64)
    assert min(left, top) >= 8  # blocks of eight pixels: noise stays in those that hold an edge
    assert max(right, bottom) <= 56


@pytest.mark.parametrize("name", ["m_onepixel254.png", "m_all253.png"])
def test_alpha_counts_only_where_it_carries_the_mask(name: str) -> None:
    """Mikubill/sd-webui-controlnet, pull request 3079: a single pixel of 254 made all of it the mask."""
    mask = pictures.read_mask(CASES / "18" / name)
    assert abs(sum(mask.tobytes()) / (mask.width * mask.height) - 18) < 0.5


def test_a_stroke_of_any_one_colour_is_the_mask() -> None:
    stroke = Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    stroke.putpixel((1, 0), (255, 90, 0, 200))
    stroke.putpixel((2, 0), (250, 85, 0, 40))  # its edge: what a painter's rounding leaves of the colour
    assert list(pictures.read_mask(encoded(stroke, "PNG")).tobytes()) == [0, 200, 40, 0]
    two = stroke.copy()
    two.putpixel((3, 0), (0, 0, 0, 255))  # a second colour: black on the mask says "keep"
    assert pictures.read_mask(encoded(two, "PNG")).getpixel((3, 0)) == 0


def header_only(width: int, height: int) -> bytes:
    return png((width, height), 8, RGB, [b""])


@pytest.mark.fault(22)
@pytest.mark.attack(23)
@pytest.mark.parametrize("size", [(8000, 5001), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_bombs_are_refused_from_the_header(size: tuple[int, int]) -> None:
    for read in (pictures.read, pictures.read_mask):
        with pytest.raises(UnreadableImage, match=r"picture_too_many_pixels.*limit=40"):
            read(header_only(*size))


@pytest.mark.fault(22)
def test_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(pictures.FILE_LIMIT + 1)  # sparse
    with pytest.raises(UnreadableImage, match=r"picture_file_too_large.*large.*limit=50"):
        pictures.read(path)


@pytest.mark.attack(23)
@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", encoded(Image.new("L", (2, 2)), "TIFF")],
)
def test_other_types_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImage, match="picture_no_picture"):
        pictures.read(data)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(UnreadableImage, match="picture_no_file"):
            pictures.read(path)


NOISE = Image.effect_noise((64, 64), 90).convert("RGB")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP"])
def test_a_file_cut_in_half_is_refused(kind: str, tmp_path: Path) -> None:
    data = encoded(NOISE, kind)
    path = tmp_path / "half"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableImage, match=r"^picture_(damaged|no_picture)\(name='half'"):
        pictures.read(path)


FILES = {kind: encoded(NOISE, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_damage_is_never_another_failure(kind: str, data: st.DataObject) -> None:
    broken = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, min(len(broken) - 1, 400)))] = data.draw(st.integers(0, 255))
    try:
        image = pictures.read(bytes(broken))
    except UnreadableImage:
        return
    assert image.mode == "RGB"
