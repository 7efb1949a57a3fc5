"""One run on several devices: each batch once, in any order, and the table knows what is missing."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.engines.pool import Pool
from pipelines.errors import EngineLost, NotFinite
from pipelines.types import Batch, EngineState, GenerationResult, OnProgress
from tests.jobs.test_service import PATIENCE, Harness, done, harness, request, until
from webui.archive import pictures
from webui.jobs.sharing import Batches

__all__ = ["harness"]
RUN: dict[str, Any] = {"seed": 7, "batches": 6, "batch_size": 2}


def three() -> Batches:
    return Batches(enumerate(request(batches=3).batches_from(1)), 3)


class Gated(FakeEngine):
    """Each of its batches waits to be let go; `faults` are raised instead of the first."""

    def __init__(self, name: str, device: str = "card", *, open_: bool = True) -> None:
        super().__init__(name=name)
        self.device = device
        self.gate = threading.Semaphore(10_000 if open_ else 0)
        self.faults: list[Exception] = []

    def describe(self) -> EngineState:
        return replace(super().describe(), device=self.device, model="builtin")

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        assert self.gate.acquire(timeout=PATIENCE)
        if self.faults:
            raise self.faults.pop()
        return super().generate(batch, on_progress)


def gated(first: bool = True, second: bool = True, other: str = "card") -> tuple[Pool, Gated, Gated]:
    one, two = Gated("one", open_=first), Gated("two", other, open_=second)
    return Pool([one, two], one), one, two


def seeds(*engines: FakeEngine) -> list[int]:
    return sorted(batch.seeds[0] for engine in engines for batch in engine.batches)


def test_each_is_given_out_once_and_the_run_waits_for_all() -> None:
    batches, prefixes = three(), list[int]()
    (first, _), (second, _) = batches.take() or (9, None), batches.spare() or (9, None)
    assert (first, second, batches.left) == (0, 1, 1)
    batches.finish(1, prefixes.append)
    third = batches.spare()
    assert third is not None
    assert batches.spare() is None
    batches.finish(0, prefixes.append)
    assert batches.finished == 2
    threading.Timer(0.05, batches.give_back, third).start()
    assert batches.take() == third  # it came back
    batches.finish(2, prefixes.append)
    assert batches.take() is None
    assert prefixes == [0, 2, 3]  # what is missing first


def test_nothing_is_given_out_once_the_run_is_over() -> None:
    batches = three()
    held = batches.spare()
    assert held is not None
    with batches.given_out():
        threading.Timer(0.05, batches.give_back, held).start()
    assert batches.left == 3
    assert batches.spare() is None


def test_what_another_device_finds_wrong_ends_the_run() -> None:
    batches, error = three(), NotFinite("not_finite")
    batches.fail(error)
    with pytest.raises(NotFinite):
        batches.take()


def test_a_run_is_shared_and_is_what_one_device_makes(harness: Harness) -> None:
    alone = harness.start(FakeEngine())
    wanted = done(alone, alone.submit(request(**RUN))).saved
    alone.close()
    harness.services.clear()
    engine, one, two = gated(first=False)
    service = harness.start(engine)
    job = service.submit(request(**RUN))
    try:
        until(service, job, lambda status: len(status.saved) >= 2)
        helper, lead = (two, one) if two.batches else (one, two)
        status = until(service, job, lambda status: len(status.saved) == 10)  # all but the one that is held
        assert status.state == "running"
        assert {each.job for each in service.devices()} >= {job}
        assert "one" in service.queue(1)[0][0].device
        assert lead.batches == []
        assert len(helper.batches) == 5
    finally:
        one.gate.release(10_000)
    status = done(service, job)
    assert status.state == "done"
    assert [saved.seed for saved in status.saved] == list(range(7, 19))
    assert [pictures.read(saved.path) for saved in status.saved] == [pictures.read(saved.path) for saved in wanted]
    assert seeds(one, two) == list(range(7, 19, 2))


def test_one_that_was_cut_off_between_goes_on_with_what_is_missing(harness: Harness) -> None:
    engine, one, two = gated(first=False, second=False)
    service = harness.start(engine)
    job = service.submit(request(**RUN))
    until(service, job, lambda _: all(each.job == job for each in service.devices()))
    two.gate.release(1)
    until(service, job, lambda status: len(status.saved) == 2)
    closing = threading.Thread(target=service.close)
    closing.start()
    for each in (one, two):
        each.gate.release(10_000)
    closing.join()
    harness.services.clear()
    before = len(harness.pictures())
    assert before < 12
    engine, one, two = gated()
    service = harness.start(engine)
    status = done(service, job)
    assert (status.state, len(status.saved), len(harness.pictures())) == ("done", 12, 12)
    assert 2 * len(seeds(one, two)) == 12 - before  # nothing twice


def test_a_helper_that_dies_gives_its_batch_back(harness: Harness) -> None:
    engine, one, two = gated(first=False, second=False)
    service = harness.start(engine)
    job = service.submit(request(**RUN))
    until(service, job, lambda _: all(each.job == job for each in service.devices()))
    helper = next(
        each
        for each, runner in zip((one, two), service._runners, strict=True)
        if runner.running is not None and runner.running.helps is not None
    )
    helper.faults.append(EngineLost("engine_closed"))
    for each in (one, two):
        each.gate.release(10_000)
    status = done(service, job)
    assert (status.state, len(status.saved)) == ("done", 12)
    assert status.warning is not None
    assert status.warning.code == "worker_lost"
    job_row = service._jobs.get(job)
    assert job_row is not None
    assert job_row.deaths == 0  # the run itself went on


def test_an_error_that_a_helper_meets_is_the_runs(harness: Harness) -> None:
    engine, one, two = gated(first=False, second=False)
    service = harness.start(engine)
    job = service.submit(request(**RUN))
    until(service, job, lambda _: all(each.job == job for each in service.devices()))
    one.faults.append(NotFinite("not_finite"))
    two.faults.append(NotFinite("not_finite"))
    for each in (one, two):
        each.gate.release(10_000)
    assert done(service, job).state == "failed"


def test_skip_means_the_batch_that_is_shown_and_cancel_the_run(harness: Harness) -> None:
    engine, one, two = gated(first=False, second=False)
    service = harness.start(engine)
    job = service.submit(request(**RUN))
    until(service, job, lambda _: all(each.job == job for each in service.devices()))
    service.skip(job)
    stops = [runner.running.stop for runner in service._runners if runner.running is not None]
    assert len([stop for stop in stops if stop is not None]) == 1
    service.cancel(job)
    for each in (one, two):
        each.gate.release(10_000)
    status = done(service, job)
    assert (status.state, status.saved) == ("cancelled", ())


def test_only_devices_of_one_kind_share_a_run(harness: Harness) -> None:
    engine, one, two = gated(other="another card")
    service = harness.start(engine)
    job = service.submit(request(**RUN))
    assert done(service, job).state == "done"
    assert sorted([len(one.batches), len(two.batches)]) == [0, 6]


def test_a_job_that_waits_goes_before_help(harness: Harness) -> None:
    engine, one, two = gated(first=False, second=False)
    service = harness.start(engine)
    first = service.submit(request(**RUN))
    until(service, first, lambda _: all(each.job == first for each in service.devices()))
    second = service.submit(request(seed=1000))
    for each in (one, two):
        each.gate.release(1)
    until(service, second, lambda _: {each.job for each in service.devices()} == {first, second})
    for each in (one, two):
        each.gate.release(10_000)
    assert [done(service, job).state for job in (first, second)] == ["done", "done"]


def test_a_batch_that_cannot_be_handed_in_is_over_all_the_same() -> None:
    """Else the run would wait for it without end."""
    batches = three()
    number, _ = batches.take() or (9, None)
    with pytest.raises(ZeroDivisionError):
        batches.finish(number, lambda missing: 1 // 0)
    with batches.given_out():
        pass
