"""Thumbnails made before anybody looks: of the newest pictures, while nothing else runs, so that the history scrolls
at once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipelines.errors import UnreadableImage
from webui.archive.history import History
from webui.archive.periodic import Periodic
from webui.archive.search import Query
from webui.archive.thumbnails import KEPT, Thumbnails

PERIOD = 2.0  # seconds
AHEAD = KEPT // 4  # pictures, newest first: some 50 MB; what is older is made when it is looked at
_PAGE = 200


class Ahead(Periodic):
    """It works one picture long at most once `idle` says no, and rests as long as it
    worked: half of one core is the most it takes."""

    def __init__(
        self,
        history: History,
        thumbnails: Thumbnails,
        idle: Callable[[], bool],
        *,
        period: float = PERIOD,
        limit: int = AHEAD,
    ) -> None:
        super().__init__("thumbnails", period)
        self._history, self._thumbnails, self._idle = history, thumbnails, idle
        self._limit = limit
        self._changes = -1  # of the history, when all was made that it held
        self._done: set[Path] = set()

    def look(self) -> None:
        """Makes what is missing, until something else has to run. Raises StorageError."""
        changes = self._history.changes
        if changes == self._changes or not self._idle():
            return
        newest: set[Path] = set()
        for path in self._newest():
            newest.add(path)
            if path in self._done:
                continue
            if self._ended.is_set() or not self._idle():
                return  # the next look goes on here
            begun = time.perf_counter()
            with contextlib.suppress(UnreadableImage):
                self._thumbnails.get(path)
            self._done.add(path)
            self._ended.wait(time.perf_counter() - begun)  # a rest
        self._done, self._changes = newest, changes

    def _newest(self) -> Iterator[Path]:
        after, left = None, self._limit
        while left > 0:
            page = self._history.search(Query(), min(left, _PAGE), after)
            yield from (entry.saved.path for entry in page.entries)
            after, left = page.after, left - len(page.entries)
            if after is None:
                return
