"""The newest picture is the one that was made last, whatever clocks say, and the files alone tell nearly the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.types import GenerationRequest
from tests.archive.helpers import NOON, results, tiles
from webui.archive.history import History
from webui.archive.search import Query
from webui.archive.store import ImageStore, SavedImage, Saving


class Archive:
    """Pictures whose seeds count up as they are made, by a clock that is set at will."""

    def __init__(self, folder: Path, pattern: str = "[number]-[seed]_[prompt]") -> None:
        self.now, self.seed = NOON, 70_000
        self.store = ImageStore(folder / "outputs", saving=Saving(pattern=pattern), clock=lambda: self.now)
        self.data = folder / "data"
        self.history = self.opened("history")

    def opened(self, name: str) -> History:
        return History(self.data / f"{name}.sqlite", self.store.root, None, self.store.number_in)

    def save(self) -> SavedImage:
        self.seed += 1
        asked = GenerationRequest(prompt="a red star", seed=self.seed, batch_size=1, steps=1, width=64, height=64)
        return self.store.save(results(asked)[0])

    def make(self, count: int, note: bool = True) -> None:
        for _ in range(count):
            self.now += timedelta(seconds=1)
            saved = self.save()
            if note:
                self.history.add(saved)
            newest = seeds(self.history, limit=1)
            assert not note or newest == [self.seed]  # a picture just made is always first

    def rebuilt(self) -> list[int]:
        """From the files alone."""
        with closing(self.opened("other")) as other:
            other.refresh()
            found = seeds(other)
            other.rebuild()
            assert seeds(other) == found
            return found


def seeds(history: History, limit: int = 99, **asked: object) -> list[int]:
    return [entry.saved.seed for entry in history.search(Query(**asked), limit).entries]  # type: ignore[arg-type]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    found = Archive(tmp_path)
    yield found
    found.history.close()


def made(archive: Archive) -> list[int]:
    """Newest first."""
    return list(range(archive.seed, 70_000, -1))


def test_usual_clocks(archive: Archive) -> None:
    for _ in range(3):
        archive.make(3)
        archive.now += timedelta(days=1)
    assert seeds(archive.history) == archive.rebuilt() == made(archive)


@pytest.mark.fault(33)
@pytest.mark.parametrize("back", [timedelta(minutes=1), timedelta(hours=3)])
def test_a_clock_set_back_within_a_day(archive: Archive, back: timedelta) -> None:
    archive.make(5)
    archive.now -= back
    archive.make(5)
    archive.now += 2 * back
    archive.make(5)
    assert seeds(archive.history) == archive.rebuilt() == made(archive)
    assert seeds(archive.history, sort="oldest") == made(archive)[::-1]


@pytest.mark.fault(33)
def test_a_clock_that_was_years_ahead(archive: Archive) -> None:
    archive.now += timedelta(days=900)
    archive.make(4)
    archive.now = NOON
    archive.make(4)
    archive.now += timedelta(days=1)
    archive.make(2)
    assert seeds(archive.history) == made(archive)
    archive.history.refresh()  # it finds nothing new
    assert seeds(archive.history) == made(archive)


def test_days_are_those_of_the_pictures_times(archive: Archive) -> None:
    """Not of the numbers, which may be those of another day."""
    archive.now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    archive.make(2)
    archive.now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    archive.make(2)
    first, second, third, fourth = range(70_001, 70_005)
    for words in ("", "star"):
        day = {"since": date(2026, 11, 20), "until": date(2026, 11, 20), "words": words}
        assert seeds(archive.history, **day) == [fourth, third]
        assert archive.history.count(Query(**day)) == 2  # type: ignore[arg-type]
        day = {"since": date(2026, 11, 25), "until": date(2026, 11, 25), "words": words}
        assert seeds(archive.history, **day) == [second, first]
        assert seeds(archive.history, until=date(2026, 11, 24), words=words) == [fourth, third]
        assert seeds(archive.history, since=date(2026, 11, 21), words=words) == [second, first]


def test_a_page_goes_on_where_it_ended(archive: Archive) -> None:
    archive.make(3)
    archive.now -= timedelta(hours=1)
    archive.make(3)
    found, after = list[int](), None
    while True:
        page = archive.history.search(Query(), 2, after)
        found += [entry.saved.seed for entry in page.entries]
        if (after := page.after) is None:
            break
    assert found == made(archive)


def test_a_grid_stands_behind_its_last_picture(archive: Archive) -> None:
    """Though it has its first one's number."""
    archive.make(1)
    asked = GenerationRequest(prompt="a red star", seed=5, batch_size=3, steps=1, width=64, height=64)
    run = results(asked)
    saved = []
    for one in run:
        archive.now += timedelta(seconds=1)
        saved.append(archive.store.save(one))
        archive.history.add(saved[-1])
    archive.now += timedelta(seconds=1)
    grid = archive.store.save_grid(run[0], tiles(run), beside=saved[0])
    assert grid is not None
    archive.history.add(grid)
    archive.make(1)
    kinds = [entry.saved.kind for entry in archive.history.search(Query(), 9).entries]
    assert kinds == ["image", "grid", "image", "image", "image", "image"]
    with closing(archive.opened("other")) as other:
        other.refresh()
        assert [entry.saved.kind for entry in other.search(Query(), 9).entries] == kinds
        assert [one.seed for one in other.recent(9)] == [one.seed for one in archive.history.recent(9)]


def test_a_seed_in_front_is_no_number(tmp_path: Path) -> None:
    """Names of an earlier pattern are read with the present one: then the times count."""
    early = Archive(tmp_path, pattern="[seed]-[number]")
    early.seed = 90_000
    early.make(2)
    early.seed = 80_000  # seeds go down, times do not
    early.make(2)
    early.history.close()
    late = Archive(tmp_path)
    with closing(late.history):
        assert late.rebuilt() == [80_002, 80_001, 90_002, 90_001]


def test_what_another_program_has_just_made_is_first_too(archive: Archive) -> None:
    """With the same clock, which was set back for both."""
    archive.now = datetime.now(UTC) + timedelta(days=2)
    archive.make(2)
    archive.now = datetime.now(UTC) - timedelta(seconds=2)
    archive.make(2, note=False)
    archive.history.refresh()
    assert seeds(archive.history) == made(archive)


def test_an_old_picture_that_comes_late_is_not_the_newest(archive: Archive) -> None:
    archive.make(1)
    archive.now += timedelta(hours=1)
    archive.make(1, note=False)
    archive.now += timedelta(hours=1)
    archive.make(1)
    archive.history.refresh()
    assert seeds(archive.history) == made(archive)


def test_the_end_of_time(archive: Archive) -> None:
    """A file of the farthest future does not keep others out."""
    archive.now = datetime(9000, 1, 1, tzinfo=UTC)
    archive.make(1)
    archive.history._database.execute("UPDATE images SET number = ?", (2**63 - 1,))
    archive.now = NOON
    saved = archive.save()
    archive.history.add(saved)
    assert set(seeds(archive.history)) == set(made(archive))
    archive.history.add(replace(saved, prompt="again"))
    assert len(seeds(archive.history)) == 2
