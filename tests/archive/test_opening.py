"""A GIF's blocks before its first picture are read within a bound."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import UnreadableImage
from tests.archive.helpers import encoded
from webui.archive import export, metadata, opening, pictures

ROOT = Path(__file__).parents[2]
TEXT = "a star\nSteps: 5, Sampler: Euler, CFG scale: 7, Seed: 9"
GIF = encoded(Image.new("P", (8, 8)), "GIF")
FIRST = 13 + 3 * 2 ** ((GIF[10] & 7) + 1)  # behind the header and its colour table


def with_blocks(blocks: bytes) -> bytes:
    assert GIF[10] & 0x80
    return GIF[:FIRST] + blocks + GIF[FIRST:]


def comment(*parts: bytes) -> bytes:
    return b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


FLOODS = {
    "comments": comment(b"x") * 30_000,
    "parts of one comment": comment(*[b"x"] * 30_000),
    "other extensions": b"\x21\x01\x01x\0" * 30_000,
    "hidden from a plain walk": b"\x21\xf9\0" + comment(b",") * 30_000,
    "no blocks at all": b"\0" * 30_000,
}
READERS: dict[str, Callable[[bytes, Path], object]] = {
    "metadata": lambda data, _: metadata.read(data),
    "input": lambda data, _: pictures.read(data),
    "thumbnail": lambda data, folder: pictures.small(written(data, folder), 4),
    "export": lambda data, _: export.bare(data),
}


def written(data: bytes, folder: Path) -> Path:
    file = folder / "a.gif"
    file.write_bytes(data)
    return file


@pytest.mark.fault(23)
@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("reader", READERS)
def test_a_flood_of_blocks_is_refused(flood: str, reader: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage):
        READERS[reader](with_blocks(FLOODS[flood]), tmp_path)


class Counted(io.BytesIO):
    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize("flood", FLOODS)
def test_it_is_read_no_further(flood: str) -> None:
    file = Counted(with_blocks(FLOODS[flood]))
    with pytest.raises(ValueError, match="too many blocks"):
        opening.open_picture(file, ("GIF",))
    assert file.reads <= opening.READS + 1
    assert file.tell() < len(file.getvalue())


@pytest.mark.parametrize("reader", READERS)
def test_long_comments_of_programs_are_read(reader: str, tmp_path: Path) -> None:
    long = [b"y" * 255] * 2000  # 510 kB
    assert READERS[reader](with_blocks(comment(TEXT.encode()) + comment(*long)), tmp_path)
    assert metadata.read(with_blocks(comment(TEXT.encode()))).fields["seed"] == 9


def test_pixels_may_take_as_many_reads_as_they_need() -> None:
    noise = Image.effect_noise((1500, 1500), 90)
    data = encoded(noise, "GIF")
    assert pictures.read(data).size == noise.size


LARGE = """
import sys
from pathlib import Path
from pipelines.errors import UnreadableImage
from webui.archive import entries, metadata, pictures
path = Path(sys.argv[1])
metadata.read(path)
entries.look(path.parent, path)
pictures.small(path, 64)
try:
    pictures.read(path)
except UnreadableImage as error:
    print(error.note.code)
"""


@pytest.mark.fault(21)
def test_a_picture_of_many_pixels_is_told_by_the_page_and_not_by_pillow_on_the_terminal(tmp_path: Path) -> None:
    """Of more than Pillow warns of, fewer than it refuses: with the filters of a program, not of the tests."""
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")
    command = [sys.executable, "-c", LARGE, str(tmp_path / "large.png")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
    assert (ran.stdout.split(), ran.stderr) == (["picture_too_many_pixels"], "")
