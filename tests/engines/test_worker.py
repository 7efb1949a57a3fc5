"""The engine in its own process: it warms up, obeys, dies, and comes back."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.engines import child, messages
from pipelines.engines.worker import WorkerEngine
from pipelines.errors import Cancelled, EngineAway, EngineLost, Kept, ModelError, Note, Skipped
from pipelines.groups import InitImage
from pipelines.types import Batch, Progress
from tests.engines.conftest import SMALL, Run, batch_of, ignore
from tests.jobs.test_service import Harness, harness
from tools import failing_worker
from webui.jobs import trouble
from webui.jobs.service import GenerationService
from webui.words import line, say

__all__ = ["harness"]

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds; the machine may be busy


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerEngine]:
    engine = WorkerEngine([], device="cpu")
    yield engine
    engine.close()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except OSError:
        return False


def test_it_warms_up_by_itself_and_says_so(worker: WorkerEngine) -> None:
    wait_for(lambda: worker.describe().state != "warming")
    state = worker.describe()
    assert (state.state, state.message) == ("ready", None)
    assert state.dtype in ("bfloat16", "float32")


def test_it_makes_what_the_engine_in_this_process_makes(worker: WorkerEngine, run: Run) -> None:
    told: list[Progress] = []
    result = worker.generate(batch_of(SMALL, 7), told.append)[0]
    here = run()[0]
    assert result.image.tobytes() == here.image.tobytes()
    assert result.request == here.request
    assert {key: value for key, value in result.facts.items() if key != "seconds"} == dict(here.facts)
    assert [item.step for item in told if item.stage == "denoising"] == [1, 2, 3]
    changed = replace(SMALL, steps=4, init=InitImage(image=here.image, strength=0.5))
    there = worker.generate(batch_of(changed, 7), ignore)[0]
    assert there.image.tobytes() == run(steps=4, init=changed.init)[0].image.tobytes()


def test_who_waits_for_a_batch_to_embed_pictures_may_stop(worker: WorkerEngine) -> None:
    """The batch goes on; the caller, a lab whose program closes, is not held until its end."""
    begun, over = threading.Event(), threading.Event()

    def on_progress(progress: Progress) -> None:
        if progress.step:
            begun.set()
        if over.is_set():
            raise Cancelled("stopped")

    def generate() -> None:
        with contextlib.suppress(Cancelled):
            worker.generate(batch_of(replace(SMALL, steps=150, width=128, height=128), 7), on_progress)

    def stop(progress: Progress) -> None:
        assert progress.stage == "waiting"
        raise Cancelled("enough")

    thread = threading.Thread(target=generate)
    thread.start()
    try:
        assert begun.wait(PATIENCE)
        with pytest.raises(Cancelled, match="enough"):
            worker.embed("any", [], stop)
        assert thread.is_alive()
    finally:
        over.set()
        thread.join(PATIENCE)
    with pytest.raises(ModelError, match=r"image_encoder_missing.*'any'"):
        worker.embed("any", [], ignore)


@pytest.mark.parametrize("kind", [Cancelled, Skipped])
def test_a_stop_ends_the_batch_in_the_worker_too(
    worker: WorkerEngine, kind: type[Cancelled | Skipped], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = replace(SMALL, steps=150, width=128, height=128)
    stop = kind("enough")

    def on_progress(progress: Progress) -> None:
        if progress.step == 2:
            raise stop

    told, unpack = [], messages.unpack
    monkeypatch.setattr(messages, "unpack", lambda data: told.append(1) or unpack(data))
    with pytest.raises(kind) as caught:
        worker.generate(batch_of(long, 7), on_progress)
    assert caught.value is stop
    short = worker.generate(batch_of(SMALL, 7), ignore)  # would come after the progress of 148 more steps
    assert len(short) == 1
    assert len(told) < 75
    assert worker.describe().state == "ready"


def test_a_step_that_takes_long_is_not_waited_for(worker: WorkerEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops it goes on at once; what it keeps busy is ended, and the next batch has a new worker."""
    monkeypatch.setattr("pipelines.engines.worker.STOPPING", 0.3)
    worker.generate(batch_of(SMALL, 7), ignore)
    before = worker.pid

    def stop(progress: Progress) -> None:
        if progress.stage == "waiting":
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        worker.generate(batch_of(replace(SMALL, width=1024, height=1024, steps=20), 7), stop)
    assert len(worker.generate(batch_of(SMALL, 7), ignore)) == 1
    assert worker.pid != before


