"""PNG by its chunks: what decoding needs, and the texts, each held to a limit by itself.

A chunk that is damaged or over a limit costs that chunk, never the picture; nothing is unpacked without bound."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO

from webui.archive.opening import TooManyPieces

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP = "XML:com.adobe.xmp"
RAW_EXIF = "Raw profile type exif"  # ImageMagick: EXIF as hexadecimal digits
CHUNK_LIMIT = 50_000  # 256 MB in the 8 kB of libpng are 33,000; to walk over so many takes a tenth of a second
TEXT_LIMIT = 16 * 1024 * 1024  # bytes of one text, unpacked
TEXTS_LIMIT = 64 * 1024 * 1024  # ... of all, and bytes that are read in search of them
TEXT_COUNT = 64  # texts, and EXIF
SMALL = 1024 * 1024  # bytes of a profile and of EXIF, unpacked: as much as Pillow takes

_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_TURNING = {XMP.encode(), RAW_EXIF.encode()}  # texts that may say how the picture is turned


def decoded(data: bytes) -> str:
    """Text as it was meant: UTF-8 where it is sound, else Latin-1, which takes any bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def walk(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its body begins, bytes of the body) of every chunk. Raises TooManyPieces."""
    place = len(SIGNATURE)
    for _ in range(CHUNK_LIMIT):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield kind, place + 8, length
        if kind == b"IEND":
            return
        place += 12 + length
    raise TooManyPieces("too many chunks")


def header(file: IO[bytes]) -> bytes:
    """A PNG of the same size and mode without pixels: enough to open it. Raises ValueError for a damaged one."""
    for kind, place, length in walk(file):
        if kind == b"IHDR" and length < 100:
            file.seek(place - 8)
            return SIGNATURE + file.read(length + 12) + _chunk(b"IDAT", b"")
        break
    raise ValueError("no header")


def texts(file: IO[bytes]) -> tuple[dict[str, str], bytes]:
    """Texts by their names, and EXIF. What stands behind the pixels is read too. Raises TooManyPieces."""
    found: dict[str, str] = {}
    exif, room, unread, count = b"", TEXTS_LIMIT, TEXTS_LIMIT, 0
    for kind, place, length in walk(file):
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"eXIf") or length > min(TEXT_LIMIT, unread):
            continue
        count += 1
        if count > TEXT_COUNT or room <= 0:
            continue  # what was found until then stands
        unread -= length
        body = _body(file, kind, place, length)
        if kind == b"eXIf":
            exif = body or exif
        elif body is not None and (pair := _text(kind, body, min(room, TEXT_LIMIT))) is not None:
            found[pair[0].decode("latin-1")] = decoded(pair[1])
            room -= len(pair[1])
    return found, exif


def slim(data: bytes) -> bytes:
    """The picture without chunks that its pixels do not need, so that none of them can spoil it. Bytes that are no PNG
    stay as they are. Raises TooManyPieces."""
    if not data.startswith(SIGNATURE):
        return data
    kept, file = [SIGNATURE], io.BytesIO(data)
    for kind, place, length in walk(file):
        if kind in _PIXELS or _is_needed(file, kind, place, length):
            kept.append(data[place - 8 : place + length + 4])
    return b"".join(kept)


def _is_needed(file: IO[bytes], kind: bytes, place: int, length: int) -> bool:
    """Whether a chunk that is no pixels says how they are to be shown, and is sound and small enough."""
    if kind not in (b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt") or length > SMALL:
        return False
    body = _body(file, kind, place, length)
    if body is None or kind == b"eXIf":
        return body is not None
    if kind == b"iCCP":
        name, _, packed = body.partition(b"\0")
        return len(name) < 80 and packed[:1] == b"\0" and _unpacked(packed[1:], SMALL) is not None
    return body.partition(b"\0")[0] in _TURNING and _text(kind, body, SMALL) is not None


def _body(file: IO[bytes], kind: bytes, place: int, length: int) -> bytes | None:
    """None when it is cut off or damaged."""
    file.seek(place)
    body, check = file.read(length), file.read(4)
    sound = len(check) == 4 and zlib.crc32(body, zlib.crc32(kind)) == int.from_bytes(check, "big")
    return body if sound else None


def _text(kind: bytes, body: bytes, limit: int) -> tuple[bytes, bytes] | None:
    """Name and text, None when it is malformed or too long."""
    name, _, rest = body.partition(b"\0")
    text: bytes | None = rest
    if kind == b"zTXt":
        text = _unpacked(rest[1:], limit)
    elif kind == b"iTXt":
        packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)  # language, translated name, text
        text = None if len(parts) < 3 else _unpacked(parts[2], limit) if packed else parts[2]
    return (name, text) if name and text is not None and len(text) <= limit else None


def _unpacked(data: bytes, limit: int) -> bytes | None:
    """None when it is damaged or longer than `limit` bytes."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error:
        return None
    return plain if stream.eof and len(plain) <= limit else None


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
