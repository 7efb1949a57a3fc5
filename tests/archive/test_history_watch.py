"""Files that people add, move, change and delete by hand."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from webui.archive import history as history_module
from webui.archive.history import History
from webui.archive.search import Query
from webui.archive.watch import Watcher


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[History, Watcher, Path]]:
    root = tmp_path / "outputs"
    (root / "mine").mkdir(parents=True)
    picture(root / "mine" / "first.png")
    history = History(tmp_path / "history.sqlite", root)
    watcher = Watcher(history)
    watcher.look()
    yield history, watcher, root
    history.close()


def picture(path: Path) -> None:
    Image.effect_noise((16, 16), 50).save(path)


def names(history: History) -> set[str]:
    """What the index says, whether the files are there or not."""
    return {
        path for (path,) in history._reader.execute("SELECT path FROM images WHERE gone = 0 AND trashed = 0").fetchall()
    }


def test_files_come_and_go(watched: tuple[History, Watcher, Path]) -> None:
    history, watcher, root = watched
    assert names(history) == {"mine/first.png"}
    picture(root / "mine" / "second.png")
    watcher.look()
    assert names(history) == {"mine/first.png", "mine/second.png"}
    (root / "mine" / "first.png").unlink()
    picture(root / "top.png")
    watcher.look()
    assert names(history) == {"mine/second.png", "top.png"}


def test_two_files_within_one_tick_of_the_clock(watched: tuple[History, Watcher, Path]) -> None:
    history, watcher, root = watched
    folder = root / "mine"
    picture(folder / "second.png")
    stamp = folder.stat().st_mtime_ns
    watcher.look()
    picture(folder / "third.png")
    os.utime(folder, ns=(stamp, stamp))  # as a coarse file system has it
    watcher.look()
    assert "mine/third.png" in names(history)


def test_folders_come_move_and_go(watched: tuple[History, Watcher, Path]) -> None:
    history, watcher, root = watched
    (root / "new" / "deep").mkdir(parents=True)
    picture(root / "new" / "deep" / "a.png")
    watcher.look()
    assert names(history) == {"mine/first.png", "new/deep/a.png"}
    picture(root / "new" / "deep" / "b.png")
    watcher.look()
    assert "new/deep/b.png" in names(history)
    (root / "new").rename(root / "old")
    watcher.look()
    assert names(history) == {"mine/first.png", "old/deep/a.png", "old/deep/b.png"}
    shutil.rmtree(root / "old")
    watcher.look()
    assert names(history) == {"mine/first.png"}


def test_a_moved_picture_keeps_its_place_in_the_order(watched: tuple[History, Watcher, Path]) -> None:
    history, watcher, root = watched
    picture(root / "mine" / "second.png")
    watcher.look()
    (root / "mine" / "first.png").rename(root / "renamed.png")
    watcher.look()
    order = [entry.saved.path.name for entry in history.search(Query(), 9).entries]
    assert order == ["second.png", "renamed.png"]


def test_a_picture_written_over_is_read_again(watched: tuple[History, Watcher, Path]) -> None:
    history, _, root = watched
    Image.new("RGB", (40, 30)).save(root / "mine" / "first.png")
    history.refresh()
    (entry,) = history.search(Query(), 9).entries
    assert (entry.saved.width, entry.saved.height) == (40, 30)


def test_an_unplugged_disk_loses_nothing(watched: tuple[History, Watcher, Path]) -> None:
    history, watcher, root = watched
    root.rename(root.with_name("away"))
    watcher.look()
    assert history.refresh() == 0
    assert history.search(Query(), 9).entries == ()
    root.with_name("away").rename(root)
    watcher.look()
    assert len(history.search(Query(), 9).entries) == 1


def test_quiet_folders_cost_no_reading(watched: tuple[History, Watcher, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    history, watcher, root = watched
    time.sleep(0.01)
    monkeypatch.setattr(history, "refresh", lambda: pytest.fail("looked at everything"))
    monkeypatch.setattr(history_module, "look", lambda *_: pytest.fail("read a file"))
    watcher.look()
    (root / "mine" / "first.png").touch()  # the folder's stamp stays
    watcher.look()


def test_the_thread_notices_by_itself(tmp_path: Path) -> None:
    root = tmp_path / "outputs"
    root.mkdir()
    history = History(tmp_path / "history.sqlite", root)
    watcher = Watcher(history, period=0.02)
    watcher.start()
    picture(root / "a.png")
    deadline = time.monotonic() + 20
    while not names(history) and time.monotonic() < deadline:
        time.sleep(0.02)
    watcher.close()
    assert names(history) == {"a.png"}
    history.close()
    Watcher(history).close()
