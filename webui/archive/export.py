"""Pictures to give away: a zip with, without or with little metadata, and a contact sheet.

What is taken out is cut out of the file, so the compressed pixels stay bit for bit what they were. Formats whose parts
cannot be told apart so simply become PNG of the same pixels.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from PIL import Image, ImageDraw, ImageFont, ImageOps, PngImagePlugin

from pipelines.errors import InvalidRequest, Note, UnreadableImage
from webui.archive import chunks
from webui.archive.containers import FILE_LIMIT, MB, PARAMETERS
from webui.archive.entries import UNKNOWN_SEED, Entry
from webui.archive.opening import TooManyPieces, open_picture
from webui.archive.thumbnails import SIDE

Metadata = Literal["full", "prompt", "none"]
KINDS: tuple[str, ...] = get_args(Metadata)
SHEET_LIMIT = 400  # pictures

_PNG = b"\x89PNG\r\n\x1a\n"
# what decoding and colour need; the rest may speak of how the picture was made
_PNG_KEPT = {
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD",
    b"pHYs", b"acTL", b"fcTL", b"fdAT",
}  # fmt: skip
_JPEG_DROPPED = {0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE}  # APP1 (EXIF, XMP), APP3-13, APP15, comments
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # but stuffed bytes, restarts and fillers
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error)
_CELL, _GAP, _LINE = SIDE, 12, 18  # pixels


def bare(data: bytes, prompt: str | None = None) -> tuple[bytes, str]:
    """A picture file without its metadata but for `prompt`, and its suffix. Raises UnreadableImage."""
    try:
        if data.startswith(_PNG):
            return _bare_png(data, prompt), ".png"
        if data.startswith(b"\xff\xd8"):
            turned = _orientation(data)
            if turned in (0, 1):
                return _bare_jpeg(data, prompt), ".jpg"
        with open_picture(io.BytesIO(data), _FORMATS) as image:
            upright = ImageOps.exif_transpose(image)
            return _as_png(upright, image.info.get("icc_profile"), prompt), ".png"
    except TooManyPieces as error:
        raise UnreadableImage("picture_too_many_pieces", name=Note("the_picture")) from error
    except (*_BROKEN, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage("picture_damaged", name=Note("the_picture")) from error


def _bare_png(data: bytes, prompt: str | None) -> bytes:
    kept = [_PNG]
    for kind, chunk in _png_chunks(data):
        if kind in _PNG_KEPT:
            kept.append(chunk)
        if kind == b"IHDR" and prompt:
            kept += [_png_chunk(*one[:2]) for one in _prompt_info(prompt).chunks]
        if kind == b"IEND":  # whatever stands behind it is no part of the picture
            return b"".join(kept)
    raise ValueError("no end")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, the whole chunk) of a PNG."""
    for kind, place, length in chunks.walk(io.BytesIO(data)):
        chunk = data[place - 8 : place + length + 4]
        if len(chunk) != 12 + length:
            raise ValueError("cut off")
        yield kind, chunk


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _prompt_info(prompt: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text(PARAMETERS, prompt)
    return info


def _bare_jpeg(data: bytes, prompt: str | None) -> bytes:
    """Without the segments that carry texts; the comment, where a prompt is wanted, is the plainest of them."""
    kept = [data[:2]]
    if prompt:
        text = prompt.encode()[:65_000].decode(errors="ignore").encode()
        kept.append(b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text)
    for marker, segment in _jpeg_segments(data):
        foreign = marker == 0xE2 and not segment.startswith(b"ICC_PROFILE\0", 4)  # other APP2 point to more pictures
        if marker not in _JPEG_DROPPED and not foreign:
            kept.append(segment)
    return b"".join(kept)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, the whole segment with what is encoded behind it) up to the end of the picture, without its start."""
    place = 2
    while (found := _MARKER.search(data, place)) is not None:
        place, marker = found.start(), data[found.start() + 1]
        if marker == 0xD9:  # whatever stands behind it is no part of the picture
            yield marker, data[place : place + 2]
            return
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        end = place + 2 + length
        if marker == 0xDA:  # the pixels go on to the next marker
            following = _MARKER.search(data, end)
            end = following.start() if following is not None else len(data)
        yield marker, data[place:end]
        place = end
    raise ValueError("no end")


def _orientation(data: bytes) -> int:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return int(image.getexif().get(0x0112, 0))


def _as_png(image: Image.Image, profile: bytes | None, prompt: str | None) -> bytes:
    buffer = io.BytesIO()
    image.info = {}
    info = _prompt_info(prompt) if prompt else None
    image.save(buffer, "PNG", pnginfo=info, icc_profile=profile)
    return buffer.getvalue()


class _Outlet(io.RawIOBase):
    """Where the zip is written: the bytes are taken away as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def zip_of(entries: Sequence[Entry], metadata: str) -> Iterator[bytes]:
    """A zip file piece by piece; files that vanished meanwhile are left out. Raises InvalidRequest at once.

    Names speak of prompt and seed, and times of when: without metadata both are left out too."""
    if metadata not in KINDS:
        raise InvalidRequest("metadata", "choice", choices=KINDS, value=metadata[:40])
    return _zip_of(entries, metadata)


