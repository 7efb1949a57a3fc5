"""Takes jobs from the table and runs them, one after the other: one runner for each device."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pipelines.engine import Engine
from pipelines.errors import Cancelled, ModelError, Note, SeedprintError, Stopped
from webui.jobs.kinds import KINDS, House, Work
from webui.jobs.status import Running

log = logging.getLogger(__name__)


class Runner:
    """A thread that runs, and one that writes what was made. `running` is guarded by the board's condition."""

    def __init__(self, engine: Engine, house: House) -> None:
        self._engine, self._house, self._board = engine, house, house.board
        self.running: Running | None = None
        self._open = False
        self._thread: threading.Thread | None = None
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="image-writer")

    def start(self) -> None:
        self._open = True
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops within one step. What was running goes back to the queue and is finished at the next start."""
        with self._board.change():
            self._open = False
            if self.running is not None:
                self.running.closing = True
                self.running.stop = Cancelled
        if self._thread is not None:
            self._thread.join()
        self._writer.shutdown()

    def stop(self, job_id: str, how: type[Stopped]) -> None:
        """At the next step, if it is this one's job."""
        with self._board.changed:
            if self.running is not None and self.running.job.id == job_id and self.running.stop is not Cancelled:
                self.running.stop = how

    def at(self, job_id: str) -> Running | None:
        """Call with the board's condition held."""
        return self.running if self.running is not None and self.running.job.id == job_id else None

    def _work(self) -> None:
        while (running := self._next()) is not None:
            self._board.touch(running.job.id)
            try:
                self._run(running)
            finally:
                with self._board.changed:
                    self.running = None
                self._board.touch(running.job.id)

    def _next(self) -> Running | None:
        """The first job of the queue, as soon as there is one; None when the runner closes."""
        with self._board.changed:
            while self._open:
                job = self._house.jobs.take()
                if job is not None:
                    self.running = Running(job=job)
                    return self.running
                self._board.changed.wait()
            return None

    def _run(self, running: Running) -> None:
        job, jobs = running.job, self._house.jobs
        try:
            self._kind(job.kind)(
                Work(house=self._house, engine=self._engine, running=running, write=self._writer.submit)
            )
        except Stopped:
            if running.closing:
                jobs.pause(job.id)
            else:
                jobs.finish(job.id, "cancelled", outcome=running.outcome)
        except SeedprintError as error:
            jobs.finish(job.id, "failed", error=error.told, outcome=running.outcome)
        except Exception:  # a bug must not end the queue; its traceback goes to the log
            log.exception("Job %s ended by a bug", job.id)
            jobs.finish(job.id, "failed", error=Note("bug"))
        else:
            jobs.finish(job.id, "done", outcome=running.outcome)

    @staticmethod
    def _kind(name: str) -> Callable[[Work], None]:
        if name not in KINDS:  # queued by a later version
            raise ModelError("job_kind_unknown", kind=name)
        return KINDS[name]
