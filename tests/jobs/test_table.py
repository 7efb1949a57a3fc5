import sqlite3
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pipelines.errors import Note
from pipelines.shared_database import Database
from tests.refusals import refused
from webui.jobs.schema import SCHEMA
from webui.jobs.table import GRID, QUEUE_LIMIT, JobTable
from webui.lab.store import LabTable


@pytest.fixture
def jobs(tmp_path: Path) -> JobTable:
    return JobTable(Database(tmp_path / "jobs.sqlite3", SCHEMA))


def reopened(tmp_path: Path) -> JobTable:
    """A second program on the same file, as after a crash: nothing was closed."""
    return JobTable(Database(tmp_path / "jobs.sqlite3", SCHEMA))


def add(jobs: JobTable, name: str) -> str:
    return jobs.add("generate", {"prompt": name}, 1).id


def test_jobs_run_in_the_order_they_came(jobs: JobTable) -> None:
    ids = [add(jobs, name) for name in "abc"]
    taken = [jobs.take() for _ in ids]
    assert [job.id for job in taken if job] == ids
    assert jobs.take() is None


def test_position_counts_what_goes_before(jobs: JobTable) -> None:
    ids = [add(jobs, name) for name in "abc"]
    jobs.take()
    last = jobs.get(ids[2])
    assert last is not None
    assert jobs.queue_position(last) == 2
    jobs.finish(ids[0], "done")
    assert jobs.queue_position(last) == 1


def test_a_waiting_job_is_cancelled_once(jobs: JobTable) -> None:
    job_id = add(jobs, "a")
    assert jobs.cancel_queued(job_id)
    assert not jobs.cancel_queued(job_id)
    assert jobs.take() is None


@pytest.mark.fault(9)
def test_after_a_crash_running_jobs_wait_again_at_their_old_place(jobs: JobTable, tmp_path: Path) -> None:
    first, second = add(jobs, "a"), add(jobs, "b")
    jobs.take()
    jobs.advance(first, 3)
    after = reopened(tmp_path)
    after.recover()
    taken = after.take()
    assert taken is not None
    assert (taken.id, taken.next_batch, taken.attempts) == (first, 3, 2)
    assert [job.id for job in after.unfinished()] == [first, second]


def test_an_end_of_the_program_is_nothing_against_a_job(jobs: JobTable, tmp_path: Path) -> None:
    first = add(jobs, "a")
    for times in range(1, 8):
        taken = reopened(tmp_path).take()
        assert taken is not None
        assert (taken.id, taken.attempts, taken.deaths) == (first, times, 0)
        reopened(tmp_path).recover()
    jobs.take()
    jobs.advance(first, 1)
    jobs.recover()
    taken = jobs.take()
    assert taken is not None
    assert taken.attempts == 2  # what came of it in between counts


def test_a_job_whose_worker_died_waits_at_its_old_place(jobs: JobTable) -> None:
    first, _second = add(jobs, "a"), add(jobs, "b")
    taken = jobs.take()
    assert taken is not None
    for _ in range(2):  # said twice, counted once
        jobs.requeue(taken)
    again = jobs.take()
    assert again is not None
    assert (again.id, again.deaths) == (first, 1)


def test_a_job_that_was_taken_without_anybody_knowing_is_taken_again(jobs: JobTable) -> None:
    first, second = add(jobs, "a"), add(jobs, "b")
    jobs.take()  # and then the disk failed to say so
    taken = jobs.take(at_work=[])
    assert taken is not None
    assert taken.id == first
    taken = jobs.take(at_work=[first])
    assert taken is not None
    assert taken.id == second


def test_closing_the_program_is_no_attempt(jobs: JobTable) -> None:
    first = add(jobs, "a")
    for _ in range(5):
        taken = jobs.take()
        assert taken is not None
        jobs.pause(taken)
    jobs.recover()
    job = jobs.get(first)
    assert job is not None
    assert (job.state, job.attempts) == ("queued", 0)


def test_images_come_back_by_place(jobs: JobTable) -> None:
    job_id = add(jobs, "a")
    jobs.add_image(job_id, 1, {"path": "星.png"})
    jobs.add_image(job_id, GRID, {"path": "grid.png"})
    jobs.add_image(job_id, 0, {"path": "first.png"})
    assert jobs.images(job_id) == {GRID: {"path": "grid.png"}, 0: {"path": "first.png"}, 1: {"path": "星.png"}}


