"""Two processors as two devices: each in a process of its own, behind the one queue. One thread each."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.engines import pool
from pipelines.engines.pool import Pool, named, pool_of
from pipelines.engines.worker import WorkerEngine
from pipelines.types import Batch, OnProgress, Progress
from tests.engines.conftest import SMALL, Run, batch_of, ignore
from tests.engines.test_worker import wait_for
from tests.jobs.test_service import Harness, harness
from webui.archive import pictures
from webui.jobs.service import GenerationService
from webui.jobs.status import JobStatus

__all__ = ["harness"]

pytestmark = pytest.mark.torch
LONG = replace(SMALL, steps=12)


@pytest.fixture(scope="module")
def two() -> Iterator[Pool]:
    engine = pool_of(["cpu", "cpu"])
    yield engine
    engine.close()


@pytest.fixture
def service(two: Pool, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Iterator[GenerationService]:
    """Whose engine is not closed with it: the file shares it."""
    wait_for(lambda: all(one.describe().state == "ready" for one in two.devices()))
    made = harness.start(two)
    monkeypatch.setattr(two, "close", lambda: None)
    yield made
    made.close()
    harness.services.clear()


def pids(two: Pool) -> list[int]:
    return [one.pid or 0 for one in two.devices() if isinstance(one, WorkerEngine)]


def at_work(service: GenerationService) -> dict[str, str]:
    """Job -> the device that it is on."""
    return {one.job: one.name for one in service.devices() if one.job is not None}


def ended(service: GenerationService, *jobs: str) -> Callable[[], bool]:
    return lambda: all(status(service, job).finished for job in jobs)


def status(service: GenerationService, job: str) -> JobStatus:
    found = service.status(job)
    assert found is not None
    return found


def pixels(service: GenerationService, job: str) -> list[bytes]:
    return [pictures.read(saved.path).tobytes() for saved in status(service, job).saved]


def test_each_makes_the_same_pixels_as_the_engine_in_this_process(two: Pool, run: Run) -> None:
    wanted = [result.image.tobytes() for result in run(batch_size=2)]
    assert len(set(pids(two))) == 2
    for device in two.devices():
        made = device.generate(replace(next(replace(SMALL, batch_size=2).batches_from(7)), threads=1), ignore)
        assert [result.image.tobytes() for result in made] == wanted


def test_what_is_made_outside_the_queue_goes_to_the_one_that_is_free(two: Pool) -> None:
    begun, go_on, told = threading.Event(), threading.Event(), list[Progress]()
    first, second = two.devices()

    def hold(progress: Progress) -> None:
        if progress.step == 1:
            begun.set()
            assert go_on.wait(300)

    thread = threading.Thread(target=lambda: first.generate(batch_of(SMALL, 1), hold))
    thread.start()
    assert begun.wait(300)
    assert two.generate(batch_of(SMALL, 2), told.append)  # would wait for ever with the first
    assert (first.describe().busy, second.describe().busy) == (True, False)
    go_on.set()
    thread.join()


def test_two_jobs_run_at_once_and_one_is_cancelled_while_the_other_goes_on(service: GenerationService) -> None:
    first, second = service.submit_many([replace(LONG, batches=50, seed=seed) for seed in (1, 1000)])
    wait_for(
        lambda: (
            at_work(service).keys() == {first, second} and all(status(service, job).image for job in at_work(service))
        )
    )
    assert sorted(at_work(service).values()) == ["cpu #1", "cpu #2"]
    service.cancel(first)
    wait_for(ended(service, first))
    before = status(service, second)
    assert (status(service, first).state, before.state) == ("cancelled", "running")
    wait_for(lambda: status(service, second).image > before.image)
    service.cancel(second)
    wait_for(ended(service, second))


def test_the_death_of_one_takes_nothing_from_the_other(two: Pool, service: GenerationService, run: Run) -> None:
    jobs = service.submit_many([replace(LONG, batches=3, seed=seed) for seed in (1, 1000)])
    wait_for(lambda: at_work(service).keys() == set(jobs) and all(status(service, job).step for job in jobs))
    before = pids(two)
    os.kill(before[0], 9)
    wait_for(ended(service, *jobs))
    assert [status(service, job).state for job in jobs] == ["done", "done"]
    assert [len(pixels(service, job)) for job in jobs] == [3, 3]
    deaths = [status(service, job).warning is not None for job in jobs]
    assert sorted(deaths) == [False, True]
    assert pids(two)[1] == before[1]
    for job, seed in zip(jobs, (1, 1000), strict=True):
        assert pixels(service, job)[0] == run(steps=LONG.steps, seed=seed)[0].image.tobytes()
    wait_for(lambda: pids(two)[0] not in (0, before[0]))


def test_a_run_is_spread_over_both_and_no_pixel_tells_which_made_it(
    two: Pool, service: GenerationService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []  # which device, and the first seed
    for place, device in enumerate(two.devices()):

        def noted(batch: Batch, on_progress: OnProgress, place: int = place, make: Any = device.generate) -> Any:
            made.append((place, batch.seeds[0]))
            return make(batch, on_progress)

        monkeypatch.setattr(device, "generate", noted)
    wait_for(lambda: all(one.describe().state == "ready" for one in two.devices()))
    request = replace(SMALL, batch_size=2, batches=6)
    job = service.submit(request)
    wait_for(ended(service, job))
    assert {place for place, _ in made} == {0, 1}
    assert sorted(seed for _, seed in made) == list(range(7, 19, 2))
    wanted = [run(batch_size=2, seed=seed) for seed in range(7, 19, 2)]
    assert pixels(service, job) == [result.image.tobytes() for batch in wanted for result in batch]


def test_names_tell_devices_apart() -> None:
    assert named(["cuda:0", "cuda:1"]) == ["cuda:0", "cuda:1"]
    assert named(["cpu", "cuda", "cpu"]) == ["cpu #1", "cuda", "cpu #2"]


def test_processors_that_are_shared_get_equal_shares_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settled, not measured: the number of threads touches the last bits."""
    begun = []
    monkeypatch.setattr(WorkerEngine, "_begin", lambda self, options: begun.append(options))
    monkeypatch.setattr(pool.os, "cpu_count", lambda: 16)
    pool_of(["cpu", "cpu", "cuda:0"], [Path("models")])
    assert [(one.device, one.name, one.threads) for one in begun] == [
        ("cpu", "cpu #1", 8),
        ("cpu", "cpu #2", 8),
        ("cuda:0", "cuda:0", None),
    ]
    begun.clear()
    pool_of(["cuda:0", "cuda:1"])
    assert [one.threads for one in begun] == [None, None]
