"""The batches of one run, given out one by one: to the runner whose job it is and, where another device of the same
kind has nothing else to do, to that one's too. An image's bits depend on its batch's size and its place there, not on
which of two like devices made it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipelines.types import Batch

T = TypeVar("T")


class Batches:
    """Those that are still to be made, by number. Any thread."""

    def __init__(self, missing: Iterable[tuple[int, Batch]], total: int) -> None:
        """`total`: of the whole run, with those that were made before."""
        self._left = deque(missing)
        self._open = {number for number, _ in self._left}  # not made yet
        self._total = total
        self._at_work = 0
        self._closed = False
        self._error: Exception | None = None
        self._changed = threading.Condition()

    @property
    def left(self) -> int:
        """How many nobody has begun."""
        return len(self._left)

    @property
    def finished(self) -> int:
        """How many are over, made or skipped."""
        return self._total - len(self._open)

    @property
    def rounds(self) -> float:
        """How many more turns all who are at work need."""
        return len(self._left) / max(1, self._at_work)

    def take(self) -> tuple[int, Batch] | None:
        """The next, for whom the run belongs to: waits for what others have begun, as it may come back. None: all are
        over. Raises what another device found wrong with one."""
        with self._changed:
            self._changed.wait_for(lambda: self._left or not self._at_work or self._error)
            if self._error is not None:
                raise self._error
            return self._begin()

    def spare(self) -> tuple[int, Batch] | None:
        """The next, for another; None: there is none."""
        with self._changed:
            return None if self._closed else self._begin()

    def finish(self, number: int, hand_in: Callable[[int], T]) -> T:
        """This one is over. `hand_in`: gets the first that is not; in the order of the calls, so that the table never
        believes pictures kept which nobody handed in."""
        with self._changed:
            self._open.discard(number)
            try:
                return hand_in(min(self._open, default=self._total))
            finally:
                self._end()

    def give_back(self, number: int, batch: Batch) -> None:
        """Not made: somebody else may."""
        with self._changed:
            self._left.appendleft((number, batch))
            self._end()

    def fail(self, error: Exception) -> None:
        """The run ends with this, whoever met it."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    @contextmanager
    def given_out(self) -> Iterator[None]:
        """Nothing is afterwards, and all that was has come home."""
        try:
            yield
        finally:
            with self._changed:
                self._closed = True
                self._changed.wait_for(lambda: not self._at_work)

    def _begin(self) -> tuple[int, Batch] | None:
        if not self._left:
            return None
        self._at_work += 1
        return self._left.popleft()

    def _end(self) -> None:
        self._at_work -= 1
        self._changed.notify_all()