def _zip_of(entries: Sequence[Entry], metadata: str) -> Iterator[bytes]:
    outlet, used = _Outlet(), set[str]()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:  # no seeking needed
        for number, entry in enumerate(entries, 1):
            path = entry.saved.path
            try:
                data = _bytes(path)
                if metadata == "full":
                    name, moment = _free(path.name, used), entry.saved.made_at.timetuple()[:6]
                else:
                    data, suffix = bare(data, entry.saved.prompt if metadata == "prompt" else None)
                    name, moment = f"{number:05d}{suffix}", _EPOCH
            except (UnreadableImage, OSError):
                continue
            info = zipfile.ZipInfo(name, max(_EPOCH, moment))
            info.external_attr = 0o644 << 16  # readable where it is unpacked
            archive.writestr(info, data)
            yield outlet.take()
    yield outlet.take()


def _bytes(path: Path) -> bytes:
    if (size := path.stat().st_size) > FILE_LIMIT:
        raise UnreadableImage("picture_file_too_large", name=path.name, size=size / MB, limit=FILE_LIMIT // MB)
    return path.read_bytes()


def _free(name: str, used: set[str]) -> str:
    """A name no other file of the zip has, as Windows compares them."""
    stem, dot, suffix = name.rpartition(".")
    attempt, free = 1, name
    while free.lower() in used:
        attempt += 1
        free = f"{stem} ({attempt}){dot}{suffix}"
    used.add(free.lower())
    return free


def contact_sheet(entries: Sequence[Entry], small: Callable[[Path], bytes]) -> bytes:
    """A JPEG of small pictures with their seeds, left to right and down. `small`: the thumbnail of a picture. Raises
    InvalidRequest without pictures."""
    if not 1 <= len(entries) <= SHEET_LIMIT:
        raise InvalidRequest("file", "sheet_count", limit=SHEET_LIMIT, value=len(entries))
    across = min(len(entries), 6)
    down = -(-len(entries) // across)
    cell = _CELL + _GAP
    sheet = Image.new("RGB", (across * cell + _GAP, down * (cell + _LINE) + _GAP), (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for place, entry in enumerate(entries):
        row, column = divmod(place, across)
        left, top = _GAP + column * cell, _GAP + row * (cell + _LINE)
        try:
            image = Image.open(io.BytesIO(small(entry.saved.path)), formats=("JPEG",))
        except UnreadableImage:
            continue
        sheet.paste(image, (left + (_CELL - image.width) // 2, top + (_CELL - image.height) // 2))
        seed = "" if entry.saved.seed == UNKNOWN_SEED else f"{entry.saved.seed}  "
        caption = f"{seed}{entry.saved.width} x {entry.saved.height}"
        draw.text((left + _CELL // 2, top + _CELL + 3), caption, fill=(90, 90, 90), font=font, anchor="ma")
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
