"""The outputs folder: names, counters, what is inside a file, two programs at once, and what is said when it fails."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import InvalidRequest, StorageError
from pipelines.groups import InitImage, Inpaint
from pipelines.types import GenerationRequest
from tests.archive.faulty import FaultyOs
from tests.archive.helpers import NOON, results, tiles
from webui.archive import files, metadata, numbers, store
from webui.archive.store import ImageStore, Saving

REQUEST = GenerationRequest(
    prompt="a red star on a blue field", seed=450910884, batch_size=3, steps=2, width=64, height=72
)


def make_store(root: Path, **options: object) -> ImageStore:
    return ImageStore(root, clock=lambda: NOON, **options)


def names(root: Path) -> list[str]:
    files = (path for path in root.rglob("*") if path.is_file() and path.parent.name != numbers.FOLDER)
    return sorted(path.relative_to(root).as_posix() for path in files)


def test_images_and_grid_land_where_promised(tmp_path: Path) -> None:
    archive = make_store(tmp_path / "outputs")
    made = results(REQUEST)
    saved = [archive.save(result) for result in made]
    grid = archive.save_grid(made[0], tiles(made), beside=saved[0])
    assert grid is not None
    assert names(archive.root) == [
        "txt2img/2026-11-20/00001-450910884_a_red_star_on_a_blue_field.png",
        "txt2img/2026-11-20/00002-450910885_a_red_star_on_a_blue_field.png",
        "txt2img/2026-11-20/00003-450910886_a_red_star_on_a_blue_field.png",
        "txt2img/2026-11-20/grid-00001-450910884_a_red_star_on_a_blue_field.png",
    ]
    assert (saved[1].seed, saved[1].width, saved[1].height, saved[1].kind) == (450910885, 64, 72, "image")
    assert (saved[1].task, saved[1].prompt, saved[1].made_at) == ("txt2img", REQUEST.prompt, NOON)
    assert (grid.kind, grid.seed, grid.width, grid.height) == ("grid", 450910884, 128, 144)
    assert len({entry.id for entry in [*saved, grid]}) == 4
    # the next image follows the images, not the grid
    assert archive.save(made[0]).path.name.startswith("00004-")


def test_a_file_holds_its_pixels_and_both_texts(tmp_path: Path) -> None:
    archive = make_store(tmp_path)
    made = results(REQUEST)
    saved = [archive.save(result) for result in made]
    for result, entry in zip(made, saved, strict=True):
        with Image.open(entry.path) as image:
            assert (image.mode, image.tobytes()) == ("RGB", result.image.tobytes())
        back = metadata.read(entry.path)
        assert back.record is not None
        assert back.record.request(archive.inputs) == result.request
        assert back.record.pixels_sha256 == metadata.pixels_sha256(result.image)
        assert metadata.from_infotext(back.text or "")[0]["seed"] == result.request.seed
    grid = archive.save_grid(made[0], tiles(made))
    assert grid is not None
    back = metadata.read(grid.path)
    assert back.record is not None
    assert (back.record.kind, back.text) == ("grid", metadata.read(saved[0].path).text)


def test_inputs_of_inpainting_are_kept(tmp_path: Path) -> None:
    archive = make_store(tmp_path)
    picture, mask = Image.effect_noise((64, 64), 50).convert("RGB"), Image.new("L", (64, 64), 255)
    request = GenerationRequest(seed=1, init=InitImage(image=picture), inpaint=Inpaint(mask=mask), width=64, height=64)
    saved = archive.save(results(request)[0])
    assert saved.path.parent == tmp_path / "inpaint" / "2026-11-20"
    record = metadata.read(saved.path).record
    assert record is not None
    again = record.request(archive.inputs)
    assert again.init is not None
    assert again.init.image.tobytes() == picture.tobytes()
    assert sum(name.startswith("inputs/") for name in names(tmp_path)) == 2


def test_a_single_image_has_no_grid(tmp_path: Path) -> None:
    made = results(REQUEST)
    assert make_store(tmp_path).save_grid(made[0], tiles(made[:1])) is None
    assert names(tmp_path) == []


def test_a_second_grid_of_the_same_image_takes_another_number(tmp_path: Path) -> None:
    archive = make_store(tmp_path)
    made = results(REQUEST)
    first = archive.save(made[0])
    grids = [archive.save_grid(made[0], tiles(made), beside=first) for _ in range(3)]
    assert len({grid.path for grid in grids if grid}) == 3
    assert archive.save(made[0]).path.name > max(grid.path.name.removeprefix("grid-") for grid in grids if grid)


def test_a_huge_grid_is_a_jpeg_with_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "JPEG_ABOVE", 1000)
    archive = make_store(tmp_path)
    made = results(REQUEST)
    grid = archive.save_grid(made[0], tiles(made), beside=archive.save(made[0]))
    assert grid is not None
    assert grid.path.name.endswith(".jpg")
    assert metadata.read(grid.path).fields["seed"] == 450910884


def test_the_counter_goes_on_after_a_restart_and_beside_a_second_program(tmp_path: Path) -> None:
    made = results(REQUEST)
    one, two = make_store(tmp_path), make_store(tmp_path)
    # other seeds, other names: only a look at the folder can keep the numbers apart
    order = zip((one, one, two, one, two, two, one), (0, 1, 2, 0, 1, 2, 0), strict=True)
    numbers = [archive.save(made[place]).path.name[:5] for archive, place in order]
    assert numbers == [f"{number:05d}" for number in range(1, 8)]
    assert make_store(tmp_path).save(made[0]).path.name[:5] == "00008"


@pytest.mark.fault(35)
def test_many_threads_of_two_programs_lose_nothing(tmp_path: Path) -> None:
    made = results(REQUEST)
    stores = [make_store(tmp_path), make_store(tmp_path)]
    threads = [
        threading.Thread(target=lambda archive=archive: [archive.save(result) for result in made])
        for archive in stores * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(tmp_path)) == 18


def test_the_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_store(tmp_path)
    result = results(REQUEST)[0]
    folder = archive.save(result).path.parent
    looks = []
    scandir = os.scandir
    monkeypatch.setattr(store.os, "scandir", lambda path: (looks.append(Path(path)), scandir(path))[1])
    for _ in range(5):
        archive.save(result)
    assert looks
    assert folder not in looks


@pytest.mark.fault(8)
@pytest.mark.skipif(os.name == "nt", reason="folders cannot be synced there")
def test_bytes_then_name_then_folder_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_store(tmp_path)
    made = results(REQUEST)
    archive.save(made[0])
    recorder = FaultyOs(0, lambda: None)
    monkeypatch.setattr(files, "os", recorder)
    archive.save(made[1])
    calls = [name for name in recorder.calls if name != "write"]
    assert calls == ["open", "fsync", "close", "link", "unlink", "open", "fsync", "close"]


def test_nothing_is_ever_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_store(tmp_path)
    result = results(REQUEST)[0]
    first = archive.save(result)
    first.path.write_bytes(b"precious")
    monkeypatch.setattr(archive, "_next_number", lambda folder: 1)  # as if another program had the same number
    assert archive.save(result).path.name.startswith("00002-")
    assert first.path.read_bytes() == b"precious"


def test_disks_without_links_overwrite_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(files.os, "link", no_links)
    archive = make_store(tmp_path)
    result = results(REQUEST)[0]
    first = archive.save(result)
    monkeypatch.setattr(archive, "_next_number", lambda folder: 1)
    assert archive.save(result).path.name.startswith("00002-")
    assert first.path.is_file()
    assert len(names(tmp_path)) == 2


def test_the_day_is_the_local_day_and_the_pattern_can_be_chosen(tmp_path: Path) -> None:
    archive = ImageStore(tmp_path, saving=Saving(pattern="[model] [number]"), clock=lambda: NOON + timedelta(days=1))
    assert archive.save(results(REQUEST)[0]).path == tmp_path / "txt2img" / "2026-11-21" / "builtin 00001.png"
    with pytest.raises(InvalidRequest, match="pattern_number"):
        ImageStore(tmp_path, saving=Saving(pattern="[seed]"))


def test_prepare_sweeps_old_part_files_only(tmp_path: Path) -> None:
    folder = tmp_path / "txt2img" / "2026-11-20"
    folder.mkdir(parents=True)
    old, young, image = folder / "a.part", folder / "b.part", folder / "00001-1.png"
    for path in (old, young, image):
        path.write_bytes(b"x")
    for path in (old, image):
        os.utime(path, (time.time() - 3600,) * 2)
    make_store(tmp_path).prepare()
    assert names(tmp_path) == ["txt2img/2026-11-20/00001-1.png", "txt2img/2026-11-20/b.part"]


@pytest.mark.fault(5, 6)
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "folder_full"),
        (errno.EROFS, "folder_closed"),
        (errno.ENOENT, "folder_gone"),
        (errno.ENAMETOOLONG, "folder_path_too_long"),
        (errno.EIO, "folder_failed"),
    ],
)
def test_what_is_said_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    archive = make_store(tmp_path)
    result = results(REQUEST)[0]
    archive.save(result)
    before = names(tmp_path)

    def broken(handle: int) -> None:
        raise OSError(number, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", broken)
        with pytest.raises(StorageError) as error:
            archive.save(result)
    assert (error.value.note.code, error.value.note.values["folder"]) == (code, str(tmp_path))
    assert error.value.note.values.get("reason", "broken") == "broken"
    assert names(tmp_path) == before
    assert archive.save(result).path.name.startswith("00002-")


@pytest.mark.fault(6)
def test_a_folder_that_vanished_is_not_made_again_elsewhere(tmp_path: Path) -> None:
    """An unplugged disk leaves an empty mount point: writing there would hide the images."""
    archive = make_store(tmp_path / "disk" / "outputs")
    result = results(REQUEST)[0]
    picture = InitImage(image=Image.new("RGB", (64, 64)))
    archive.save(result)
    shutil.rmtree(tmp_path / "disk")
    for lost in (result, replace(result, request=replace(result.request, init=picture))):
        with pytest.raises(StorageError, match="folder_gone"):
            archive.save(lost)
    assert not (tmp_path / "disk").exists()
    archive.prepare()
    archive.save(result)


def test_a_file_in_the_folders_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("x")
    with pytest.raises(StorageError, match=r"folder_failed.*outputs"):
        make_store(tmp_path / "outputs").prepare()


def test_free_space_is_checked_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_store(tmp_path)
    archive.prepare()
    archive.check_space(REQUEST)
    usage = shutil.disk_usage(tmp_path)
    # four pictures (three and their grid), 64 x 72 x 3 bytes and 64 KiB each, three times over
    need = 3 * 4 * (64 * 72 * 3 + 65536)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage._replace(free=need))
    archive.check_space(REQUEST)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage._replace(free=need - 1))
    with pytest.raises(StorageError, match="space_short"):
        archive.check_space(REQUEST)
