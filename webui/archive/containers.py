"""Text inside picture files: PNG text chunks, EXIF, XMP, the comments of JPEG and GIF, wherever a program puts it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.errors import Note, UnreadableImage
from webui.archive import chunks, exif, xmp
from webui.archive.opening import TooManyPieces, open_picture
from webui.archive.readers import stealth as foreign_stealth
from webui.archive.readers.grammar import has_settings
from webui.archive.readers.values import load_object

MB = 1024 * 1024
FILE_LIMIT = 256 * MB  # bytes
PILLOW_LIMIT = 178  # million pixels: twice `Image.MAX_IMAGE_PIXELS`, where Pillow refuses to open
OURS = "seedprint"  # key of our JSON
PARAMETERS = "parameters"  # key every program of this field reads

LOSSY = ("JPEG", "AVIF")  # WebP is too in other hands, but never in ours
STEALTH_PIXELS = 40_000_000  # above, pixels are not decoded in search of text

READ = ("PNG", "JPEG", "WebP", "AVIF", "GIF")

_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
_DESCRIPTION, _MAKE, _DEVICE = "ImageDescription", "Make", "Model"
# where programs and people put the text, by the names it has here
_PLACES = (
    *("UserComment", "Comment", _DESCRIPTION, "XPComment", "Description", "Parameters", "exif", "Exif"),
    *("xmp:UserComment", "xmp:description"),
)
_SEGMENT_LIMIT = 20_000
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error, UserWarning)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """What a file carries besides its pixels."""

    width: int  # pixels
    height: int  # pixels
    format: str = "PNG"  # as Pillow names it
    ours: str | None = None
    parameters: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)  # every text, by its name in the file


def png_info(ours: str, parameters: str) -> PngInfo:
    """Both texts for `Image.save(pnginfo=…)`: tEXt when Latin-1 holds it, else iTXt; ours always iTXt."""
    info = PngInfo()
    plain = parameters.encode("latin-1", errors="ignore")
    if parameters.isascii() or (plain.decode("latin-1") == parameters and chunks.decoded(plain) == parameters):
        info.add_text(PARAMETERS, parameters)
    else:  # no Latin-1, or such as would be taken for UTF-8
        info.add_itxt(PARAMETERS, parameters)
    info.add_itxt(OURS, ours)
    return info


def read_texts(source: Path | bytes) -> Texts:
    """The texts of a picture file. Raises UnreadableImage when it is none."""
    name = Note("the_picture") if isinstance(source, bytes) else source.name
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > FILE_LIMIT:
            raise UnreadableImage("picture_file_too_large", name=name, size=size / MB, limit=FILE_LIMIT // MB)
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            if file.read(len(chunks.SIGNATURE)) == chunks.SIGNATURE:
                return _of_png(file)
            file.seek(0)
            _count_segments(file)
            with open_picture(file, _FORMATS) as image:
                return _of_other(image)
    except FileNotFoundError as error:
        raise UnreadableImage("picture_gone", name=name) from error
    except TooManyPieces as error:
        raise UnreadableImage("picture_too_many_pieces", name=name) from error
    except _BOMB as error:
        raise UnreadableImage("picture_too_many_pixels", name=name, limit=PILLOW_LIMIT) from error
    except _BROKEN as error:
        raise UnreadableImage("picture_no_picture", name=name, formats=READ) from error


def _of_png(file: IO[bytes]) -> Texts:
    found, exif_data = chunks.texts(file)
    if packet := found.pop(chunks.XMP, ""):
        found |= xmp.read(packet.encode())
    exif_data = exif_data or exif.raw_profile(found.pop(chunks.RAW_EXIF, ""))
    found = exif.texts(exif_data) | found
    with Image.open(io.BytesIO(chunks.header(file)), formats=("PNG",)) as image:
        size, mode = image.size, image.mode
    if not found and mode == "RGBA" and size[0] * size[1] <= STEALTH_PIXELS:
        file.seek(0)
        with Image.open(io.BytesIO(chunks.slim(file.read())), formats=("PNG",)) as image:
            found = _hidden(image)
    return _texts(size, "PNG", found)


def _of_other(image: Image.Image) -> Texts:
    found: dict[str, str] = {}
    if isinstance(data := image.info.get("exif"), bytes):
        found = exif.texts(data)
    if isinstance(packet := image.info.get("xmp"), bytes):
        found |= xmp.read(packet)
    found |= _comments(image)
    if not found and image.mode == "RGBA" and image.width * image.height <= STEALTH_PIXELS:
        found = _hidden(image)
    return _texts(image.size, image.format or "", found)


def _comments(image: Image.Image) -> dict[str, str]:
    """The comments of a JPEG or GIF. stable-diffusion.cpp writes a name, a zero and the text into one."""
    found: dict[str, str] = {}
    for kind, value in [*getattr(image, "applist", ()), ("COM", image.info.get("comment"))]:
        if kind == "COM" and isinstance(value, bytes) and value:
            name, zero, text = chunks.decoded(value).rstrip("\0").partition("\0")
            if zero and name.isidentifier():
                found[name] = text
            elif "Comment" not in found or has_settings(name):
                found["Comment"] = f"{name}{zero}{text}"
    if image.format == "GIF" and "Comment" in found:
        found.setdefault(PARAMETERS, found["Comment"])
    return found


def _texts(size: tuple[int, int], kind: str, found: dict[str, str]) -> Texts:
    """Settings count wherever they stand; UserComment, which most programs use outside PNG, whatever it says."""
    for name in (_MAKE, _DEVICE, _DESCRIPTION):  # ComfyUI: "prompt:{…}", "workflow:{…}"
        title, colon, text = found.get(name, "").partition(":")
        if colon and title.lower() in ("prompt", "workflow"):
            found.setdefault(title.lower(), text)
    found.pop(_MAKE, None), found.pop(_DEVICE, None)
    if not found.get(PARAMETERS):
        places = [text for name, text in found.items() if name in _PLACES]
        chosen = next((text for text in places if has_settings(text)), found.get("UserComment"))
        if chosen is not None:
            found[PARAMETERS] = chosen
    ours = found.pop(OURS, None) or None
    return Texts(
        width=size[0],
        height=size[1],
        format=kind,
        ours=ours,
        parameters=found.get(PARAMETERS) or None,
        others=found,
    )


def _count_segments(file: IO[bytes]) -> None:
    """Raises TooManyPieces for a JPEG with more segments before its pixels than any camera or program writes."""
    if file.read(2) != b"\xff\xd8":
        return
    for _ in range(_SEGMENT_LIMIT):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
            return
        file.seek(int.from_bytes(head[2:], "big") - 2, io.SEEK_CUR)
    raise TooManyPieces("too many segments")


def _hidden(image: Image.Image) -> dict[str, str]:
    """Text in the alpha channel: `parameters`, or JSON whose values are what PNG texts would be."""
    image.load()
    text = foreign_stealth.read(image)
    if text is None:
        return {}
    data = load_object(text)
    if data is None or "Comment" not in data:
        return {PARAMETERS: text}
    return {name: value for name, value in data.items() if isinstance(value, str)}
