"""Files made byte by byte, so that what we read was not written by the library that reads it."""

from __future__ import annotations

import io
import struct
import weakref
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.types import GenerationRequest, GenerationResult
from webui.archive.grids import Tile

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def png(size: tuple[int, int], depth: int, colour: int, rows: Sequence[bytes], chunks: Sequence[bytes] = ()) -> bytes:
    """A PNG by the specification; `chunks` stand between IHDR and IDAT."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def icc_profile(columns: Sequence[tuple[float, float, float]]) -> bytes:
    """An RGB profile (ICC.1:2001-04) with these XYZ primaries under D50 and linear curves."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: Sequence[float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in values)

    words = b"linear\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + b"\0" * 78
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0) + b"\0\0\0\0"
    tags = [(b"desc", described), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz((0.9642, 1.0, 0.8249)))]
    tags += [(name, xyz(values)) for name, values in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    place = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags:
        padded = data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", place + len(body), len(data))
        body += padded
    head = bytearray(128)
    head[8:12] = b"\x02\x10\0\0"
    head[12:24] = b"mntrRGB XYZ "
    head[24:36] = struct.pack(">6H", 2026, 11, 20, 0, 0, 0)
    head[36:40] = b"acsp"
    head[68:80] = b"".join(fixed(value) for value in (0.9642, 1.0, 0.8249))
    head[0:4] = struct.pack(">I", 128 + len(table) + len(body))
    return bytes(head) + table + body


class Open:
    """How many of the pictures that it was told of are still there, and how many were at most."""

    def __init__(self) -> None:
        self.now = self.most = self.told = 0

    def tell(self, image: Image.Image) -> Image.Image:
        self.now, self.told = self.now + 1, self.told + 1
        self.most = max(self.most, self.now)
        weakref.finalize(image, self._gone)
        return image

    def _gone(self) -> None:
        self.now -= 1


def tile(image: Image.Image, caption: str = "") -> Tile:
    return Tile(size=image.size, read=lambda: image, caption=caption)


def tiles(made: Sequence[GenerationResult]) -> list[Tile]:
    return [tile(result.image, str(result.request.seed)) for result in made]


def results(request: GenerationRequest) -> list[GenerationResult]:
    """What the fake engine makes of the first batch."""
    assert request.seed is not None
    batch = next(request.batches_from(request.seed))
    return FakeEngine().generate(batch, lambda progress: None)
