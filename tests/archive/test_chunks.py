"""PNG chunks within limits: bombs, damage and floods cost themselves and not the picture."""

from __future__ import annotations

import io
import random
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import Note, UnreadableImage
from tests.archive.helpers import chunk, encoded, icc_profile, png
from webui.archive import chunks, export, metadata, pictures
from webui.archive.entries import look
from webui.archive.opening import TooManyPieces

PIXELS = [b"\1\2\3"]
TEXT = b"x\nSteps: 5, Seed: 1, Clip skip: 1"
GOOD = chunk(b"tEXt", b"parameters\0" + TEXT)
BOMB = zlib.compress(bytes(40 * 1024 * 1024))
BAD = {
    "zTXt bomb": chunk(b"zTXt", b"workflow\0\0" + BOMB),
    "iTXt bomb": chunk(b"iTXt", b"workflow\0\1\0\0\0" + BOMB),
    "XMP bomb": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    "iCCP bomb": chunk(b"iCCP", b"big\0\0" + BOMB),
    "huge tEXt": chunk(b"tEXt", b"workflow\0" + b"x" * (17 * 1024 * 1024)),
    "huge eXIf": chunk(b"eXIf", b"MM\0*" + bytes(2 * 1024 * 1024)),
    "bad check": chunk(b"tEXt", b"note\0x")[:-1] + b"!",
    "bad iCCP": chunk(b"iCCP", b"x\0\7abc"),
    "long name": chunk(b"iCCP", b"x" * 200 + b"\0\0" + zlib.compress(b"x")),
    "no iTXt": chunk(b"iTXt", b"seedprint"),
    "half packed": chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"word" * 99)[:-9]),
    "no EXIF": chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_chunk_costs_itself(name: str) -> None:
    for order in ([BAD[name], GOOD], [GOOD, BAD[name]]):
        data = png((1, 1), 8, 2, PIXELS, order)
        assert pictures.read(data).getpixel((0, 0)) == (1, 2, 3)
        assert metadata.read(data).fields["seed"] == 1


@pytest.mark.fault(23)
@pytest.mark.lengthy
def test_nothing_is_unpacked_without_bound() -> None:
    data = png((1, 1), 8, 2, PIXELS, [chunk(b"zTXt", b"a\0\0" + BOMB)] * 60)
    tracemalloc.start()
    metadata.read(data)
    pictures.read(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 60_000_000  # each holds 40 MB, one is looked at up to 16


@pytest.mark.fault(23)
def test_a_flood_of_chunks_is_bounded_and_the_picture_opens() -> None:
    flood = chunk(b"tEXt", b"a\0b") * 40_000
    data = png((1, 1), 8, 2, PIXELS, [GOOD, flood])
    assert len(chunks.texts(io.BytesIO(data))[0]) <= chunks.TEXT_COUNT
    assert metadata.read(data).fields["seed"] == 1
    assert pictures.read(data).getpixel((0, 0)) == (1, 2, 3)


class Counted(io.BytesIO):
    """How often, and how much, is read."""

    reads = read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.reads, self.read_bytes = self.reads + 1, self.read_bytes + len(data)
        return data


FLOODS = {
    "texts": chunk(b"tEXt", b"a\0b"),
    "empty pixels": chunk(b"IDAT", b""),
    "orientations": chunk(b"eXIf", b""),
    "unknown": chunk(b"abcd", b""),
}
READERS: dict[str, Callable[[Path], object]] = {
    "metadata": metadata.read,
    "input": pictures.read,
    "mask": pictures.read_mask,
    "thumbnail": lambda file: pictures.small(file, 8),
    "export": lambda file: export.bare(file.read_bytes()),
}


@pytest.mark.fault(23)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("flood", FLOODS)
def test_more_chunks_than_any_picture_has_are_refused(flood: str, reader: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((1, 1), 8, 2, PIXELS, [GOOD, FLOODS[flood] * 1_000_000]))
    with pytest.raises(UnreadableImage) as error:
        READERS[reader](tmp_path / "a.png")
    assert error.value.note.code == "picture_too_many_pieces"


@pytest.mark.fault(23)
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_read_no_further(flood: str) -> None:
    file = Counted(png((1, 1), 8, 2, PIXELS, [GOOD, FLOODS[flood] * 200_000]))
    with pytest.raises(TooManyPieces):
        chunks.texts(file)
    assert file.reads <= 50_000 + 2 * chunks.TEXT_COUNT  # a head each, and the texts with their checks
    assert file.tell() < 1_000_000 < len(file.getvalue())


def test_a_flood_is_listed_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((1, 1), 8, 2, PIXELS, [FLOODS["unknown"] * 60_000]))
    entry = look(tmp_path, tmp_path / "a.png")
    assert entry is not None
    assert entry.problem == Note("picture_too_many_pieces", name="a.png")


def test_texts_are_read_up_to_a_limit_of_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "TEXTS_LIMIT", 1_000_000)
    packed = zlib.compress(random.Random(1).randbytes(100_000))
    file = Counted(png((1, 1), 8, 2, PIXELS, [GOOD, chunk(b"zTXt", b"a\0\0" + packed[:-4]) * 60]))  # none is sound
    assert chunks.texts(file)[0] == {"parameters": TEXT.decode()}
    assert file.read_bytes < 1_100_000


def test_a_flood_of_segments_is_refused() -> None:
    with pytest.raises(UnreadableImage) as error:
        metadata.read(b"\xff\xd8" + b"\xff\xfe\0\2" * 30_000)
    assert error.value.note.code == "picture_too_many_pieces"


def test_what_turns_and_colours_a_picture_stays() -> None:
    wide = Image.new("RGB", (2, 1), (255, 0, 0))
    swapped = icc_profile(
        [(0.1430804, 0.0606169, 0.7141733), (0.3850649, 0.7168786, 0.0971045), (0.4360747, 0.2225045, 0.0139322)]
    )
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded(wide, "PNG", icc_profile=swapped, exif=turned)
    image = pictures.read(data)
    assert image.size == (1, 2)
    seen_red, _, seen_blue = image.getpixel((0, 0))
    assert (seen_red <= 2, seen_blue >= 253) == (True, True)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = png((2, 1), 8, 2, [b"abcdef"], [chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)])
    assert pictures.read(data).size == (1, 2)
