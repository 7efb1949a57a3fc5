"""Whatever fails below the queue - the database, the folder, the worker - it waits, tells, and goes on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines import database, shared_database
from pipelines.engines.fake import FakeEngine
from pipelines.errors import EngineAway, EngineLost, Note, StorageError, Unavailable
from pipelines.groups import InitImage
from pipelines.types import Batch, GenerationResult, OnProgress
from tests.jobs.test_service import Harness, done, harness, request, until
from webui.archive import metadata
from webui.archive.history import History
from webui.archive.store import ImageStore
from webui.jobs import trouble
from webui.jobs.board import Board
from webui.jobs.trouble import Trouble

pytestmark = pytest.mark.lengthy

__all__ = ["harness"]
MAIN = threading.main_thread()
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST", 0.005)
    monkeypatch.setattr(trouble, "LONGEST", 0.05)


class Failing(sqlite3.Connection):
    """Statements of the job table on other threads than the tests': from the `k`-th on, `times` of them fail, before
    or after they were done."""

    k, times, after = 0, 1, False
    seen = 0
    lock = threading.Lock()

    @classmethod
    def set(cls, k: int, times: int, after: bool) -> None:
        cls.k, cls.times, cls.after, cls.seen = k, times, after, 0

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # type: ignore[override]
        with Failing.lock:
            if threading.current_thread() is not MAIN:
                Failing.seen += 1
            hit = threading.current_thread() is not MAIN and 0 <= Failing.seen - Failing.k < Failing.times
        if hit and not Failing.after:
            raise sqlite3.OperationalError("database or disk is full")
        cursor = super().execute(statement, *values)
        if hit:
            cursor.close()  # as SQLite does with a statement that fails
            raise sqlite3.OperationalError("disk I/O error")
        return cursor


def failing_jobs(path: Any, **named: Any) -> sqlite3.Connection:
    name = Path(path).name
    return connect(path, **named, **({"factory": Failing} if name.startswith("jobs") else {}))


connect = sqlite3.connect


def places(folder: Path) -> Counter[tuple[str, int]]:
    """How often each picture of each job is there, grids too; every file is whole and says what it is."""
    found: Counter[tuple[str, int]] = Counter()
    for path in (folder / "outputs").glob("*/*/*.png"):
        record = metadata.read(path).record
        assert record is not None
        assert record.job is not None
        found[record.job] += 1
    return found


def once(job_ids: list[str], pictures: int) -> dict[tuple[str, int], int]:
    """Every picture once, and one grid."""
    return {(job, place): 1 for job in job_ids for place in (*range(pictures), *([-1] if pictures > 1 else []))}


@pytest.mark.fault(5)
@pytest.mark.lengthy
@pytest.mark.parametrize(("times", "after"), [(1, False), (1, True), (4, False)])
def test_an_error_of_the_database_at_every_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, after: bool
) -> None:
    monkeypatch.setattr(database.sqlite3, "connect", failing_jobs)
    k = 0
    while True:
        k += 1
        harness = Harness(tmp_path / str(k))
        Failing.set(0, 0, after)
        service = harness.start(FakeEngine())
        Failing.set(k, times, after)
        jobs = service.submit_many([request(seed=7, batches=2), request(seed=20, batch_size=2), request(seed=30)])
        for job in jobs:
            done(service, job)
        states = [status.state for job in jobs if (status := service.status(job)) is not None]
        reached = Failing.seen >= k
        service.close()
        assert states == ["done"] * 3, k
        assert places(tmp_path / str(k)) == {**once(jobs[:2], 2), **once(jobs[2:], 1)}, k
        shutil.rmtree(tmp_path / str(k))
        if not reached:
            break
    assert k > 60


@pytest.mark.fault(5)
def test_a_full_disk_of_the_queue_is_told_and_waited_for(harness: Harness) -> None:
    """SQLite's own error, for a file that may not grow any more."""
    service = harness.start()
    line = service._jobs._database._writer
    with line.use() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    submitted: list[str] = []

    def fill() -> None:
        for seed in range(200):
            submitted.append(service.submit(request(seed=seed, prompt="a red star " * 40)))

    with pytest.raises(Unavailable) as caught:
        fill()
    assert caught.value.note.code == "database_full"
    status = until(service, submitted[-1], lambda status: status.finished or status.held is not None)
    if not status.finished:
        assert status.held is not None
        assert status.held.code == "database_full"
    with line.use() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    service.try_again()
    assert {done(service, job).state for job in submitted} == {"done"}
    assert places(harness.folder) == once(submitted, 1)


