"""Which device takes which job: by its model, in order, and nobody is passed over for long."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.engines.pool import Pool
from pipelines.errors import EngineAway, EngineLost
from pipelines.types import Batch, EngineState, GenerationResult, OnProgress
from tests.jobs.test_service import PATIENCE, Harness, done, harness, request, until
from webui.jobs.dealing import OVERTAKEN, Device, Wish, deal

__all__ = ["harness"]


def wishes(models: str) -> list[Wish]:
    """A job for each letter, which is its model and, with its place, its name."""
    return [Wish(id=f"{model}{place}", model=model) for place, model in enumerate(models)]


def dealt(waiting: Sequence[Wish], *devices: Device) -> dict[int, str]:
    placed = [replace(device, place=place) for place, device in enumerate(devices)]
    return {place: wish.id for place, wish in deal(waiting, placed).items()}


def free(model: str = "", **more: bool) -> Device:
    return Device(place=0, model=model, **more)


def busy(model: str) -> Device:
    return Device(place=0, model=model, free=False)


def test_each_job_goes_to_the_free_device_that_holds_its_model() -> None:
    assert dealt(wishes("ba"), free("a"), free("b")) == {0: "a1", 1: "b0"}
    assert dealt(wishes("b"), free("a"), free("b")) == {1: "b0"}


def test_else_to_one_that_is_free() -> None:
    assert dealt(wishes("a"), busy("a"), free("b")) == {1: "a0"}
    assert dealt(wishes("aa"), free("a"), free("b")) == {0: "a0", 1: "a1"}
    assert dealt(wishes("c"), free("a"), free()) == {1: "c0"}  # where nothing must leave
    assert dealt(wishes("cb"), free("b"), free("a")) == {1: "c0", 0: "b1"}  # and nothing that is asked for
    assert dealt(wishes("a"), free("a", ready=False), free()) == {0: "a0"}
    assert dealt(wishes("a"), free(ready=False), free("b")) == {1: "a0"}


def test_a_model_that_another_is_at_work_with_waits_for_it_while_there_is_better_to_do() -> None:
    assert dealt(wishes("ab"), busy("a"), free("b")) == {1: "b1"}
    assert dealt(wishes("aab"), busy("a"), free("b")) == {1: "b2"}
    assert dealt(wishes("cab"), busy("a"), free("b")) == {1: "c0"}  # nobody holds c


def test_nobody_is_passed_over_for_long() -> None:
    first, second = wishes("ab")
    assert dealt([replace(first, overtaken=OVERTAKEN - 1), second], busy("a"), free("b")) == {1: "b1"}
    assert dealt([replace(first, overtaken=OVERTAKEN), second], busy("a"), free("b")) == {1: "a0"}


def test_jobs_that_name_no_model_go_in_order() -> None:
    assert dealt(wishes("")[:0], free()) == {}
    nameless = [Wish(id="first"), Wish(id="second"), Wish(id="third")]
    assert dealt(nameless, free(), busy(""), free("a")) == {0: "first", 2: "second"}


def test_one_device_takes_them_as_they_come() -> None:
    assert dealt(wishes("ab"), free("b")) == {0: "a0"}
    assert dealt(wishes("ab"), busy("b")) == {}


def test_a_device_that_failed_gets_nothing_while_another_lives() -> None:
    assert dealt(wishes("aa"), free("a", failed=True), free("b")) == {1: "a0"}
    assert dealt(wishes("a"), free("a", failed=True), busy("b")) == {}
    assert dealt(wishes("a"), free("a", failed=True)) == {0: "a0"}  # who else should try?


class Held(FakeEngine):
    """One device whose batches wait until they are let go; some fail first."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.go_on = threading.Event()
        self.faults: list[Exception] = []
        self.state = "ready"

    def describe(self) -> EngineState:
        return replace(super().describe(), state=self.state)  # type: ignore[arg-type]

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        if self.faults:
            raise self.faults.pop()
        made = super().generate(batch, on_progress)
        assert self.go_on.wait(PATIENCE)
        return made


def pool() -> tuple[Pool, Held, Held]:
    first, second = Held("one"), Held("two")
    return Pool([first, second], first), first, second


def test_a_free_device_goes_on_while_another_is_at_work(harness: Harness) -> None:
    engine, first, second = pool()
    service = harness.start(engine)
    jobs = service.submit_many([request(seed=seed) for seed in range(5)])
    second.go_on.set()
    try:
        begun = [job for job in jobs if until(service, job, lambda status: status.state != "queued")]
        held = next(one.job for one in service.devices() if one.name == "one")
        others = [job for job in begun if job != held]
        assert [done(service, job).state for job in others] == ["done"] * 4
        assert held is not None
        assert held in jobs[:2]  # in order: it was one of the first two
        assert service.devices()[0].about == "a red star"
        assert service.devices()[1].job is None
        assert [batch.seeds[0] for batch in second.batches] == sorted(batch.seeds[0] for batch in second.batches)
    finally:
        first.go_on.set()
    assert done(service, held).state == "done"
    assert len(first.batches) + len(second.batches) == 5


def test_a_job_whose_worker_dies_runs_again_and_the_others_go_on(harness: Harness) -> None:
    engine, first, second = pool()
    first.faults.append(EngineLost("engine_closed"))
    service = harness.start(engine)
    first.go_on.set(), second.go_on.set()
    jobs = service.submit_many([request(seed=seed) for seed in range(4)])
    assert [done(service, job).state for job in jobs] == ["done"] * 4
    assert len(harness.pictures()) == 4


@pytest.mark.parametrize("fails", ["one", "two"])
def test_what_a_device_that_cannot_start_was_given_goes_to_another(harness: Harness, fails: str) -> None:
    engine, first, second = pool()
    bad, good = (first, second) if fails == "one" else (second, first)
    service = harness.start(engine)
    bad.faults.append(EngineAway("engine_closed"))
    bad.state = "failed"
    good.go_on.set()
    jobs = service.submit_many([request(seed=seed) for seed in range(3)])
    assert [done(service, job).state for job in jobs] == ["done"] * 3
    assert bad.faults  # it was asked nothing
    bad.state = good.state = "failed"
    bad.go_on.set()
    last = service.submit(request(seed=9))
    assert done(service, last).state == "done"


def test_cancel_all_ends_what_every_device_does(harness: Harness) -> None:
    engine, first, second = pool()
    service = harness.start(engine)
    jobs = service.submit_many([request(seed=seed, batches=2) for seed in range(3)])
    for job in jobs[:2]:
        until(service, job, lambda status: status.step > 0)
    assert service.cancel_all() == 3
    first.go_on.set(), second.go_on.set()
    assert [done(service, job).state for job in jobs] == ["cancelled"] * 3
