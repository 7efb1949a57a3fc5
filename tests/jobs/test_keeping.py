"""A batch that is ended and kept: its pictures are saved with the step they were taken at, and the run goes on."""

from __future__ import annotations

import threading

from pipelines.engines.fake import FakeEngine
from pipelines.types import Batch, GenerationResult, OnProgress, Progress
from webui.archive import metadata
from webui.jobs.status import JobStatus

from .test_service import Harness, done, harness, request, until

__all__ = ["harness"]  # a fixture


class Standing(FakeEngine):
    """Stands still at the third step of each batch until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        def told(progress: Progress) -> None:
            on_progress(progress)
            while progress.step == 3 and not self.go.wait(0.01):
                on_progress(progress)

        return super().generate(batch, told)


def at_the_third(status: JobStatus) -> bool:
    return status.step == 3


def test_the_batch_at_work_is_kept_and_the_run_goes_on(harness: Harness) -> None:
    engine = Standing()
    service = harness.start(engine)
    job = service.submit(request(seed=7, steps=8, batch_size=2, batches=2))
    until(service, job, at_the_third)
    service.keep(job)
    until(service, job, lambda status: status.before == 2)
    engine.go.set()
    status = done(service, job)
    assert (status.state, len(status.saved)) == ("done", 4)
    records = [metadata.read(one.path).record for one in status.saved]
    assert [record and record.settings["stop_after"] for record in records] == [3, 3, 0, 0]
    again = done(service, service.submit_again(*(one.path for one in status.saved)))
    assert [report.identical for report in again.reports] == [True] * 4


def test_pictures_that_are_made_again_are_never_kept_half_way(harness: Harness) -> None:
    engine = Standing()
    service = harness.start(engine)
    engine.go.set()
    path = done(service, service.submit(request(seed=7, steps=8))).saved[0].path
    engine.go.clear()
    again = service.submit_again(path)
    until(service, again, at_the_third)
    service.keep(again)
    engine.go.set()
    assert done(service, again).reports[0].identical


def test_one_that_came_as_its_batch_ended_leaves_the_next_alone(harness: Harness) -> None:
    class Late(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            results = super().generate(batch, on_progress)
            if batch.seeds[0] == 7:
                service.keep(job)  # after the last step, where nobody hears it any more
            return results

    service = harness.start(Late())
    job = service.submit(request(seed=7, steps=8, batches=2))
    status = done(service, job)
    records = [metadata.read(one.path).record for one in status.saved]
    assert [record and record.settings["stop_after"] for record in records] == [0, 0]