def test_the_worker_is_told_to_keep_what_it_has(worker: WorkerEngine) -> None:
    long = replace(SMALL, steps=150, width=128, height=128)

    def on_progress(progress: Progress) -> None:
        if progress.step == 2:
            raise Kept("stopped")

    kept = worker.generate(batch_of(long, 7), on_progress)[0]
    assert 2 <= kept.request.stop_after < 150
    assert kept.facts["steps_run"] == kept.request.stop_after
    again = worker.generate(Batch.around(kept.request, 0, threads=1), ignore)[0]
    assert again.image.tobytes() == kept.image.tobytes()
    assert again.request == kept.request


def test_errors_come_out_as_themselves(worker: WorkerEngine) -> None:
    with pytest.raises(ModelError, match=r"model_missing.*'nowhere'"):
        worker.generate(batch_of(replace(SMALL, model="nowhere"), 7), ignore)


def test_a_bug_of_the_caller_leaves_the_worker_usable(worker: WorkerEngine) -> None:
    def on_progress(progress: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        worker.generate(batch_of(SMALL, 7), on_progress)
    assert worker.generate(batch_of(SMALL, 7), ignore)


@pytest.mark.fault(34)
def test_a_killed_worker_is_started_again(worker: WorkerEngine, run: Run) -> None:
    first = worker.pid
    assert first is not None

    def on_progress(progress: Progress) -> None:
        if progress.step == 2:
            os.kill(first, 9)

    with pytest.raises(EngineLost) as caught:
        worker.generate(batch_of(replace(SMALL, steps=150), 7), on_progress)
    assert caught.value.note.code == "worker_ended"
    assert "-9" in line(caught.value)
    result = worker.generate(batch_of(SMALL, 7), ignore)  # waits for the new one
    assert worker.pid != first
    assert result[0].image.tobytes() == run()[0].image.tobytes()


@pytest.mark.fault(34)
def test_one_killed_while_idle_is_noticed_and_replaced(worker: WorkerEngine) -> None:
    wait_for(lambda: worker.describe().state == "ready")
    first = worker.pid
    assert first is not None
    os.kill(first, 9)
    wait_for(lambda: worker.pid != first)
    assert worker.describe().state == "warming"
    wait_for(lambda: worker.describe().state == "ready")


FAILED = Note("device_failed", reason=failing_worker.ASSERTED)


@pytest.mark.fault(34)
def test_a_worker_whose_card_fails_ends_and_a_new_one_takes_over(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job is tried once more, then it is the job; those behind it are made."""
    monkeypatch.setattr(child, "run", failing_worker.run)
    engine, file = WorkerEngine([], device="cpu", data_dir=tmp_path), tmp_path / failing_worker.FILE
    service = harness.start(engine)
    for letters, end in (("1", "done"), ("22", "failed")):
        file.write_text(letters)
        first, second = service.submit_many([replace(SMALL, seed=seed) for seed in (7, 20)])
        wait_for(lambda job=second: state(service, job) == "done")  # type: ignore[misc]
        status = service.status(first)
        assert status is not None
        assert (status.state, status.warning) == (end, Note("worker_lost", why=FAILED))
        assert file.read_text() == ""
    assert status.error == Note("worker_lost_again", times=2, why=FAILED)
    assert failing_worker.ASSERTED in say(status.error, "en")
    assert failing_worker.ASSERTED in say(status.error, "zh")


@pytest.mark.fault(34)
def test_when_a_failed_card_is_told_its_worker_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next batch were handed to it."""
    monkeypatch.setattr(child, "run", failing_worker.run)
    engine = WorkerEngine([], device="cpu", data_dir=tmp_path)
    try:
        (tmp_path / failing_worker.FILE).write_text("1")
        pid = engine.pid
        assert pid is not None
        with pytest.raises(EngineLost) as caught:
            engine.generate(batch_of(SMALL, 7), ignore)
        assert (type(caught.value), caught.value.note) == (EngineLost, FAILED)
        assert not is_running(pid)
        assert engine.generate(batch_of(SMALL, 7), ignore)
    finally:
        engine.close()


def test_a_stop_while_it_warms_up_does_not_wait_for_it(worker: WorkerEngine) -> None:
    fresh = WorkerEngine([], device="cpu")
    try:
        assert fresh.describe().state == "warming"

        def on_progress(progress: Progress) -> None:
            raise Cancelled("enough")

        with pytest.raises(Cancelled):
            fresh.generate(batch_of(SMALL, 7), on_progress)
        assert fresh.describe().state == "warming"
        assert fresh.models()[0].name == "builtin"
    finally:
        fresh.close()
        fresh.close()  # twice is fine
    with pytest.raises(EngineLost) as caught:
        fresh.generate(batch_of(SMALL, 7), ignore)
    assert caught.value.note.code == "engine_closed"
    assert fresh.describe().state == "failed"


def test_closing_ends_the_process_and_whoever_waits(worker: WorkerEngine) -> None:
    pid = worker.pid
    assert pid is not None
    begun, caught = threading.Event(), []

    def generate() -> None:
        try:
            worker.generate(batch_of(replace(SMALL, steps=150, width=128, height=128), 7), lambda _: begun.set())
        except EngineLost as error:
            caught.append(error)

    thread = threading.Thread(target=generate)
    thread.start()
    assert begun.wait(PATIENCE)
    worker.close()
    thread.join(PATIENCE)
    assert len(caught) == 1
    assert not is_running(pid)


@pytest.mark.fault(34)
def test_a_device_that_is_not_there_is_told(tmp_path: Path) -> None:
    broken = WorkerEngine([tmp_path], device="abacus")
    try:
        wait_for(lambda: broken.describe().state == "failed")
        message = broken.describe().message
        assert message is not None
        assert message.code == "worker_cannot_start"
        assert "abacus" in say(message, "zh")
        with pytest.raises(EngineAway) as caught:
            broken.generate(batch_of(SMALL, 7), ignore)
        assert caught.value.note == message
    finally:
        broken.close()


@pytest.mark.fault(34)
def test_a_worker_that_has_said_its_last_is_handed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the system counts it as a process for a moment longer."""
    engine = WorkerEngine([], device="abacus")
    try:
        wait_for(lambda: engine.describe().state == "failed")
        assert engine._worker is not None
        monkeypatch.setattr(engine._worker.process, "is_alive", lambda: True)
        engine._options = replace(engine._options, device="cpu")
        assert engine.generate(batch_of(SMALL, 7), ignore)
        last = engine._worker
        monkeypatch.setattr(last.process, "is_alive", lambda: True)
        monkeypatch.setattr(last, "_on_death", lambda worker: None)  # no new one is started for it
        os.kill(last.process.pid or 0, 9)
        wait_for(lambda: not last.inbox.empty())
        assert engine.generate(batch_of(SMALL, 7), ignore)
    finally:
        engine.close()


@pytest.mark.fault(34)
def test_a_process_that_the_system_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("spawn")

    def refuse(self: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(context.Process, "start", refuse)
    engine = WorkerEngine([], device="cpu")
    try:
        assert engine.describe().state == "failed"
        with pytest.raises(EngineAway) as caught:
            engine.generate(batch_of(SMALL, 7), ignore)
        assert caught.value.note == Note("worker_cannot_start", reason=os.strerror(errno.EAGAIN))
        monkeypatch.undo()
        assert engine.generate(batch_of(SMALL, 7), ignore)
    finally:
        engine.close()


@pytest.mark.fault(34)
def test_a_worker_that_cannot_start_holds_the_queue_until_it_can(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails no job: the first is at it, the others wait, and each is made once it can."""
    monkeypatch.setattr(trouble, "FIRST", PATIENCE)  # nothing is tried but when a person asks
    engine = WorkerEngine([], device="abacus")
    service = harness.start(engine)
    jobs = service.submit_many([replace(SMALL, seed=seed) for seed in (7, 20, 30)])
    wait_for(lambda: service.held is not None)
    assert service.held is not None
    assert service.held.code == "worker_cannot_start"
    first = engine.pid
    service.try_again()
    wait_for(lambda: engine.pid != first and engine.describe().state == "failed" and not is_running(engine.pid or 0))
    assert [state(service, job) for job in jobs] == ["running", "queued", "queued"]
    engine._options = replace(engine._options, device="cpu")
    service.cancel(jobs[0])
    wait_for(lambda: state(service, jobs[2]) == "done")
    assert [state(service, job) for job in jobs] == ["cancelled", "done", "done"]
    assert engine.describe().state == "ready"


def state(service: GenerationService, job: str) -> str:
    status = service.status(job)
    assert status is not None
    return status.state


PARENT = """
import sys, time
from pathlib import Path
def main():
    from pipelines.engines.worker import WorkerEngine
    engine = WorkerEngine([Path(sys.argv[1])], device="cpu")
    engine.models()
    heavy = [name for name in ("torch", "diffusers", "transformers", "numpy") if name in sys.modules]
    print(engine.pid, ",".join(heavy), flush=True)
    time.sleep(300)
if __name__ == "__main__":
    main()
"""


def test_the_parent_imports_no_torch_and_its_death_ends_the_worker(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert parent.stdout is not None
        pid, _, heavy = parent.stdout.readline().strip("\n").partition(" ")
        assert heavy == ""
        assert is_running(int(pid))
    finally:
        parent.kill()
        parent.wait(PATIENCE)
        if parent.stdout is not None:
            parent.stdout.close()
    wait_for(lambda: not is_running(int(pid)))