def test_a_database_that_another_program_holds_is_waited_for(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_database, "HELD", 0.05)
    service = harness.start(FakeEngine(seconds_per_step=0.01))
    job = service.submit(request(seed=7, batches=3, steps=10))
    until(service, job, lambda status: status.step > 0)
    other = sqlite3.connect(harness.folder / "jobs.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    status = until(service, job, lambda status: status.held is not None)
    assert status.held == Note("database_busy", file=str(harness.folder / "jobs.sqlite3"))
    other.execute("ROLLBACK")
    other.close()
    status = done(service, job)
    assert (status.state, status.held) == ("done", None)
    assert places(harness.folder) == once([job], 3)


class Gone:
    """The outputs folder, which may be away for a while."""

    def __init__(self, harness: Harness) -> None:
        self.there, self.away = harness.folder / "outputs", harness.folder / "elsewhere"

    def go(self) -> None:
        self.there.rename(self.away)

    def come(self) -> None:
        self.away.rename(self.there)


@pytest.mark.fault(6)
def test_a_folder_that_is_gone_holds_the_queue_and_loses_nothing(harness: Harness) -> None:
    engine, folder = FakeEngine(seconds_per_step=0.005), Gone(harness)
    service = harness.start(engine)
    jobs = service.submit_many([request(seed=seed, batches=9, steps=4) for seed in range(0, 30, 10)])
    until(service, jobs[0], lambda status: status.image >= 1)
    folder.go()
    status = until(service, jobs[0], lambda status: status.held is not None)
    assert status.held == Note("folder_gone", folder=str(folder.there / "txt2img")) or status.held is not None
    time.sleep(0.3)  # many tries
    made = len(engine.batches)
    assert made <= 6  # no more than two batches are made that cannot be saved
    assert [service.status(job).state for job in jobs] == ["running"] + ["queued"] * 2  # type: ignore[union-attr]
    folder.come()
    service.try_again()
    assert {done(service, job).state for job in jobs} == {"done"}
    assert places(harness.folder) == {key: 1 for job in jobs for key in once([job], 9)}
    assert len(engine.batches) == 27  # nothing was computed twice
    assert len(service.recent(99)) == 30  # the index knows them all, the grids too


@pytest.mark.fault(6)
def test_nothing_is_computed_for_a_folder_that_is_gone(harness: Harness) -> None:
    engine, folder = FakeEngine(), Gone(harness)
    first = harness.start(run=False)
    picture = ImageStore(harness.folder / "outputs")  # its inputs lie in the folder that goes
    assert picture.root.is_dir()
    from PIL import Image

    jobs = first.submit_many(
        [request(seed=seed, init=InitImage(image=Image.new("RGB", (64, 64)), strength=0.5)) for seed in range(5)]
    )
    service = harness.start(engine, run=False)
    folder.go()
    harness.services.append(service)
    service._jobs.recover()
    service._keeper.start()
    for runner in service._runners:
        runner.start()
    status = until(service, jobs[0], lambda status: status.held is not None)
    assert status.held is not None
    assert status.held.code == "folder_gone"
    assert engine.batches == []
    folder.come()
    service.try_again()
    assert {done(service, job).state for job in jobs} == {"done"}


@pytest.mark.fault(6)
def test_what_could_not_be_saved_outlives_the_program(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Gone(harness)
    engine = FakeEngine(seconds_per_step=0.005)
    service = harness.start(engine)
    job, behind = service.submit_many([request(seed=7, batches=5, steps=4), request(seed=50)])
    until(service, job, lambda status: status.image >= 1)
    folder.go()
    until(service, job, lambda status: status.held is not None)
    service.close()
    harness.services.clear()
    waiting = sorted((harness.folder / "waiting").iterdir())
    assert waiting
    made = len(engine.batches)
    folder.come()
    put = ImageStore.put

    def slowly(self: ImageStore, file: Any) -> Any:
        time.sleep(0.3)  # a run that does not wait for it makes these pictures again
        return put(self, file)

    monkeypatch.setattr(ImageStore, "put", slowly)
    after = FakeEngine()
    service = harness.start(after)
    assert done(service, job).state == "done"
    assert done(service, behind).state == "done"
    assert places(harness.folder) == {**once([job], 5), **once([behind], 1)}
    assert list((harness.folder / "waiting").iterdir()) == []
    assert len(after.batches) <= 6 - made + 1  # what had been made is not made again


def closed(harness: Harness) -> None:
    for service in harness.services:
        service.close()
    harness.services.clear()


def held_until_it_comes(harness: Harness, folder: Gone, job: str) -> None:
    """A start while the folder is away holds the queue and makes none in its place."""
    folder.go()
    harness.prepares = False
    service = harness.start()
    status = until(service, job, lambda status: status.held is not None)
    assert status.held == Note("folder_gone", folder=str(folder.there))
    assert not folder.there.exists()
    folder.come()
    service.try_again()
    assert done(service, job).state == "done"


def test_a_disk_unplugged_while_the_program_was_closed_is_not_made_anew(harness: Harness) -> None:
    folder = Gone(harness)
    service = harness.start(FakeEngine(seconds_per_step=0.005))
    job = service.submit(request(seed=7, batches=6, steps=4))
    until(service, job, lambda status: status.image >= 1)
    closed(harness)
    held_until_it_comes(harness, folder, job)
    assert places(harness.folder) == once([job], 6)


def test_what_is_no_picture_does_not_keep_the_others_waiting(harness: Harness) -> None:
    folder = Gone(harness)
    service = harness.start(FakeEngine(seconds_per_step=0.005))
    job = service.submit(request(seed=7, batches=5, steps=4))
    until(service, job, lambda status: status.image >= 1)
    folder.go()
    until(service, job, lambda status: status.held is not None)
    service.close()
    harness.services.clear()
    waiting = harness.folder / "waiting"
    assert list(waiting.iterdir())
    (waiting / f"{'0' * 32}-0.png").symlink_to(harness.folder / "nothing")
    (waiting / f"{'0' * 32}-1.png").write_bytes(b"no picture")
    (waiting / f"{'0' * 32}-2.png").mkdir()
    folder.come()
    service = harness.start()
    assert done(service, job).state == "done"
    assert places(harness.folder) == once([job], 5)
    assert sorted(file.name[-6:] for file in waiting.iterdir()) == ["-0.png", "-1.png", "-2.png"]


def test_a_data_folder_that_is_away_is_not_made_anew(harness: Harness, tmp_path: Path) -> None:
    folder, data = Gone(harness), tmp_path / "data"
    data.mkdir()
    harness.waiting = data / "waiting"
    service = harness.start(FakeEngine(seconds_per_step=0.005))
    job = service.submit(request(seed=7, batches=5, steps=4))
    until(service, job, lambda status: status.image >= 1)
    data.rename(tmp_path / "data away")
    folder.go()
    until(service, job, lambda status: status.held is not None)
    time.sleep(0.1)
    assert not data.exists()
    folder.come()
    service.try_again()
    assert done(service, job).state == "done"


def test_a_queue_whose_file_is_deleted_is_written_anew(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.01))
    first = service.submit(request(seed=7, batches=3, steps=10))
    file = harness.folder / "jobs.sqlite3"
    until(service, first, lambda status: status.step > 0)
    file.unlink()
    with contextlib.suppress(Unavailable):  # refused, unless the run has found it gone before
        service.submit(request(seed=70))
    second = service.submit(request(seed=20))
    assert done(service, first).state == "done"
    assert done(service, second).state == "done"
    with contextlib.closing(sqlite3.connect(file)) as look:
        rows = look.execute("SELECT id, state FROM jobs").fetchall()
    assert {(first, "done"), (second, "done")} <= set(rows)


def test_a_queue_whose_file_is_replaced_is_held_and_takes_no_more(harness: Harness, tmp_path: Path) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.01))
    job = service.submit(request(seed=7, batches=30, steps=10))
    until(service, job, lambda status: status.step > 0)
    file = harness.folder / "jobs.sqlite3"
    (tmp_path / "other").write_bytes(file.read_bytes())
    file.rename(tmp_path / "real")
    (tmp_path / "other").rename(file)
    with pytest.raises(Unavailable) as caught:
        service.submit(request(seed=70))
    assert caught.value.note == Note("database_replaced", file=str(file))
    end = time.monotonic() + 20
    while service.board.held is None and time.monotonic() < end:
        time.sleep(0.01)
    assert service.board.held == caught.value.note
    file.unlink()
    (tmp_path / "real").rename(file)
    service.try_again()
    assert until(service, job, lambda status: status.held is None).state == "running"
    service.cancel(job)
    assert done(service, job).state == "cancelled"


