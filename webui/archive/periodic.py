"""A thread that looks at something now and then."""

from __future__ import annotations

import logging
import threading

from pipelines.errors import StorageError

log = logging.getLogger(__name__)


class Periodic:
    """Calls `look` every `period` seconds from `start` to `close`; a disk that fails is logged, and asked again."""

    def __init__(self, name: str, period: float) -> None:
        self._period, self._ended = period, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """May be called without `start`."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """One look. Raises StorageError."""
        raise NotImplementedError

    def _run(self) -> None:
        while not self._ended.wait(self._period):
            try:
                self.look()
            except StorageError as error:
                log.warning("%s", error)