@pytest.mark.fault(17)
def test_the_full_queue_refuses_all_of_a_set_and_keeps_what_it_has(jobs: JobTable) -> None:
    jobs.add_many([("generate", {}, 1)] * (QUEUE_LIMIT - 1))
    with refused("queue", "queue_full", limit=QUEUE_LIMIT, waiting=QUEUE_LIMIT - 1, value=2):
        jobs.add_many([("generate", {}, 1)] * 2)
    assert len(jobs.unfinished()) == QUEUE_LIMIT - 1


@pytest.mark.fault(17)
def test_five_hundred_jobs_are_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one waits for the disk: five hundred of them would be seconds."""
    database, begun = Database(tmp_path / "jobs.sqlite3", SCHEMA), 0
    transaction = database.transaction

    def counted() -> AbstractContextManager[sqlite3.Connection]:
        nonlocal begun
        begun += 1
        return transaction()

    monkeypatch.setattr(database, "transaction", counted)
    jobs = JobTable(database)
    assert len(jobs.add_many([("generate", {"prompt": "x" * 3000}, 1)] * 500)) == 500
    assert begun == 1


def test_a_failed_transaction_leaves_nothing(jobs: JobTable, tmp_path: Path) -> None:
    database = Database(tmp_path / "other.sqlite3", SCHEMA)
    table = JobTable(database)
    insert = "INSERT INTO jobs (id, kind, state, payload, images) VALUES ('same', 'generate', 'queued', '{}', 1)"

    def twice() -> None:
        with database.transaction() as connection:
            connection.execute(insert)
            connection.execute(insert)

    with pytest.raises(sqlite3.IntegrityError):
        twice()
    assert table.unfinished() == []
    add(table, "next works")


def test_two_threads_never_take_the_same_job(jobs: JobTable) -> None:
    jobs.add_many([("generate", {}, 1)] * 60)
    taken: list[str] = []

    def take() -> None:
        while (job := jobs.take()) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 60


def test_old_finished_jobs_are_forgotten_and_nothing_else(jobs: JobTable, tmp_path: Path) -> None:
    ids = [add(jobs, str(number)) for number in range(6)]
    for _ in range(4):
        job = jobs.take()
        assert job is not None
        jobs.add_image(job.id, 0, {"path": "a.png"})
        jobs.finish(job.id, "done")
    database = Database(tmp_path / "jobs.sqlite3", SCHEMA)
    LabTable(database).set_job(LabTable(database).add("unfinished", "{}", 1), 0, ids[0])
    assert jobs.prune(kept=2) == 1
    assert [jobs.get(one) is not None for one in ids] == [True, False, True, True, True, True]
    assert jobs.images(ids[1]) == {}
    assert len(jobs.images(ids[2])) == 1
    assert jobs.prune(kept=100) == 0


@pytest.mark.parametrize("text", ["{", "[1]", "null", "3", '"a"', ""])
@pytest.mark.parametrize("column", ["payload", "outcome"])
def test_a_damaged_row_is_an_empty_one(jobs: JobTable, tmp_path: Path, column: str, text: str) -> None:
    job_id = add(jobs, "a")
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as connection:
        connection.execute(f"UPDATE jobs SET {column} = ?", (text,))
    taken = jobs.take()
    assert taken is not None
    assert taken.id == job_id
    assert not getattr(taken, column)


def test_a_damaged_error_is_told_as_it_stands(jobs: JobTable, tmp_path: Path) -> None:
    job_id = add(jobs, "a")
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as connection:
        connection.execute("UPDATE jobs SET error = '{broken'")
    job = jobs.get(job_id)
    assert job is not None
    assert job.error == Note("text", text="{broken")


def test_what_was_asked_for_of_late_is_of_runs_that_were_made(jobs: JobTable) -> None:
    wishes = [
        ("generate", {"prompt": "first", "negative_prompt": "dim"}),
        ("preview", {"request": {"prompt": "a card"}}),
        ("generate", {"prompt": "failed"}),
        ("generate", {"prompt": None}),
        ("generate", {"prompt": "last"}),
    ]
    for job in jobs.add_many([(kind, payload, 1) for kind, payload in wishes]):
        jobs.finish(job.id, "failed" if job.payload.get("prompt") == "failed" else "done")
    jobs.add("generate", {"prompt": "waits"}, 1)
    assert [prompts for _at, *prompts in jobs.asked(9)] == [["last", ""], ["", ""], ["first", "dim"]]
    assert len(jobs.asked(2)) == 2
