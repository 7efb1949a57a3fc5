"""How long a run will take is judged by earlier ones and by the middle of its own steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.types import GenerationRequest, Progress
from webui.archive.store import ImageStore, SavedImage
from webui.jobs import durations, status
from webui.jobs.durations import Durations
from webui.jobs.status import Pace


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(status.time, "perf_counter", clock.perf_counter)
    return clock


def told(pace: Pace, clock: Clock, seconds: list[float], steps: int) -> list[float | None]:
    found = []
    for step, took in enumerate([0.0, *seconds], 1):
        clock.now += took
        found.append(pace.seconds_left(Progress(stage="denoising", step=step, steps=steps)))
    return found


def test_one_slow_step_says_little_of_those_to_come(clock: Clock) -> None:
    """Twenty steps of a third of a second, of which the second took 1.4: it was told that 26 seconds were left."""
    first, *others = told(Pace(0, expected=0.35), clock, [1.4, 0.35, 0.35], 20)
    assert first == pytest.approx(0.35 * 19)
    assert others == pytest.approx([0.35 * left for left in (18, 17, 16)])


def test_its_own_steps_count_more_the_more_there_are(clock: Clock) -> None:
    found = told(Pace(0, expected=10.0), clock, [1.0] * 8, 20)
    assert found[0] == 190.0
    assert found[8] == pytest.approx(11.0)


def test_without_earlier_runs_two_steps_are_waited_for(clock: Clock) -> None:
    first, second, third = told(Pace(1), clock, [2.0, 2.0], 10)
    assert first is None
    assert second == pytest.approx(2.0 * (8 + 10))  # and the batch after it
    assert third == pytest.approx(2.0 * (7 + 10))


def saved(store: ImageStore, seconds: float, **more: int) -> SavedImage:
    request = GenerationRequest(steps=4, width=64, height=64, seed=1, **more)
    result = FakeEngine().generate(next(request.batches_from(1)), lambda _: None)[0]
    return store.save(replace(result, seconds=seconds))


def test_it_is_so_much_a_step_and_pixel_and_each_file_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ImageStore(tmp_path)
    store.prepare()
    images = [saved(store, 8.0), saved(store, 16.0, batch_size=2), saved(store, 400.0)]  # the last with loading
    read: list[Path] = []
    original = durations.record_of
    monkeypatch.setattr(durations, "record_of", lambda path: read.append(path) or original(path))
    found = Durations(lambda limit: images[:limit]).refreshed()
    assert found.seconds("builtin", 4 * 64 * 64) == pytest.approx(8.0)
    assert found.seconds("builtin", 8 * 128 * 64) == pytest.approx(32.0)
    assert found.seconds("another", 4 * 64 * 64) is None
    images.insert(0, saved(store, 8.0))
    found.refreshed()
    assert len(read) == len(set(read)) == 4
    images[:] = []
    assert found.refreshed().seconds("builtin", 4 * 64 * 64) is None
