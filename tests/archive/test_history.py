"""The index: newest first, paged by key, and nothing in it that the files do not say."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import Note, StorageError
from pipelines.types import GenerationRequest
from tests.archive.helpers import NOON, results, tiles
from webui.archive import entries, exif, index
from webui.archive import history as history_module
from webui.archive.entries import list_folder, walk
from webui.archive.history import UNKNOWN_SEED, History
from webui.archive.search import Query
from webui.archive.store import ImageStore, SavedImage

REQUEST = GenerationRequest(prompt="a 星", seed=5, batch_size=4, steps=1, width=64, height=64)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def history(tmp_path: Path, root: Path) -> Iterator[History]:
    opened = History(tmp_path / "data" / "history.sqlite", root)
    yield opened
    opened.close()


def fill(root: Path, history: History | None = None) -> list[SavedImage]:
    """Four images and a grid, oldest first."""
    moment = iter(NOON + timedelta(minutes=minute) for minute in range(100))
    archive = ImageStore(root, clock=lambda: next(moment))
    made = results(REQUEST)
    saved = [archive.save(result) for result in made]
    grid = archive.save_grid(made[0], tiles(made))
    assert grid is not None
    saved.append(grid)
    for entry in saved if history else []:
        assert history is not None
        history.add(entry)
    return saved


def test_newest_first_and_by_id(root: Path, history: History) -> None:
    saved = fill(root, history)
    assert history.recent(3) == saved[:1:-1]
    assert history.recent(100) == saved[::-1]
    assert [history.get(entry.id) for entry in saved] == saved
    assert history.get("nothing") is None


def test_paging_goes_on_from_an_image_that_went(root: Path, history: History) -> None:
    saved = fill(root, history)
    assert history.recent(2, before=saved[3].id) == [saved[2], saved[1]]
    saved[3].path.unlink()
    assert history.recent(100) == [saved[4], saved[2], saved[1], saved[0]]
    assert history.recent(1, before=saved[3].id) == [saved[2]]
    assert history.recent(5, before=saved[0].id) == []
    assert history.recent(5, before="nothing") == []


def test_files_gone_are_noticed_and_taken_back(root: Path, history: History, tmp_path: Path) -> None:
    saved = fill(root, history)
    hidden = tmp_path / "hidden.png"
    saved[2].path.rename(hidden)
    assert history.get(saved[2].id) is None
    assert history.recent(3) == [saved[4], saved[3], saved[1]]
    hidden.rename(saved[2].path)
    assert history.refresh() == 1
    assert history.recent(3) == [saved[4], saved[3], saved[2]]


def test_rebuilding_from_the_files_gives_the_same_index(root: Path, tmp_path: Path, history: History) -> None:
    saved = fill(root, history)
    other = History(tmp_path / "other.sqlite", root)
    assert other.rebuild() == 5
    assert other.recent(10) == history.recent(10) == saved[::-1]
    assert other.refresh() == 0
    other.close()


def test_the_archive_may_move(root: Path, tmp_path: Path, history: History) -> None:
    saved = fill(root, history)
    history.close()
    shutil.move(root, tmp_path / "elsewhere")
    moved = History(tmp_path / "data" / "history.sqlite", tmp_path / "elsewhere")
    assert [entry.id for entry in moved.recent(9)] == [entry.id for entry in saved[::-1]]
    assert all(entry.path.is_file() for entry in moved.recent(9))
    moved.close()


def test_images_of_other_programs_are_taken_in(root: Path, history: History) -> None:
    folder = root / "mine"
    folder.mkdir(parents=True)
    text = "hello\nSteps: 5, Sampler: Euler, Seed: 77, Denoising strength: 0.5"
    Image.new("RGB", (30, 20)).save(folder / "a.jpg", exif=exif.write(text))
    Image.new("RGB", (9, 8)).save(folder / "b.PNG")
    os.utime(folder / "a.jpg", (1000, 1000))
    (folder / "c.png").write_text("no picture")
    (folder / "notes.txt").write_text("no picture")
    (folder / "x.part").write_bytes(b"")
    assert history.refresh() == 3
    b, a = history.recent(10)
    c = next(entry for entry in history.search(Query(), 9).entries if entry.saved.path.name == "c.png")
    assert (c.problem and c.problem.code, c.saved.width, c.saved.seed) == ("picture_no_picture", 0, UNKNOWN_SEED)
    assert history.refresh() == 0  # and it is not looked at again
    assert (a.prompt, a.seed, a.width, a.height, a.task) == ("hello", 77, 30, 20, "img2img")
    assert (b.prompt, b.seed, b.width, b.height, b.task) == ("", UNKNOWN_SEED, 9, 8, "txt2img")


@pytest.mark.fault(30)
def test_inputs_hidden_folders_and_links_are_left_out(root: Path, history: History, tmp_path: Path) -> None:
    for folder in (root / "inputs", root / ".trash", tmp_path):
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8)).save(folder / "secret.png")
    for name in (".hidden.png", ".cache/secret.png"):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (9, 8)).save(root / name)
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "loop").symlink_to(root)
    assert history.refresh() == 0


def test_pictures_in_deep_folders_are_listed_and_beyond_a_bound_told(root: Path, history: History) -> None:
    deep, where = root.joinpath(*"abcdefghijklmnop"), "/".join("abcdefghijklmnop")  # sixteen
    for folder in (deep, deep / "q", deep / "r" / "s"):
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8)).save(folder / "mine.png")
    assert history.refresh() == 1
    assert [one.path for one in history.recent(9)] == [deep / "mine.png"]
    assert history.left_out.told() == [Note("left_out_deep", count=2, name=f"{where}/q", limit=16)]
    shutil.rmtree(deep / "r")
    history.refresh()
    assert history.left_out.told() == [Note("left_out_deep", count=1, name=f"{where}/q", limit=16)]


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own there, and names are text")
def test_what_is_left_out_is_counted_by_its_reason(root: Path, history: History, tmp_path: Path) -> None:
    Image.new("RGB", (9, 8)).save(tmp_path / "mine.png")
    root.mkdir()
    for name in ("a.png", "b.png", "notes.txt", ".hidden.png"):
        (root / name).symlink_to(tmp_path / "mine.png")
    Path(os.fsdecode(os.fsencode(root / "x") + b"\xff.png")).touch()
    Path(os.fsdecode(os.fsencode(root / "y") + b"\xff.txt")).touch()
    os.mkfifo(root / "pipe.png")
    assert history.refresh() == 0
    told = {note.code: (note.values["count"], note.values["name"]) for note in history.left_out.told()}
    assert told == {"left_out_links": (2, "a.png"), "left_out_names": (1, "x\\udcff.png")}
    (root / "a.png").unlink()
    listed = list_folder(root, "")
    assert listed is not None
    history.refresh_folders([listed[0]])
    assert {note.code: note.values["count"] for note in history.left_out.told()}["left_out_links"] == 1


def test_a_picture_sixty_folders_down_is_told_by_its_way(root: Path, history: History) -> None:
    deep = root.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    Image.new("RGB", (9, 8)).save(deep / "mine.png")
    assert history.refresh() == 0
    assert history.left_out.told() == [Note("left_out_deep", count=1, name="/".join(["d"] * 17), limit=16)]


def test_a_folder_that_may_not_be_read_is_told(root: Path, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("closed", "open"):
        (root / folder).mkdir(parents=True)
        Image.new("RGB", (9, 8)).save(root / folder / "mine.png")
    scandir = os.scandir

    def refusing(place: Any) -> Any:
        if Path(place).name == "closed":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    assert history.refresh() == 1
    assert history.left_out.told() == [Note("left_out_closed", count=1, name="closed")]


@pytest.mark.fault(30)
def test_a_file_swapped_for_a_link_is_not_followed(root: Path, history: History, tmp_path: Path) -> None:
    saved = fill(root, history)
    Image.new("RGB", (9, 8)).save(tmp_path / "secret.png")
    saved[0].path.unlink()
    saved[0].path.symlink_to(tmp_path / "secret.png")
    assert history.get(saved[0].id) is None


def test_a_broken_or_older_index_is_made_anew(root: Path, tmp_path: Path) -> None:
    saved = fill(root)
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"not a database" * 1000)
    history = History(path, root)
    assert history.recent(5) == []
    assert history.refresh() == 5
    history.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        database.execute("PRAGMA user_version = 99")
    database.close()
    history = History(path, root)
    history.rebuild()
    assert history.recent(9) == saved[::-1]
    history.close()


def test_adding_twice_keeps_one_row(root: Path, history: History) -> None:
    saved = fill(root, history)
    history.add(saved[0])
    assert history.recent(10) == saved[::-1]


def test_two_programs_and_many_threads(root: Path, tmp_path: Path, history: History) -> None:
    saved = fill(root)
    other = History(tmp_path / "data" / "history.sqlite", root)
    threads = [
        threading.Thread(target=index.add, args=(entry,)) for index in (history, other) for entry in saved for _ in "12"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.id for entry in history.recent(99)} == {entry.id for entry in saved}
    assert history.recent(99) == other.recent(99)
    other.close()


def test_the_databases_own_troubles_are_storage_errors(root: Path, history: History) -> None:
    saved = fill(root)
    history.close()
    with pytest.raises(StorageError, match="index_failed"):
        history.add(saved[0])


@pytest.mark.lengthy
def test_a_page_of_a_large_index_looks_at_its_own_rows_alone(root: Path, history: History) -> None:
    saved = fill(root, history)
    entry = history.entry(saved[0].id)
    assert entry is not None
    row = index.values(root, entry)[1:]
    with history._database:
        for number in range(20_000):
            index.put(history._database, (f"t{number}", *row))
    steps = 0

    def stepped() -> int:
        nonlocal steps
        steps += 1
        return 0

    history._reader.set_progress_handler(stepped, 100)  # instructions of SQLite's machine
    page = history.recent(50, before="t10000")
    history._reader.set_progress_handler(None, 0)
    assert 0 < steps < 200  # one look at every row would be thousands
    assert [entry.id for entry in page] == [f"t{n}" for n in range(9999, 9949, -1)]


@pytest.mark.fault(33)
def test_an_older_file_noticed_late_does_not_become_the_newest(root: Path, history: History, tmp_path: Path) -> None:
    saved = fill(root)
    for entry in saved[2:]:
        history.add(entry)
    assert history.refresh() == 2  # the two oldest, as after a crash between saving and indexing
    assert history.recent(10) == saved[::-1]
    assert history.recent(2, before=saved[2].id) == [saved[1], saved[0]]


@pytest.mark.fault(33)
def test_files_of_one_moment_and_of_absurd_times_all_come_in(root: Path, history: History) -> None:
    (root / "mine").mkdir(parents=True)
    times = {"a": 5, "b": 5, "c": 5, "d": 0, "e": 200_000_000_000}
    for name, seconds in times.items():
        Image.new("L", (8, 8), ord(name)).save(root / "mine" / f"{name}.png")
        os.utime(root / "mine" / f"{name}.png", (seconds, seconds))
    history.refresh()
    found = [entry.path.stem for entry in history.recent(9)]
    assert found == ["e", "c", "b", "a", "d"]
    assert history.rebuild() == 5
    assert [entry.path.stem for entry in history.recent(9)] == found
    first = history.search(Query(), 2)
    assert [entry.saved.path.stem for entry in history.search(Query(), 9, first.after).entries] == found[2:]


@pytest.mark.parametrize("way", ["refresh", "folders", "rebuild"])
def test_a_picture_saved_while_the_folders_are_looked_at_stays(
    root: Path, history: History, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Saved and noted after its folder was listed, before the index is compared with the list."""
    saved = fill(root)
    late: list[SavedImage] = []
    original = history_module._files

    def listed(*arguments: Any) -> Any:
        found = list(original(*arguments))
        if not late:
            late.append(ImageStore(root).save(results(REQUEST)[0]))
            history.add(late[0])
        return iter(found)

    monkeypatch.setattr(history_module, "_files", listed)
    if way == "folders":
        history.refresh_folders([folder for folder in walk(root) if folder.files])
    else:
        getattr(history, way)()
    assert late
    assert history.recent(9) == [late[0], *saved[::-1]]


def test_many_files_are_read_by_several_processes_into_the_same_index(
    root: Path, history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = fill(root)
    (root / "broken.png").write_bytes(b"no picture")
    monkeypatch.setattr(entries, "MANY", 1)
    monkeypatch.setattr(entries, "CORES", 2)
    monkeypatch.setattr(entries.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(history_module, "_STEP", 2)
    monkeypatch.setattr(entries, "_look_at", traced)
    assert history.rebuild() == 6
    assert history.recent(9) == saved[::-1]
    readers = {int(line) for line in (root / "readers").read_text().split()}
    assert len(readers) >= 1
    assert os.getpid() not in readers


def traced(root: Path, paths: list[Path]) -> list[entries.Entry]:
    with (root / "readers").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return [entry for path in paths if (entry := entries.look(root, path)) is not None]
