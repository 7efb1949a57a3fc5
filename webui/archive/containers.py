"""Text inside picture files: PNG text chunks, EXIF and XMP of JPEG, WebP and AVIF, GIF comment."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.errors import UnreadableImage
from webui.archive import xmp
from webui.archive.readers import stealth as foreign_stealth
from webui.archive.readers.values import load_object

FILE_LIMIT = 256 * 1024 * 1024  # bytes
OURS = "seedprint"  # key of our JSON
PARAMETERS = "parameters"  # key every program of this field reads

LOSSY = ("JPEG", "AVIF")  # WebP is too in other hands, but never in ours
STEALTH_PIXELS = 40_000_000  # above, pixels are not decoded in search of text

_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286
_COMFY_TAGS = (0x010E, 0x010F, 0x0110)  # ImageDescription, Make, Model: "prompt:{…}", "workflow:{…}"
_OTHER_LIMIT = 64  # texts of other programs
_EXIF_LIMIT = 65_000  # bytes; a JPEG segment ends at 65,535
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
    info.add_text(PARAMETERS, parameters)
    info.add_itxt(OURS, ours)
    return info


def exif_bytes(parameters: str, limit: int = _EXIF_LIMIT) -> bytes:
    """EXIF whose UserComment is the text, as UNICODE and UTF-16 big-endian; b"" when that is over `limit` bytes.

    Laid out here (EXIF 2.32), as Pillow would write the comment as numbers, which other programs do not read."""
    comment = b"UNICODE\0" + parameters.encode("utf-16-be", errors="replace")
    outer = struct.pack(">HHHIII", 1, _EXIF_IFD, 4, 1, 26, 0)  # one entry: a long, where the inner folder stands
    inner = struct.pack(">HHHIII", 1, _USER_COMMENT, 7, len(comment), 44, 0)  # one entry: bytes of no type
    data = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + outer + inner + comment
    return data if len(data) <= limit else b""


def decode_comment(data: bytes) -> str:
    """A UserComment's bytes as text: eight bytes name the code, and UTF-16 comes in both orders."""
    code, body = data[:8], data[8:]
    if code == b"UNICODE\0":
        if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return body.decode("utf-16", errors="replace")
        # most letters of a prompt have a zero as their high byte
        little = body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", errors="replace").rstrip("\0")
    if code in (b"ASCII\0\0\0", b"\0" * 8):
        data = body
    return data.decode("utf-8", errors="replace").rstrip("\0")


def read_texts(source: Path | bytes) -> Texts:
    """The texts of a picture file. Raises UnreadableImage when it is none."""
    name = "The file" if isinstance(source, bytes) else source.name
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > FILE_LIMIT:
            raise UnreadableImage(f"{name} is larger than {FILE_LIMIT // 1024**2} MB.")
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
            return _texts(image)
    except FileNotFoundError as error:
        raise UnreadableImage(f"{name} does not exist.") from error
    except _BOMB as error:
        raise UnreadableImage(f"{name} has too many pixels.") from error
    except _BROKEN as error:
        raise UnreadableImage(f"{name} is not a PNG, JPEG, WebP, AVIF or GIF picture.") from error


def _texts(image: Image.Image) -> Texts:
    if image.format == "PNG" and PARAMETERS not in image.info and OURS not in image.info and _few_pixels(image):
        image.load()  # some programs write their text behind the pixels
    others = _named(image) if image.format in ("PNG", "GIF") else _exif_and_xmp(image)
    if not others and image.mode == "RGBA" and _few_pixels(image):
        others = _hidden(image)
    return Texts(
        width=image.width,
        height=image.height,
        format=image.format or "",
        ours=others.pop(OURS, None) or None,
        parameters=others.get(PARAMETERS) or None,
        others=others,
    )


def _few_pixels(image: Image.Image) -> bool:
    return image.width * image.height <= STEALTH_PIXELS


def _named(image: Image.Image) -> dict[str, str]:
    """Text chunks of a PNG, the comment of a GIF."""
    found: dict[str, str] = {}
    for name, value in list(image.info.items())[:_OTHER_LIMIT]:
        if name == "comment" and image.format == "GIF":
            found[PARAMETERS] = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
        elif name == "xmp" and isinstance(value, bytes):
            found |= xmp.read(value)
        elif isinstance(name, str) and isinstance(value, str):
            found[str(name)] = str(value)  # plain str: Pillow's carries a language
    return found


def _exif_and_xmp(image: Image.Image) -> dict[str, str]:
    """UserComment as `parameters`, wherever it stands; ours from XMP; ComfyUI's texts; the comment of a JPEG."""
    exif = image.getexif()
    found: dict[str, str] = {}
    comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT) or exif.get(_USER_COMMENT)  # Fooocus: in the outer folder
    if isinstance(comment, (bytes, str)):
        found[PARAMETERS] = decode_comment(comment) if isinstance(comment, bytes) else comment
    for tag in _COMFY_TAGS:
        name, colon, text = str(exif.get(tag, "")).partition(":")
        if colon and name.lower() in ("prompt", "workflow"):
            found[name.lower()] = text.rstrip("\0")
    packet = image.info.get("xmp")
    if isinstance(packet, bytes):
        found |= xmp.read(packet)
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        found["Comment"] = comment.decode("utf-8", errors="replace")
    return found


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
