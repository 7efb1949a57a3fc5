"""Model files read again while nothing runs: a failing disk, or a computer that lost its power, changes bytes and
neither size nor time of a file, and then pictures are silently made with other weights."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.engine import Engine
from webui.archive.periodic import Periodic

PERIOD = 10.0  # seconds
MONTH = 30 * 24 * 3600.0  # seconds
RUNNING = (
    "running"  # a file that is there while the program runs; one that it finds was left by a program that was ended
)
UNCLEAN = "unclean.txt"  # when that was noticed; there until every file was read since


class Rereading(Periodic):
    """All files after the program was ended before it could close, and each file once a month where `monthly` says so.
    Each goes on where the last run of the program stopped: of every file is kept when it was last read."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        idle: Callable[[], bool],
        monthly: Callable[[], bool],
        period: float = PERIOD,
    ) -> None:
        super().__init__("rereading", period)
        self._engine, self._idle, self._monthly = engine, idle, monthly
        self._running, self._unclean = folder / RUNNING, folder / UNCLEAN
        self._started = False

    def start(self) -> None:
        with contextlib.suppress(OSError):  # a full disk: then this end of the program is not noticed
            if self._running.exists():
                self._unclean.write_text(str(time.time()), encoding="ascii")
            self._running.touch()
        self._started = True
        super().start()

    def close(self) -> None:
        super().close()
        if self._started:
            with contextlib.suppress(OSError):
                self._running.unlink(missing_ok=True)

    def look(self) -> None:
        """Reads, the one that was not read for longest first, until something else has to run."""
        suspected = self._suspected()
        before = max(suspected, time.time() - MONTH if self._monthly() else 0.0)
        while self._wanted():
            if not self._engine.read_oldest(before, self._wanted):
                if suspected:
                    self._unclean.unlink(missing_ok=True)
                return

    def _suspected(self) -> float:
        """Files read before this time may have suffered; 0: none."""
        try:
            return float(self._unclean.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError):
            return self._unclean.stat().st_mtime if self._unclean.exists() else 0.0

    def _wanted(self) -> bool:
        return not self._ended.is_set() and self._idle()
