"""Any picture a person may bring, as upright sRGB "RGB", and masks as "L". Reads the header first and caps it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageFont

from pipelines.errors import Note, UnreadableImage
from webui.archive import chunks, exif
from webui.archive.containers import FILE_LIMIT as ARCHIVE_LIMIT
from webui.archive.containers import MB, PILLOW_LIMIT, READ
from webui.archive.grids import PIXEL_LIMIT as GRID_LIMIT
from webui.archive.opening import TooManyPieces, open_picture

# TIFF, PSD, FITS and the like stay out: large decoders, a long history of holes, and no camera or phone needs them here
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP")
PIXEL_LIMIT = 40_000_000
SMALL_LIMIT = GRID_LIMIT  # pixels of a picture that is made small: as large as any that is made here
FILE_LIMIT = 50 * 1024 * 1024  # bytes
NEAR = 16  # levels from black and from white that a mask takes for them

_TILE, _TILE_TEXT = (200, 200, 200), (70, 70, 70)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = {5, 6, 7, 8}
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zlib.error,
    UserWarning,  # Pillow warns of odd files; where warnings are errors it must be no other failure
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def read(source: Path | bytes) -> Image.Image:
    """Upright sRGB "RGB", transparency laid over white, 16 bits scaled to 8, the first frame of an animation.

    Raises UnreadableImage with one sentence."""
    image, name = _open(source)
    try:
        profile = image.info.get("icc_profile")
        image, alpha = _parts(_eight_bits(image))
        image = _to_srgb(image, profile)
        if alpha is not None:
            white = Image.new("RGB", image.size, (255, 255, 255))
            white.paste(image, mask=alpha)
            image = white
    except _BROKEN as error:
        raise UnreadableImage("picture_damaged", name=name) from error
    image.info = {}
    return image


def read_mask(source: Path | bytes) -> Image.Image:
    """A mask as "L", 255 = repaint: the alpha channel where all that can be seen is of one colour, else luminance ×
    alpha. What is nearly black or nearly white, as a painter's or JPEG's rounding leaves it, is black or white: one
    such pixel would spread the mask over the whole picture.

    Raises UnreadableImage with one sentence."""
    image, name = _open(source)
    try:
        image, alpha = _parts(_eight_bits(image))
        if alpha is None or alpha.getextrema() == (255, 255):
            mask = image.convert("L")
        elif _is_plain(image, alpha):
            mask = alpha
        else:
            mask = ImageChops.multiply(image.convert("L"), alpha)
        mask = mask.point([0 if level <= NEAR else 255 if level >= 255 - NEAR else level for level in range(256)])
    except _BROKEN as error:
        raise UnreadableImage("picture_damaged", name=name) from error
    mask.info = {}
    return mask


def problem(source: Path | bytes) -> Note | None:
    """What is wrong with a picture that somebody brings, to be told at once; None: `read` takes it. It is decoded."""
    try:
        _open(source)
    except UnreadableImage as error:
        return error.told
    return None


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture as `read` gives it, from its header. Raises UnreadableImage."""
    try:
        with Image.open(path, formats=(*FORMATS,)) as image:
            width, height = image.size
            return (height, width) if exif.orientation(image.info) in _ON_ITS_SIDE else (width, height)
    except (*_BOMB, *_BROKEN) as error:
        raise UnreadableImage("picture_damaged", name=path.name) from error


