"""The queue as a list: every job of it, whoever asked, and the one that goes on."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.shared_database import Database
from pipelines.types import Batch, GenerationResult, OnProgress, Progress
from webui.jobs import table
from webui.jobs.schema import SCHEMA
from webui.jobs.status import JobStatus
from webui.jobs.table import QUEUE_LIMIT, JobTable

from .test_service import Harness, done, harness, request, until

__all__ = ["harness"]  # a fixture


class Held(FakeEngine):
    """Makes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        while not self.go.wait(0.01):
            on_progress(Progress(stage="loading"))  # raises when the job was ended
        return super().generate(batch, on_progress)


def running(status: JobStatus) -> bool:
    return status.state == "running"


def test_of_thirty_jobs_the_one_that_runs_is_current_and_the_first_of_the_list(harness: Harness) -> None:
    engine = Held()
    service = harness.start(engine)
    ids = [service.submit(request(prompt=f"star {number}", seed=1, batch_size=2)) for number in range(30)]
    until(service, ids[0], running)
    rows, total = service.queue(5)
    assert total == 30
    assert [(one.id, one.about, one.state) for one in rows[:2]] == [
        (ids[0], "star 0", "running"),
        (ids[1], "star 1", "queued"),
    ]
    assert [(one.kind, one.image, one.images) for one in rows] == [("txt2img", 0, 2)] * 5
    for first, next_one in pairwise(ids[:4]):
        current = service.current()
        assert current is not None
        assert (current.id, current.queue_behind) == (first, 29 - ids.index(first))
        service.cancel(current.id)
        assert done(service, first).state == "cancelled"
        until(service, next_one, running)
    assert service.cancel_all() == 27
    assert {done(service, one).state for one in ids} == {"cancelled"}
    assert service.queue(5) == ([], 0)
    assert service.current() is None


def test_an_experiment_has_none_that_is_current(harness: Harness) -> None:
    engine = Held()
    service = harness.start(engine)
    first = service.submit(request(seed=1))
    until(service, first, running)
    second = service.submit(request(seed=2))
    with service._jobs._database.transaction() as connection:
        connection.execute("INSERT INTO experiments (id, name, plan) VALUES ('x', 'x', '{}')")
        connection.execute("INSERT INTO experiment_cells (experiment_id, place, job_id) VALUES ('x', 0, ?)", (first,))
    current = service.current()
    assert current is not None
    assert current.id == second
    assert [one.id for one in service.queue(5)[0]] == [first, second]
    engine.go.set()
    done(service, second)


def test_pictures_made_again_are_listed_with_the_first_ones_name(harness: Harness) -> None:
    engine = Held()
    engine.go.set()
    service = harness.start(engine)
    (saved,) = done(service, service.submit(request(seed=1))).saved
    engine.go.clear()
    job = service.submit_again(saved.path)
    until(service, job, running)
    ((row,), total) = service.queue(5)
    assert (row.kind, row.about, row.image, row.images, total) == ("again", saved.path.name, 0, 1, 1)
    engine.go.set()
    done(service, job)


@pytest.mark.fault(17)
def test_ten_thousand_jobs_cost_a_look_no_more_than_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = JobTable(Database(tmp_path / "jobs.sqlite3", SCHEMA))
    jobs.add_many([("generate", {"prompt": str(number)}, 1) for number in range(QUEUE_LIMIT)])
    read: list[int] = []
    original = table._job
    monkeypatch.setattr(table, "_job", lambda row: read.append(row["number"]) or original(row))
    found, total = jobs.queue(50)
    assert total == QUEUE_LIMIT
    assert [job.payload["prompt"] for job, _ in found] == [str(number) for number in range(50)]
    assert len(read) == 50
    jobs.first(lambda job: True)
    assert len(read) == 51


@pytest.mark.parametrize("payload", ["", "[]", "{", '{"prompt": 3}', '{"paths": 3}', '{"paths": [3]}'])
@pytest.mark.parametrize("kind", ["generate", "again", "later"])
def test_a_damaged_row_is_listed_too(harness: Harness, payload: str, kind: str) -> None:
    service = harness.start(run=False)
    job = service.submit(request(seed=1))
    with service._jobs._database.transaction() as connection:
        connection.execute("UPDATE jobs SET payload = ?, kind = ? WHERE id = ?", (payload, kind, job))
    ((row,), total) = service.queue(5)
    assert (row.id, row.about, total) == (job, "", 1)
