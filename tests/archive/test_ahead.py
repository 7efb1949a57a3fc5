"""Thumbnails made before anybody looks: of the newest, one after the other, and only while nothing else runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.types import Batch, GenerationRequest, GenerationResult, OnProgress, Progress
from webui.archive.ahead import Ahead
from webui.archive.history import History
from webui.archive.thumbnails import Thumbnails
from webui.kept.settings import Settings
from webui.parts import build_parts

pytestmark = pytest.mark.lengthy

PATIENCE = 60.0  # seconds; busy machines are slow


class Folder:
    """Pictures by hand, and what was made of them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "outputs"
        self.root.mkdir()
        self.history = History(folder / "history.sqlite", self.root)
        self.thumbnails = Thumbnails(folder / "thumbs.sqlite")
        self.asked = 0
        self.idle_for = 1000  # questions
        self.number = 0

    def picture(self, name: str) -> Path:
        self.number += 1
        Image.new("RGB", (8, 8)).save(self.root / name)
        os.utime(self.root / name, (self.number * 1000, self.number * 1000))  # the next one is newer
        return self.root / name

    def idle(self) -> bool:
        self.asked += 1
        return self.asked <= self.idle_for

    def ahead(self, limit: int = 100) -> Ahead:
        return Ahead(self.history, self.thumbnails, self.idle, limit=limit)

    def made(self) -> list[str]:
        rows = self.thumbnails._database.execute("SELECT path FROM thumbs ORDER BY number")
        return [Path(path).name for (path,) in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    found = Folder(tmp_path)
    yield found
    found.thumbnails.close()
    found.history.close()


def test_the_newest_first_and_no_more_than_its_limit(folder: Folder) -> None:
    for name in ("a.png", "b.png", "c.png"):
        folder.picture(name)
    folder.history.refresh()
    folder.ahead(limit=2).look()
    assert folder.made() == ["c.png", "b.png"]


def test_nothing_while_something_else_runs_and_on_from_there_later(folder: Folder) -> None:
    for name in ("a.png", "b.png", "c.png"):
        folder.picture(name)
    folder.history.refresh()
    ahead = folder.ahead()
    folder.idle_for = 0
    ahead.look()
    assert folder.made() == []
    folder.asked, folder.idle_for = 0, 2  # at the beginning, before the first picture; then something comes
    ahead.look()
    assert folder.made() == ["c.png"]
    folder.idle_for = 1000
    ahead.look()
    assert folder.made() == ["c.png", "b.png", "a.png"]


def test_what_comes_later_is_noticed_and_otherwise_it_does_not_look(folder: Folder) -> None:
    folder.picture("a.png")
    folder.history.refresh()
    ahead = folder.ahead()
    ahead.look()
    asked = folder.asked
    ahead.look()
    assert folder.asked == asked
    folder.picture("b.png")
    folder.history.refresh()
    ahead.look()
    assert folder.made() == ["a.png", "b.png"]


def test_a_broken_file_stops_nothing(folder: Folder) -> None:
    folder.picture("a.png")
    broken = folder.picture("b.png")
    folder.history.refresh()
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    ahead = folder.ahead()
    ahead.look()
    assert folder.made() == ["a.png"]


class HeldEngine(FakeEngine):
    """Waits in the middle of a run while `held`."""

    held = True

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        while self.held:
            on_progress(Progress(stage="loading"))
            time.sleep(0.01)
        return super().generate(batch, on_progress)


def test_the_program_makes_none_during_a_run_and_all_after_it(tmp_path: Path) -> None:
    engine = HeldEngine()
    settings = Settings(output_dir=tmp_path / "outputs", data_dir=tmp_path / "data", engine="fake")
    with build_parts(settings, engine, tmp_path / "data") as parts:

        def made() -> int:
            (count,) = parts.thumbnails._database.execute("SELECT count(*) FROM thumbs").fetchone()
            return int(count)

        (tmp_path / "outputs" / "mine").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "outputs" / "mine" / "before.png")
        parts.service.start()
        parts.history.refresh()
        job = parts.service.submit(GenerationRequest(prompt="a star", width=64, height=64, steps=1, batch_size=2))
        parts.ahead.look()
        assert made() == 0
        engine.held = False
        wait(lambda: parts.service.unfinished() == [])
        parts.ahead.look()
        assert made() == 4  # the one by hand, the two and their grid
        status = parts.service.status(job)
        assert status is not None
        assert len(status.saved) == 2


def test_its_thread_ends_when_it_is_told_to(folder: Folder) -> None:
    folder.picture("a.png")
    folder.history.refresh()
    ahead = Ahead(folder.history, folder.thumbnails, folder.idle, period=0.01)
    ahead.start()
    wait(lambda: folder.made() == ["a.png"])
    ahead.close()
    assert not ahead._thread.is_alive()


def wait(so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < until
        time.sleep(0.01)