def small(path: Path, side: int) -> Image.Image:
    """A picture of the archive, upright "RGB", at most `side` pixels a side; of one with more than `SMALL_LIMIT`
    pixels a tile that says its size. Raises UnreadableImage, OSError."""
    if (size := path.stat().st_size) > ARCHIVE_LIMIT:
        raise UnreadableImage("picture_file_too_large", name=path.name, size=size / MB, limit=ARCHIVE_LIMIT // MB)
    try:
        with open_picture(io.BytesIO(chunks.slim(path.read_bytes())), FORMATS) as image:
            if image.width * image.height > SMALL_LIMIT:
                return _tile(image.size, side)
            image.draft("RGB", (side, side))
            upright = _upright(image)
            upright.thumbnail((side, side))
            return upright.convert("RGB")
    except MemoryError as error:
        raise UnreadableImage("picture_memory", name=path.name) from error
    except TooManyPieces as error:
        raise UnreadableImage("picture_too_many_pieces", name=path.name) from error
    except _BOMB as error:
        raise UnreadableImage("picture_too_many_pixels", name=path.name, limit=PILLOW_LIMIT) from error
    except _BROKEN as error:
        raise UnreadableImage("picture_damaged", name=path.name) from error


def _tile(size: tuple[int, int], side: int) -> Image.Image:
    tile = Image.new("RGB", (side, side), _TILE)
    font = ImageFont.load_default(max(8, side // 12))
    middle = side / 2, side / 2
    ImageDraw.Draw(tile).text(middle, f"{size[0]} × {size[1]}", fill=_TILE_TEXT, font=font, anchor="mm")
    return tile


def _is_plain(image: Image.Image, alpha: Image.Image) -> bool:
    """Whether the colour says nothing. Where little shows, a painter's own rounding changes it."""
    least = max(1, min(128, max(level for level, count in enumerate(alpha.histogram()) if count)))
    shows = alpha.point([255 if level >= least else 0 for level in range(256)])
    return all(sum(map(bool, band.histogram(shows))) <= 1 for band in image.split())


def _open(source: Path | bytes) -> tuple[Image.Image, str | Note]:
    """The decoded first frame, upright, and the name for messages."""
    name = Note("the_picture") if isinstance(source, bytes) else source.name
    data = _bytes(source, name)
    try:
        image = open_picture(io.BytesIO(chunks.slim(data)), FORMATS)
    except TooManyPieces as error:
        raise UnreadableImage("picture_too_many_pieces", name=name) from error
    except _BOMB as error:
        raise UnreadableImage("picture_too_many_pixels", name=name, limit=PIXEL_LIMIT // 1_000_000) from error
    except _BROKEN as error:
        raise UnreadableImage("picture_no_picture", name=name, formats=(*READ, "BMP")) from error
    if image.width * image.height > PIXEL_LIMIT:
        raise UnreadableImage("picture_too_many_pixels", name=name, limit=PIXEL_LIMIT // 1_000_000)
    try:
        image.load()
        return _upright(image), name
    except _BOMB as error:
        raise UnreadableImage("picture_too_many_pixels", name=name, limit=PIXEL_LIMIT // 1_000_000) from error
    except _BROKEN as error:
        raise UnreadableImage("picture_damaged", name=name) from error


def _bytes(source: Path | bytes, name: str | Note) -> bytes:
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            size = source.stat().st_size if source.is_file() else -1
        except OSError as error:
            raise UnreadableImage("picture_closed", name=name) from error
        if size < 0:
            raise UnreadableImage("picture_no_file", name=name)
    if size > FILE_LIMIT:
        raise UnreadableImage("picture_file_too_large", name=name, size=size / MB, limit=FILE_LIMIT // MB)
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        raise UnreadableImage("picture_closed", name=name) from error


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says; the rest of EXIF is not looked at."""
    turn = _UPRIGHT.get(exif.orientation(image.info))
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info = dict(image.info)
    return turned


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey scaled to 0 … 255 (a plain convert would clip it); every other mode unchanged.

    Pillow itself brings 16-bit colour to 8 bits when it decodes, by its high byte."""
    if not image.mode.startswith("I"):
        return image
    image.info.pop("transparency", None)  # one of 65,536 greys meant as clear: too rare to carry through
    # 65535 / 257 = 255; the half rounds to nearest, as `point` on integers truncates
    return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")


def _parts(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour as L, RGB or CMYK and alpha as L, None when the picture cannot be transparent."""
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A")
    if image.mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        return image.convert("RGB"), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return (image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")), None


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Through the picture's own profile; one that is broken or of other channels is passed over."""
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")
