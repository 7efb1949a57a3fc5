"""Deleting, restoring, moving: no picture is ever lost or written over, and the index follows."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.errors import InvalidRequest
from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from webui.archive import numbers
from webui.archive.history import History
from webui.archive.search import Query
from webui.archive.store import ImageStore, SavedImage
from webui.archive.trash import Trash, folder_name


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[History, Trash, list[SavedImage]]]:
    store = ImageStore(tmp_path / "outputs")
    request = GenerationRequest(prompt="a star", seed=1, steps=1, width=64, height=64, batch_size=3)
    saved = [store.save(result) for result in results(request)]
    history = History(tmp_path / "data" / "history.sqlite", tmp_path / "outputs")
    history.refresh()
    yield history, Trash(history), saved
    history.close()


def shown(history: History, **asked: object) -> list[Path]:
    return [entry.saved.path for entry in history.search(Query(**asked), 50).entries]  # type: ignore[arg-type]


def files(root: Path) -> dict[bytes, str]:
    """Content -> place, of every file but those that keep numbers."""
    found = [path for path in root.rglob("*") if path.is_file() and path.parent.name != numbers.FOLDER]
    there = {path.read_bytes(): path.relative_to(root).as_posix() for path in found}
    assert len(there) == len(found)
    return there


def test_there_and_back(archive: tuple[History, Trash, list[SavedImage]]) -> None:
    history, trash, saved = archive
    before, order = files(history.root), shown(history)
    history.rate([saved[0].id], 3)
    done = trash.delete([saved[0].id, saved[1].id, "nothing"])
    assert done.problem is None
    assert set(done.places) == {saved[0].path, saved[1].path}
    assert shown(history) == [saved[2].path]
    assert sorted(shown(history, trashed=True)) == sorted(done.places.values())
    assert files(history.root).keys() == before.keys()
    inside = done.places[saved[0].path].relative_to(history.root).parts
    assert inside[0] == ".trash"
    assert Path(*inside[2:]) == saved[0].path.relative_to(history.root)
    history.rebuild()  # nothing of this lives in the index alone
    trashed = [entry.saved.id for entry in history.search(Query(trashed=True), 9).entries]
    assert len(trashed) == 2
    assert trash.restore(trashed).problem is None
    assert files(history.root) == before
    assert sorted(shown(history)) == sorted(order)
    assert shown(history, rating=3) == [saved[0].path]
    assert list((history.root / ".trash").glob("*")) == []


def test_a_restored_picture_has_its_old_place_in_the_order(archive: tuple[History, Trash, list[SavedImage]]) -> None:
    history, trash, saved = archive
    order = shown(history)
    trash.delete([saved[1].id])
    trash.restore([entry.saved.id for entry in history.search(Query(trashed=True), 9).entries])
    assert shown(history) == order


def test_a_place_taken_since_is_not_written_over(archive: tuple[History, Trash, list[SavedImage]]) -> None:
    history, trash, saved = archive
    first = saved[0].path.read_bytes()
    trash.delete([saved[0].id])
    saved[0].path.write_bytes(saved[1].path.read_bytes() + b"new")
    (entry,) = history.search(Query(trashed=True), 9).entries
    done = trash.restore([entry.saved.id])
    (place,) = done.places.values()
    assert place.name == f"{saved[0].path.stem} (2).png"
    assert place.read_bytes() == first
    assert saved[0].path.read_bytes().endswith(b"new")


def test_deleting_twice_and_restoring_what_is_there_does_nothing(
    archive: tuple[History, Trash, list[SavedImage]],
) -> None:
    history, trash, saved = archive
    assert trash.restore([saved[0].id]).places == {}
    trash.delete([saved[0].id])
    (entry,) = history.search(Query(trashed=True), 9).entries
    assert trash.delete([entry.saved.id]).places == {}
    assert trash.move([entry.saved.id], "best").places == {}


def test_moving(archive: tuple[History, Trash, list[SavedImage]]) -> None:
    history, trash, saved = archive
    order = [path.name for path in shown(history)]
    history.tag([saved[0].id], add=["x"])
    trash.move([saved[0].id], "best/红色")
    assert (history.root / "best" / "红色" / saved[0].path.name).is_file()
    assert not saved[0].path.exists()
    assert [path.name for path in shown(history)] == order
    assert shown(history, tag="x") == [history.root / "best" / "红色" / saved[0].path.name]
    assert shown(history, task="txt2img", sort="oldest")[0].parent.name == "红色"
    other = ImageStore(history.root).save(results(GenerationRequest(prompt="a star", seed=1, steps=1))[0])
    renamed = other.path.rename(other.path.with_name(saved[0].path.name))
    history.refresh()
    done = trash.move([history.identity(renamed)], "best/红色")
    assert done.places[renamed].name == f"{saved[0].path.stem} (2).png"
    assert sorted(one for one in history.folders() if one.startswith("best")) == ["best/红色"]


@pytest.mark.attack(14)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "..",
        "a/../b",
        "../x",
        ".trash",
        ".hidden",
        "inputs",
        "Inputs/x",
        "a:b",
        "a\\b",
        "con",
        "LPT1.x",
        "a\0b",
    ],
)
def test_folders_that_are_refused(archive: tuple[History, Trash, list[SavedImage]], text: str) -> None:
    history, trash, saved = archive
    before = files(history.root)
    with pytest.raises(InvalidRequest):
        trash.move([saved[0].id], text)
    assert files(history.root) == before


@pytest.mark.attack(14)
@pytest.mark.parametrize("text", ["x.", "a/b/c/d", "y" * 61, "a\nb", "a/ b"])
def test_folder_names_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        folder_name(text)
    assert str(folder_name(" x/y ")) == "x/y"  # blanks round the whole are the keyboard's


def test_emptying(archive: tuple[History, Trash, list[SavedImage]]) -> None:
    history, trash, saved = archive
    trash.delete([saved[0].id])
    trash.delete([saved[1].id])
    assert trash.empty([saved[2].id]) == 0
    first = history.search(Query(trashed=True), 9).entries[0]
    assert trash.empty([first.saved.id]) == 1
    assert trash.empty() == 1
    assert shown(history, trashed=True) == []
    assert shown(history) == [saved[2].path]
    assert list((history.root / ".trash").rglob("*")) == []


def test_a_file_that_cannot_be_taken_stays_and_is_not_doubled(
    archive: tuple[History, Trash, list[SavedImage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    history, trash, saved = archive
    before = files(history.root)
    unlink = os.unlink

    def held(path: object, **rest: object) -> None:
        if Path(str(path)) == saved[0].path:
            raise PermissionError(errno.EACCES, "held")
        unlink(path, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "unlink", held)
    done = trash.delete([saved[0].id])
    assert done.places == {}
    assert done.problem is not None
    monkeypatch.undo()
    assert files(history.root) == before
    assert len(shown(history)) == 3


def test_across_disks(archive: tuple[History, Trash, list[SavedImage]], monkeypatch: pytest.MonkeyPatch) -> None:
    history, trash, saved = archive
    before = files(history.root)
    link = os.link

    def far(source: Path, target: Path) -> None:
        if Path(source) == saved[0].path:
            raise OSError(errno.EXDEV, "another disk")
        link(source, target)

    monkeypatch.setattr(os, "link", far)
    done = trash.delete([saved[0].id])
    assert done.problem is None
    assert files(history.root).keys() == before.keys()
    assert not saved[0].path.exists()
