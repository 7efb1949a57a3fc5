"""Small pictures: made once, from every format, never in the way."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import UnreadableImage
from webui.archive import thumbnails
from webui.archive.decoding import Decoder
from webui.archive.thumbnails import Thumbnails


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Thumbnails]:
    opened = Thumbnails(tmp_path / "data" / "thumbs.sqlite")
    yield opened
    opened.close()


def picture(path: Path, size: tuple[int, int] = (600, 300), colour: str = "red") -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def shown(data: bytes) -> tuple[str | None, tuple[int, int], object]:
    with Image.open(io.BytesIO(data)) as image:
        return image.format, image.size, image.getpixel((5, 5))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif", ".gif"])
def test_every_format(kept: Thumbnails, tmp_path: Path, suffix: str) -> None:
    kind, size, colour = shown(kept.get(picture(tmp_path / f"a{suffix}")))
    assert (kind, size) == ("JPEG", (256, 128))
    assert isinstance(colour, tuple)
    assert colour[0] > 240
    assert max(colour[1:]) < 20


def test_made_once_and_again_when_the_file_changed(
    kept: Thumbnails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = picture(tmp_path / "a.png")
    first = kept.get(path)
    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "small", lambda *_: pytest.fail("made twice"))
        assert kept.get(path) == first
        again = Thumbnails(tmp_path / "data" / "thumbs.sqlite")
        assert again.get(path) == first
        again.close()
    picture(path, colour="blue")
    os.utime(path, ns=(1, 1))
    assert kept.get(path) != first


def test_upright(kept: Thumbnails, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 50)).save(tmp_path / "a.jpg", exif=exif)
    assert shown(kept.get(tmp_path / "a.jpg"))[1] == (50, 100)


def test_no_picture(kept: Thumbnails, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    for name in ("a.png", "none.png"):
        with pytest.raises(UnreadableImage, match=name):
            kept.get(tmp_path / name)


def test_the_oldest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "_PRUNE", 2)
    few = Thumbnails(tmp_path / "thumbs.sqlite", kept=2)
    for number in range(5):
        few.get(picture(tmp_path / f"{number}.png", (8, 8)))
    names = {Path(path).name for (path,) in few._database.execute("SELECT path FROM thumbs")}
    assert names == {"3.png", "4.png"}
    few.close()


def test_they_take_no_more_bytes_than_they_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Decoder, "small", lambda *_: bytes(1000))
    monkeypatch.setattr(thumbnails, "_PRUNE", 2)
    few = Thumbnails(tmp_path / "thumbs.sqlite", limit=3500)
    for number in range(9):  # looked at behind every second one
        few.get(picture(tmp_path / f"{number}.png", (8, 8)))
    names = [Path(path).name for (path,) in few._database.execute("SELECT path FROM thumbs ORDER BY number")]
    assert names == ["6.png", "7.png", "8.png"]
    few.close()


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "thumbs.sqlite").write_bytes(b"not a database" * 1000)
    anew = Thumbnails(tmp_path / "thumbs.sqlite")
    anew.get(picture(tmp_path / "a.png"))
    anew.close()
    assert anew.get(tmp_path / "a.png")  # closed, or its disk full: still shown
