"""What is given away: the same pixels, and no more words than were asked for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from pipelines.errors import InvalidRequest, UnreadableImage
from pipelines.types import GenerationRequest
from tests.archive.helpers import chunk, encoded, results
from webui.archive import exif, metadata, pictures
from webui.archive.entries import Entry
from webui.archive.export import bare, contact_sheet, zip_of
from webui.archive.history import History
from webui.archive.search import Query
from webui.archive.store import ImageStore

SECRET = "secretword"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    store = ImageStore(tmp_path / "outputs")
    request = GenerationRequest(
        prompt=f"a {SECRET} 星", negative_prompt="hidden", seed=77, steps=1, width=64, height=64, batch_size=2
    )
    for result in results(request):
        store.save(result)
    opened = History(tmp_path / "history.sqlite", tmp_path / "outputs")
    opened.refresh()
    yield opened
    opened.close()


def entries(history: History) -> tuple[Entry, ...]:
    return history.search(Query(), 50).entries


def unpacked(history: History, kind: str) -> dict[str, bytes]:
    data = b"".join(zip_of(entries(history), kind))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert all(info.external_attr >> 16 == 0o644 for info in archive.infolist())
        return {name: archive.read(name) for name in archive.namelist()}


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.size, image.tobytes()


def test_a_whole_zip_holds_the_very_files(history: History) -> None:
    assert unpacked(history, "full") == {e.saved.path.name: e.saved.path.read_bytes() for e in entries(history)}


def test_without_metadata_nothing_tells_how_or_when(history: History) -> None:
    data = b"".join(zip_of(entries(history), "none"))
    for word in (SECRET.encode(), b"hidden", b"seedprint", b"parameters", b"77"):
        assert word not in data or word == b"77"  # compressed pixels may hold any two bytes
    found = unpacked(history, "none")
    assert list(found) == ["00001.png", "00002.png"]
    for entry, given in zip(entries(history), found.values(), strict=True):
        assert pixels(given) == pixels(entry.saved.path.read_bytes())
        with Image.open(io.BytesIO(given)) as image:
            image.load()
            assert not getattr(image, "text", {})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


def test_with_the_prompt_only(history: History) -> None:
    found = unpacked(history, "prompt")
    for entry, (name, given) in zip(entries(history), found.items(), strict=True):
        assert name[:5].isdigit()
        assert pixels(given) == pixels(entry.saved.path.read_bytes())
        with Image.open(io.BytesIO(given)) as image:
            image.load()
            assert image.text == {"parameters": f"a {SECRET} 星"}  # type: ignore[attr-defined]
        assert metadata.read(given).fields.get("prompt") == f"a {SECRET} 星"
        assert b"hidden" not in given


def test_files_that_vanish_or_broke_are_left_out(history: History) -> None:
    listed = entries(history)
    listed[0].saved.path.unlink()
    assert len(zipfile.ZipFile(io.BytesIO(b"".join(zip_of(listed, "full")))).namelist()) == 1
    listed[1].saved.path.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert zipfile.ZipFile(io.BytesIO(b"".join(zip_of(listed, "none")))).namelist() == []


def test_names_in_a_zip_are_one_each(history: History) -> None:
    first = entries(history)[0]
    found = zipfile.ZipFile(io.BytesIO(b"".join(zip_of([first, first], "full")))).namelist()
    assert found == [first.saved.path.name, f"{first.saved.path.stem} (2).png"]


def test_an_unknown_kind_is_refused_at_once(history: History) -> None:
    with pytest.raises(InvalidRequest):
        zip_of(entries(history), "some")


def test_png_of_every_mode_keeps_pixels_and_colour() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", SECRET)
    info.add_itxt("XML:com.adobe.xmp", SECRET)
    info.add_text("zipped", SECRET, zip=True)
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16"):
        image = Image.effect_noise((31, 17), 90).convert("L").convert(mode)
        data = encoded(image, "PNG", pnginfo=info, exif=exif.write(SECRET), icc_profile=profile, dpi=(72, 72))
        data += b"trailing " + SECRET.encode()
        given, suffix = bare(data)
        assert suffix == ".png"
        assert pixels(given) == pixels(data)
        with Image.open(io.BytesIO(given)) as read:
            read.load()
            assert read.info["icc_profile"] == profile
            assert set(read.info) <= {"icc_profile", "dpi", "transparency"}
        assert SECRET.encode() not in given


def test_private_chunks_of_a_png_go() -> None:
    data = encoded(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG")
    hidden = data[:33] + chunk(b"prVt", SECRET.encode()) + chunk(b"tIME", b"\x07\xea\x0b\x14\0\0\0") + data[33:]
    assert bare(hidden)[0] == data


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0, "restart_marker_blocks": 1}], ids=str
)
def test_jpeg(options: dict[str, object]) -> None:
    image = Image.merge("RGB", [Image.effect_noise((61, 47), sigma) for sigma in (20, 60, 90)])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(image, "JPEG", exif=exif.write(SECRET), comment=SECRET, icc_profile=profile, **options)
    data += b"tail \xff\xd9" + SECRET.encode() + b"\xff\xd9"
    given, suffix = bare(data)
    assert suffix == ".jpg"
    assert pixels(given) == pixels(data)
    assert SECRET.encode() not in given
    assert SECRET.encode("utf-16-be") not in given
    with Image.open(io.BytesIO(given)) as read:
        assert read.info["icc_profile"] == profile
        assert not read.getexif()
    assert b"a prompt" in bare(data, "a prompt")[0]
    assert pixels(bare(data, "a prompt")[0]) == pixels(data)


def test_a_turned_jpeg_stays_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.effect_noise((40, 20), 50).convert("RGB")
    data = encoded(image, "JPEG", exif=exif)
    given, suffix = bare(data)
    assert suffix == ".png"
    with Image.open(io.BytesIO(data)) as read:
        upright = read.transpose(Image.Transpose.ROTATE_270)
    assert pixels(given) == ("RGB", (20, 40), upright.tobytes())


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "GIF"])
def test_other_formats_become_png_of_the_same_pixels(kind: str) -> None:
    data = encoded(Image.effect_noise((32, 32), 50).convert("RGB"), kind)
    given, suffix = bare(data)
    assert (suffix, pixels(given)[1:]) == (".png", pixels(data)[1:])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\x02abc", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_broken_files(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        bare(data)


def small(path: Path) -> bytes:
    if not path.is_file():
        raise UnreadableImage("picture_gone", name=path.name)
    buffer = io.BytesIO()
    pictures.small(path, 256).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_contact_sheet(history: History) -> None:
    listed = entries(history)
    with Image.open(io.BytesIO(contact_sheet(listed * 4, small))) as sheet:
        assert sheet.size == (6 * 268 + 12, 2 * 286 + 12)
        with Image.open(listed[0].saved.path) as first:
            want = first.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        middle = (
            sheet.crop((12 + 96, 12 + 96, 12 + 160, 12 + 160)).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        )
        assert isinstance(want, tuple)
        assert isinstance(middle, tuple)
        assert all(abs(a - b) < 12 for a, b in zip(want, middle, strict=True))
        assert sheet.getpixel((3, 3)) == (255, 255, 255)
    listed[0].saved.path.unlink()
    contact_sheet(listed, small)
    with pytest.raises(InvalidRequest):
        contact_sheet([], small)
