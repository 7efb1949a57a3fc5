"""EXIF (2.32): the few values that say how a picture was made or is turned, and a comment written for others to read.

Read here and not by a library: a folder may name the same bytes thousands of times, and only these are wanted."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

from webui.archive.chunks import RAW_EXIF, decoded

LIMIT = 65_000  # bytes; a JPEG segment ends at 65,535

_HEAD = b"Exif\0\0"
_DESCRIPTION, _MAKE, _MODEL, _ORIENTATION, _FOLDER, _USER_COMMENT, _XP_COMMENT = (
    *(0x010E, 0x010F, 0x0110, 0x0112, 0x8769, 0x9286, 0x9C9C),
)
_WANTED = {_DESCRIPTION, _MAKE, _MODEL, _ORIENTATION, _FOLDER, _USER_COMMENT, _XP_COMMENT}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}  # bytes of one value, by its type
_ENTRIES = 1000  # in one folder
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def write(comment: str, limit: int = LIMIT) -> bytes:
    """EXIF whose UserComment is the text, as UNICODE and UTF-16 big-endian; b"" when that is over `limit` bytes.

    Laid out here, as Pillow would write the comment as numbers, which other programs do not read."""
    body = b"UNICODE\0" + comment.encode("utf-16-be", errors="replace")
    outer = struct.pack(">HHHIII", 1, _FOLDER, 4, 1, 26, 0)  # one entry: a long, where the inner folder stands
    inner = struct.pack(">HHHIII", 1, _USER_COMMENT, 7, len(body), 44, 0)  # one entry: bytes of no type
    data = _HEAD + b"MM\0*" + struct.pack(">I", 8) + outer + inner + body
    return data if len(data) <= limit else b""


def texts(data: bytes) -> dict[str, str]:
    """UserComment (in either folder), ImageDescription, XPComment, Make and Model, those there are."""
    found = _values(data)
    said = {
        "UserComment": decode_comment(found.get(_USER_COMMENT, b"")),
        "ImageDescription": decoded(found.get(_DESCRIPTION, b"")),
        "XPComment": found.get(_XP_COMMENT, b"").decode("utf-16-le", errors="replace"),
        "Make": decoded(found.get(_MAKE, b"")),
        "Model": decoded(found.get(_MODEL, b"")),
    }
    return {name: text.strip("\0") for name, text in said.items() if text.strip("\0")}


def orientation(info: Mapping[Any, Any]) -> int:
    """1 … 8, as Pillow's `info` of a picture tells it by EXIF or XMP; 1 when it does not."""
    data = info.get("exif") or _raw(info.get(RAW_EXIF))
    value = _values(data).get(_ORIENTATION, b"") if isinstance(data, bytes) else b""
    if value:
        return int.from_bytes(value, "little" if data.removeprefix(_HEAD)[:2] == b"II" else "big")
    packet = info.get("xmp")
    turned = _XMP_ORIENTATION.search(packet) if isinstance(packet, bytes) else None
    return int(turned[1]) if turned else 1


def _raw(text: object) -> bytes:
    return raw_profile(text) if isinstance(text, str) else b""


def raw_profile(text: str) -> bytes:
    """The bytes of a profile that ImageMagick wrote as lines: a name, a length, hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def decode_comment(data: bytes) -> str:
    """A UserComment's bytes as text: eight bytes name the code, and UTF-16 comes in both orders."""
    code, body = data[:8], data[8:]
    if code == b"UNICODE\0":
        return _utf_16(body)
    if code == b"JIS\0\0\0\0\0":
        return body.rstrip(b"\0").decode("iso2022_jp", errors="replace")
    return decoded((body if code in (b"ASCII\0\0\0", b"\0" * 8) else data).rstrip(b"\0"))


def _utf_16(body: bytes) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", errors="replace").rstrip("\0")
    if b"\0" not in body.rstrip(b"\0"):  # settings have Latin letters, which have a zero each: no UTF-16 at all
        return decoded(body.rstrip(b"\0"))
    # most letters of a prompt have a zero as their high byte
    little = body[1::2].count(0) > body[0::2].count(0)
    return body.decode("utf-16-le" if little else "utf-16-be", errors="replace").rstrip("\0")


def _values(data: bytes) -> dict[int, bytes]:
    """The wanted values of both folders as they stand; of a value in both, the inner folder's."""
    data = data.removeprefix(_HEAD)
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return {}
    found = _folder(data, order, int(struct.unpack_from(f"{order}I", data, 4)[0]))
    inner = found.pop(_FOLDER, b"")
    return found | (_folder(data, order, int(struct.unpack(f"{order}I", inner)[0])) if len(inner) == 4 else {})


def _folder(data: bytes, order: str, place: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if place + 2 > len(data):
        return found
    (count,) = struct.unpack_from(f"{order}H", data, place)
    for number in range(min(count, _ENTRIES)):
        entry = place + 2 + 12 * number
        if entry + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, entry)
        size = _SIZES.get(kind, 0) * length
        if tag in _WANTED and size:
            start = entry + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
            found[tag] = data[start : start + size]
    return found