def test_cancelling_all_stops_what_runs_though_the_database_is_held(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_database, "HELD", 0.05)
    engine = FakeEngine(seconds_per_step=0.01)
    service = harness.start(engine)
    job = service.submit(request(seed=7, batches=1, steps=150))
    until(service, job, lambda status: status.step > 0)
    other = sqlite3.connect(harness.folder / "jobs.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        service.cancel_all()
    other.execute("ROLLBACK")
    other.close()
    status = done(service, job)
    assert (status.state, status.saved) == ("cancelled", ())


def test_a_cancelled_run_keeps_what_it_had_made(harness: Harness) -> None:
    folder = Gone(harness)
    service = harness.start(FakeEngine(seconds_per_step=0.005))
    job = service.submit(request(seed=7, batches=50, steps=4))
    until(service, job, lambda status: status.image >= 1)
    folder.go()
    until(service, job, lambda status: status.held is not None)
    service.cancel(job)
    status = done(service, job)
    assert status.state == "cancelled"
    before = status.image
    folder.come()
    service.try_again()
    after = until(service, job, lambda status: status.image > before)
    assert len(after.saved) == len(places(harness.folder))


def test_a_picture_that_was_saved_though_the_disk_said_no_is_not_saved_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, failures = ImageStore.save, [1, 2, 3]

    def saving(self: ImageStore, result: GenerationResult, job: metadata.Job | None = None) -> Any:
        saved = save(self, result, job)
        if failures:
            failures.pop()
            raise Unavailable("folder_failed", reason="x", folder="y")
        return saved

    monkeypatch.setattr(ImageStore, "save", saving)
    service = harness.start()
    job = service.submit(request(seed=7, batches=4))
    assert done(service, job).state == "done"
    assert failures == []
    assert places(harness.folder) == once([job], 4)


def test_a_picture_that_is_refused_for_good_does_not_hold_up_the_others(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = ImageStore.save

    def saving(self: ImageStore, result: GenerationResult, job: metadata.Job | None = None) -> Any:
        if result.request.seed == 8:
            raise StorageError("folder_path_too_long", folder="x")
        return save(self, result, job)

    monkeypatch.setattr(ImageStore, "save", saving)
    service = harness.start()
    job, other = service.submit_many([request(seed=7, batches=3), request(seed=20)])
    status = done(service, job)
    assert (status.state, status.error) == ("failed", Note("folder_path_too_long", folder="x"))
    assert done(service, other).state == "done"


def test_no_job_fails_because_of_the_index(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: History, saved: object) -> None:
        raise StorageError("index_failed", reason="malformed", folder="x")

    add = History.add
    monkeypatch.setattr(History, "add", broken)
    service = harness.start()
    assert done(service, service.submit(request(seed=7, batches=2))).state == "done"
    monkeypatch.setattr(History, "add", add)
    service._history.refresh()
    assert len(service.recent(9)) == 3


@pytest.mark.lengthy
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_every_operation_loses_nothing_and_makes_nothing_twice(tmp_path: Path) -> None:
    """Of files, of the job table and of the index, from the start of the queue to its end."""
    command = [sys.executable, "-m", "tests.jobs.dying", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=True)
    kills, status = map(int, ran.stdout.split())
    assert (kills > 60, status) == (True, 0), ran.stderr
    for k in range(1, kills + 1):
        folder = tmp_path / f"{k:04d}"
        killed = Harness(folder)
        service = killed.start()
        jobs = [job.id for job in service.unfinished()]
        for job in jobs:
            assert done(service, job).state == "done", k
        rows = sqlite3.connect(folder / "jobs.sqlite3").execute("SELECT id, state FROM jobs ORDER BY number").fetchall()
        assert [state for _, state in rows] == ["done", "done"], k
        assert places(folder) == {**once([rows[0][0]], 2), **once([rows[1][0]], 1)}, k
        service.close()
        shutil.rmtree(folder)


# -- the worker ------------------------------------------------------------------------------------------------------


class Dying(FakeEngine):
    """Its worker dies in its first batches, after a step."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        if self.errors and len(self.batches) > 0:
            raise self.errors.pop(0)
        return super().generate(batch, on_progress)


ENDING = Note("exit_status", status=-9)


@pytest.mark.fault(9, 34)
def test_a_run_whose_worker_was_killed_is_tried_once_more(harness: Harness) -> None:
    service = harness.start(Dying(EngineLost("worker_ended", ending=ENDING)))
    job, other = service.submit_many([request(seed=7, batches=4), request(seed=20)])
    status = done(service, job)
    assert status.state == "done"
    assert status.warning == Note("worker_lost", why=Note("worker_ended", ending=ENDING))
    assert done(service, other).state == "done"
    assert places(harness.folder) == {**once([job], 4), **once([other], 1)}


@pytest.mark.fault(34)
def test_a_run_in_which_it_is_killed_again_fails_with_the_reason(harness: Harness) -> None:
    lost = EngineLost("worker_ended", ending=ENDING)
    service = harness.start(Dying(lost, lost, lost))
    job, other = service.submit_many([request(seed=7, batches=4), request(seed=20)])
    status = done(service, job)
    assert status.state == "failed"
    assert status.error == Note("worker_lost_again", times=2, why=lost.note)
    assert len(status.saved) == 1  # what was made before stays
    assert done(service, other).state == "failed" or done(service, other).state == "done"


@pytest.mark.fault(34)
def test_a_worker_that_does_not_come_up_holds_the_queue(harness: Harness) -> None:
    away = EngineAway("worker_ended", ending=ENDING)
    service = harness.start(Dying(*[away] * 40))
    job, other = service.submit_many([request(seed=7, batches=2), request(seed=20)])
    assert until(service, job, lambda status: status.held is not None).held == away.note
    assert done(service, job).state == "done"
    assert done(service, other).state == "done"


def test_who_asks_to_try_again_as_soon_as_it_is_told_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST", 3600.0)
    board, failures = Board(), [1, 2]
    tell = board.hold

    def hold(who: object, why: Note | None) -> None:
        tell(who, why)
        if why is not None:
            board.try_again()

    def act() -> str:
        if failures:
            raise Unavailable("folder_gone", folder=str(failures.pop()))
        return "done"

    monkeypatch.setattr(board, "hold", hold)
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(Trouble(board).surely(act, lambda: False)), daemon=True)
    thread.start()
    thread.join(20)
    assert ended == ["done"]


@pytest.mark.fault(34)
@pytest.mark.parametrize(("error", "times"), [(EngineLost, 1), (EngineAway, 5)])
def test_pictures_are_made_again_although_the_worker_dies(
    harness: Harness, error: type[EngineLost], times: int
) -> None:
    """What killed a worker is no verdict on a picture."""
    engine = Dying()
    service = harness.start(engine)
    made = done(service, service.submit(request(seed=7, batches=3)))
    engine.errors += [error("worker_ended", ending=ENDING)] * times
    status = done(service, service.submit_again(*(saved.path for saved in made.saved)))
    assert status.state == "done"
    assert [report.identical for report in status.reports] == [True] * 3


def test_a_job_that_ends_the_program_again_and_again_asks_first(harness: Harness) -> None:
    job = harness.start(run=False).submit(request(seed=7))
    table = harness.start(run=False)._jobs
    for _ in range(5):
        table.take()
        table.recover()
    engine = FakeEngine()
    service = harness.start(engine)
    status = until(service, job, lambda status: status.held is not None)
    assert status.held == Note("ended_often", times=5)
    assert engine.batches == []
    service.try_again()
    assert done(service, job).state == "done"


def test_a_folder_that_only_waiting_jobs_know_of_is_not_made_anew(harness: Harness) -> None:
    """Its pictures were made by commands; what waits begins with some of them."""
    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    service = harness.start(run=False)
    job = service.submit(replace(request(seed=7, steps=4), init=InitImage(image=picture, strength=1.0)))
    closed(harness)
    held_until_it_comes(harness, Gone(harness), job)


def test_a_start_picture_is_waited_for_while_the_folder_is_away(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes between the look at the folder and the reading, as a disk may at any time."""
    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    folder = Gone(harness)
    service = harness.start(run=False)
    job = service.submit(replace(request(seed=7, steps=4), init=InitImage(image=picture, strength=1.0)))
    service.close()
    harness.services.clear()
    check, looks = ImageStore.check, []

    def check_and_go(store: ImageStore) -> None:
        check(store)
        if threading.current_thread() is not MAIN and not looks:
            looks.append(1)
            folder.go()

    monkeypatch.setattr(ImageStore, "check", check_and_go)
    service = harness.start()
    until(service, job, lambda status: status.held is not None)
    folder.come()
    service.try_again()
    assert done(service, job).state == "done"
