"""Which browsers were let in: of each cookie its digest and until when it counts, in a file that nobody else reads.

It outlives the program, so that a page that is open goes on after the next start. Removing the file ends them all.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import time
from hashlib import sha256
from pathlib import Path

from pipelines.errors import StorageError
from webui.kept.private import write_private

FILE = "sessions"
KEPT = 30 * 86_400  # seconds that a browser is remembered; opening the link begins anew
MOST = 100  # browsers; the one that came first goes
log = logging.getLogger(__name__)


class Sessions:
    """For one thread, the event loop's."""

    def __init__(self, folder: Path | None = None) -> None:
        """Without a folder they last as long as the program. Raises StorageError when none can be kept."""
        self._path = None if folder is None else folder / FILE
        self._known: dict[str, float] = {}  # digest -> seconds since 1970 when it ends
        self._stamp = self._look()
        self._read()
        self._write()

    def begin(self) -> str:
        """The cookie of a browser that is let in."""
        self._refresh()
        cookie, now = secrets.token_urlsafe(32), time.time()
        known = {digest: end for digest, end in self._known.items() if now < end}
        known[_digest(cookie)] = now + KEPT
        self._known = dict(sorted(known.items(), key=lambda one: one[1])[-MOST:])
        try:
            self._write()
        except StorageError as error:
            log.warning("Who is let in now must open the link again after the next start: %s", error)
        return cookie

    def knows(self, cookie: str) -> bool:
        """Whether it was given out, is not too old, and was not ended meanwhile."""
        self._refresh()
        now = time.time()
        return now < self._known.get(_digest(cookie), now)

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp != self._stamp:  # a person has ended them
            self._known, self._stamp = {}, stamp
            self._read()

    def _read(self) -> None:
        if self._path is None:
            return
        with contextlib.suppress(OSError, ValueError):
            data = json.loads(self._path.read_text(encoding="ascii"))
            found = data.items() if isinstance(data, dict) else ()
            self._known = {digest: float(end) for digest, end in found if isinstance(end, (int, float))}

    def _write(self) -> None:
        if self._path is not None:
            write_private(self._path, json.dumps(self._known))
            self._stamp = self._look()

    def _look(self) -> tuple[int, int] | None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                state = self._path.stat()
                return state.st_mtime_ns, state.st_ino
        return None


def end_all(folder: Path) -> None:
    """Also those of the programs that run. Raises StorageError."""
    for file in (folder / FILE, *sorted(folder.glob(f"instance-*/{FILE}"))):
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError("file_not_removed", file=str(file), reason=error.strerror or str(error)) from error


def _digest(cookie: str) -> str:
    return sha256(cookie.encode(errors="replace")).hexdigest()
