"""What the service and its runners tell each other: that something changed, and what of it only memory holds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.errors import Note

REMEMBERED = 256  # jobs that changed last; what is older is told by the table alone


@dataclass(slots=True)
class Told:
    """Of one job: how often it changed, and the last thing that a person should know though the run goes on."""

    version: int = 0
    warning: Note | None = None


class Board:
    """One condition for everything that may be waited for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.tries = 0  # how often a person asked to try again
        self._count = 0
        self._told: OrderedDict[str, Told] = OrderedDict()
        self._held: dict[object, Note] = {}
        self._holds = 0  # how often that changed

    @property
    def held(self) -> Note | None:
        """Why the queue stands still; None when it goes on."""
        with self.changed:
            return next(iter(self._held.values()), None)

    def hold(self, who: object, why: Note | None) -> None:
        """`who` cannot go on; with None it can."""
        with self.changed:
            if self._held.get(who) == why:
                return
            self._holds += 1
            self._held.pop(who, None)
            if why is not None:
                self._held[who] = why
            self.changed.notify_all()

    def try_again(self) -> None:
        """Whoever is held tries now and not later."""
        with self.change():
            self.tries += 1

    @contextmanager
    def change(self) -> Iterator[None]:
        """Everybody who waits looks again afterwards."""
        with self.changed:
            yield
            self.changed.notify_all()

    def touch(self, job_id: str, warning: Note | None = None) -> None:
        """The job is not as it was."""
        with self.change():
            self._count += 1
            told = self._told.setdefault(job_id, Told())
            told.version, told.warning = self._count, warning or told.warning
            self._told.move_to_end(job_id)
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)

    def version(self, job_id: str) -> int:
        with self.changed:
            told = self._told[job_id].version if job_id in self._told else 0
            return told + self._holds

    def warning(self, job_id: str) -> Note | None:
        with self.changed:
            return self._told[job_id].warning if job_id in self._told else None

    def wait(self, done: Callable[[], bool], timeout: float | None = None) -> None:
        with self.changed:
            self.changed.wait_for(done, timeout)
