"""PNG chunks within limits: bombs, damage and floods cost themselves and not the picture."""

from __future__ import annotations

import io
import tracemalloc
import zlib

import pytest
from PIL import Image

from pipelines.errors import UnreadableImage
from tests.archive.helpers import chunk, encoded, icc_profile, png
from webui.archive import chunks, metadata, pictures

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


@pytest.mark.lengthy
def test_nothing_is_unpacked_without_bound() -> None:
    data = png((1, 1), 8, 2, PIXELS, [chunk(b"zTXt", b"a\0\0" + BOMB)] * 60)
    tracemalloc.start()
    metadata.read(data)
    pictures.read(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 60_000_000  # each holds 40 MB, one is looked at up to 16


def test_a_flood_of_chunks_is_bounded_and_the_picture_opens() -> None:
    flood = chunk(b"tEXt", b"a\0b") * 200_000
    data = png((1, 1), 8, 2, PIXELS, [GOOD, flood])
    assert len(chunks.texts(io.BytesIO(data))[0]) <= chunks.TEXT_COUNT
    assert metadata.read(data).fields["seed"] == 1
    assert pictures.read(data).getpixel((0, 0)) == (1, 2, 3)


def test_more_chunks_than_any_picture_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_LIMIT", 1000)
    data = png((1, 1), 8, 2, PIXELS, [GOOD, chunk(b"tEXt", b"a\0b") * 1000])
    with pytest.raises(UnreadableImage):
        pictures.read(data)
    assert metadata.read(data).fields["seed"] == 1
    monkeypatch.undo()
    with pytest.raises(UnreadableImage):  # a JPEG likewise
        metadata.read(b"\xff\xd8" + b"\xff\xfe\0\2" * 30_000)


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
