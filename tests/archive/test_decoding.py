"""Small pictures come from processes that may die, two at a time, of pictures within a bound."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import UnreadableImage
from tests.archive.helpers import chunk, png
from tests.refusals import failing
from webui.archive import decoding, pictures
from webui.archive.decoding import AT_ONCE, Decoder
from webui.archive.thumbnails import Thumbnails

pytestmark = pytest.mark.lengthy

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows bounds no process's memory and sends no signals")
PATIENCE = 60.0  # seconds


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    found = Decoder()
    yield found
    found.close()


def plain_png(path: Path, side: int) -> Path:
    """One colour, `side` pixels a side, packed without ever holding them."""
    packer, row = zlib.compressobj(9), bytes(1 + 3 * side)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def claimed_png(path: Path, width: int, height: int) -> Path:
    """Says that it is so large, and holds next to nothing."""
    data = bytearray(png((1, 1), 8, 2, [b"\1\2\3"]))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    return path


def levels(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (256, 256)
        return sum(1 for count in image.convert("L").histogram() if count)


@pytest.mark.fault(22)
@pytest.mark.parametrize("size", [(13_000, 13_000), (40_000, 2_001), (60_000, 60_000)])
def test_a_picture_too_large_is_a_tile_that_says_its_size(
    decoder: Decoder, tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = claimed_png(tmp_path / "a.png", *size)  # to decode it would fail: there are no pixels
    assert levels(decoder.small(file, 256)) > 2  # no plain square: something is written on it
    written: list[str] = []
    monkeypatch.setattr("PIL.ImageDraw.ImageDraw.text", lambda self, place, text, **_: written.append(text))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    pictures.small(file, 256)
    assert written == [f"{size[0]} × {size[1]}"]


def test_as_large_as_our_own_is_shown(decoder: Decoder, tmp_path: Path) -> None:
    data = decoder.small(plain_png(tmp_path / "a.png", 8_900), 256)
    assert levels(data) == 1


def test_no_decode_happens_in_the_page(decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (600, 300), "red").save(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "small", lambda *_: pytest.fail("decoded here"))
    thumbnails = Thumbnails(tmp_path / "thumbs.sqlite")
    assert thumbnails.get(tmp_path / "a.png").startswith(b"\xff\xd8")
    thumbnails.close()


def processes(decoder: Decoder) -> list[int]:
    pool: Any = decoder._pool
    return list(pool._processes)


def test_two_at_a_time_whoever_asks(decoder: Decoder, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.png" for number in range(12)]
    for file in files:
        Image.new("RGB", (300, 300), "red").save(file)
    with ThreadPoolExecutor(12) as threads:
        made = list(threads.map(lambda file: decoder.small(file, 256), files))
    assert len(made) == 12
    assert 1 <= len(processes(decoder)) <= AT_ONCE == 2


@POSIX
def test_a_process_that_died_is_replaced(decoder: Decoder, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "red").save(tmp_path / "a.png")
    decoder.small(tmp_path / "a.png", 256)
    before = processes(decoder)
    for one in before:
        os.kill(one, signal.SIGKILL)
    assert decoder.small(tmp_path / "a.png", 256).startswith(b"\xff\xd8")
    assert not set(before) & set(processes(decoder))


@POSIX
def test_a_picture_that_ends_every_process_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").touch()
    deadly = Decoder()
    monkeypatch.setattr(decoding, "_made", _die)
    with failing(UnreadableImage, "picture_ended_reading", name="a.png"):
        deadly.small(tmp_path / "a.png", 256)
    monkeypatch.undo()
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert deadly.small(tmp_path / "b.png", 256)
    deadly.close()


def _die(*_: Any) -> bytes:
    os._exit(9)


@pytest.mark.fault(22)
@POSIX
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS may not bound it")
def test_more_memory_than_it_may_have_costs_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MEMORY", 400 * 2**20)
    small = Decoder()
    with pytest.raises(UnreadableImage):
        small.small(plain_png(tmp_path / "a.png", 8_900), 256)  # 317 MB at 4 bytes a pixel
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert small.small(tmp_path / "b.png", 256)
    small.close()


SCRIPT = """
import sys
from pathlib import Path
from webui.archive.decoding import Decoder
if __name__ == "__main__":
    decoder = Decoder()
    decoder.small(Path(sys.argv[1]), 256)
    print(*decoder._pool._processes, flush=True)
    sys.stdin.read()
"""


@POSIX
def test_no_process_outlives_a_page_that_was_killed(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    root = Path(__file__).parents[2]
    page = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "a.png")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert page.stdout is not None
    children = [int(one) for one in page.stdout.readline().split()]
    page.kill()
    page.communicate()
    assert children
    until = time.monotonic() + PATIENCE
    while any(_runs(one) for one in children):
        assert time.monotonic() < until, "left behind"
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")  # in a container nobody may take its exit status
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
