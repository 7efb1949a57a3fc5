"""Takes jobs from the table and runs them, one after the other: one runner for each device."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from functools import partial

from pipelines.engine import Engine
from pipelines.errors import Cancelled, EngineAway, EngineLost, ModelError, Note, SeedprintError, Stopped, Unavailable
from webui.jobs.dealing import Dealer
from webui.jobs.durations import Durations
from webui.jobs.keeper import Keeper
from webui.jobs.kinds import KINDS, House, Shared, Work
from webui.jobs.status import Running
from webui.jobs.table import DEATHS, Job
from webui.jobs.trouble import Trouble

log = logging.getLogger(__name__)
ENDS = 5  # so often in a row something may end the program in one batch before a person is asked whether to go on


class Runner:
    """A thread. `running` is guarded by the board's condition."""

    def __init__(self, engine: Engine, house: House, keeper: Keeper, dealer: Dealer) -> None:
        self.engine, self._house, self._keeper, self._board = engine, house, keeper, house.board
        self._dealer = dealer
        self._trouble = Trouble(house.board, lambda: dealer.can_others(self))
        self._durations = Durations(house.history.recent)
        self.running: Running | None = None
        self._open = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._open = True
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Within one step. What was running goes back to the queue and is finished at the next start."""
        with self._board.change():
            self._open = False
            if self.running is not None:
                self.running.closing = True
                self.running.stop = Cancelled

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def stop(self, job_id: str | None, how: type[Stopped]) -> bool:
        """At the next step, if it is this one's job; None: whatever it is. Whether it is."""
        with self._board.change():
            if self.running is None or self.running.job.id != (job_id or self.running.job.id):
                return False
            if self.running.helps is not None and how is not Cancelled:
                return False  # the batch that is meant is the one that is shown
            if self.running.stop is not Cancelled:
                self.running.stop = how
            return True

    def at(self, job_id: str) -> Running | None:
        """Call with the board's condition held."""
        mine = self.running
        return mine if mine is not None and mine.job.id == job_id and mine.helps is None else None

    def _work(self) -> None:
        while (running := self._next()) is not None:
            self._board.touch(running.job.id)
            if running.helps is not None:
                self._help(running, running.helps)
            else:
                end = self._run(running)
                with contextlib.suppress(Unavailable):  # it closes: the job still counts as running, and runs again
                    self._trouble.surely(end, lambda: not self._open)
            with self._board.changed:
                self.running = None
            self._board.touch(running.job.id)

    def _help(self, running: Running, shared: Shared) -> None:
        """What happens to its device costs the run nothing: the batch goes back."""
        try:
            shared.help(self._at_work(running))
        except EngineLost as error:
            self._board.touch(running.job.id, Note("worker_lost", why=error.told))
        except (EngineAway, Stopped) as error:
            log.info("A batch of job %s goes back: %s", running.job.id, error)

    def _at_work(self, running: Running) -> Work:
        return Work(
            house=self._house,
            engine=self.engine,
            running=running,
            keeper=self._keeper,
            trouble=self._trouble,
            durations=self._durations,
        )

    def _next(self) -> Running | None:
        """The job that is dealt to it, as soon as there is one; None when the runner closes."""
        while self._open:
            with contextlib.suppress(Unavailable):
                running = self._trouble.surely(self._taken, lambda: not self._open)
                if running is not None:
                    return running
        return None

    def _taken(self) -> Running | None:
        """With the board held, so that a job is either in the queue or with a runner, whoever wants to cancel it."""
        with self._board.changed:
            if self._open and (job := self._dealer.take(self)) is not None:
                self.running = Running(job=job)
                return self.running
            if self._open and (shared := self._dealer.to_help(self)) is not None:
                self.running = Running(job=shared.work.job, helps=shared)
                return self.running
            if self._open:
                self._board.changed.wait(self._dealer.patience)
            return None

    def _run(self, running: Running) -> Callable[[], None]:
        """How the job is to be noted in the table."""
        job, jobs = running.job, self._house.jobs
        error: Exception | None = None
        try:
            if job.attempts > ENDS:
                self._trouble.ask(Note("ended_often", times=job.attempts - 1), lambda: running.stop is Cancelled)
            self._kind(job.kind)(self._at_work(running))
        except Exception as caught:  # noqa: BLE001  a bug must not end the queue; its traceback goes to the log
            error = caught
        if error is not None and running.closing:
            return partial(jobs.pause, job)
        if isinstance(error, Stopped) or (isinstance(error, (Unavailable, EngineAway)) and running.stop is Cancelled):
            return partial(jobs.finish, job.id, "cancelled", outcome=running.outcome)
        if isinstance(error, EngineLost):
            return self._lost(job, error)
        if isinstance(error, EngineAway):  # of this device; another may have it
            return partial(jobs.pause, job)
        if isinstance(error, SeedprintError):
            return partial(jobs.finish, job.id, "failed", error=error.told, outcome=running.outcome)
        if error is not None:
            log.error("Job %s ended by a bug", job.id, exc_info=error)
            return partial(jobs.finish, job.id, "failed", error=Note("bug"))
        return partial(jobs.finish, job.id, "done", outcome=running.outcome)

    def _lost(self, job: Job, error: EngineLost) -> Callable[[], None]:
        """Once more, with a new worker; then it is the job."""
        if job.deaths + 1 < DEATHS:
            self._board.touch(job.id, Note("worker_lost", why=error.told))
            return partial(self._house.jobs.requeue, job)
        why = Note("worker_lost_again", times=job.deaths + 1, why=error.told)
        return partial(self._house.jobs.finish, job.id, "failed", error=why)

    @staticmethod
    def _kind(name: str) -> Callable[[Work], None]:
        if name not in KINDS:  # queued by a later version
            raise ModelError("job_kind_unknown", kind=name)
        return KINDS[name]
