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
        self._count = 0
        self._told: OrderedDict[str, Told] = OrderedDict()

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
            return self._told[job_id].version if job_id in self._told else 0

    def warning(self, job_id: str) -> Note | None:
        with self.changed:
            return self._told[job_id].warning if job_id in self._told else None

    def wait(self, done: Callable[[], bool], timeout: float | None = None) -> None:
        with self.changed:
            self.changed.wait_for(done, timeout)
