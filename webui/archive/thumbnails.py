"""Small JPEGs of the pictures in the outputs folder: made once, kept on disk, the oldest forgotten.

One SQLite file and not one file each: hundreds of thousands of small files are slow to copy, back up and delete.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from pipelines.database import Schema, is_damage, opened, renew, transaction
from pipelines.errors import StorageError, UnreadableImage
from webui.archive.decoding import Decoder

SIDE = 256  # pixels
KEPT = 20_000  # some 10 kB each
BYTES = 512 * 1024 * 1024  # of all of them together, noisy as they may be
PATIENCE = 5.0  # seconds that another program may hold the file

_PRUNE = 256  # new ones between two looks at how many there are
# the newest stay, as many and as many bytes as may be
_FORGET = """
DELETE FROM thumbs WHERE number NOT IN (
    SELECT number FROM (
        SELECT number, row_number() OVER newer AS place, sum(length(data)) OVER newer AS bytes
        FROM thumbs WINDOW newer AS (ORDER BY number DESC)
    ) WHERE place <= ? AND bytes <= ?
)
"""
# nothing in it is worth waiting for the disk
SCHEMA = Schema(
    steps=(
        """
CREATE TABLE IF NOT EXISTS thumbs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    path   TEXT NOT NULL UNIQUE,
    stamp  INTEGER NOT NULL,  -- nanoseconds: a file that was replaced is looked at again
    data   BLOB NOT NULL
);
""",
    ),
    throwaway=True,
    synchronous="OFF",
)


class Thumbnails:
    """In the SQLite file at `path`, which may be deleted at any time. Safe from any thread, beside another program."""

    def __init__(self, path: Path, kept: int = KEPT, limit: int = BYTES) -> None:
        self._path, self._kept, self._limit, self._new, self._lock = path, kept, limit, 0, threading.Lock()
        self._decoder = Decoder()
        self._database = opened(path, SCHEMA, timeout=PATIENCE)

    def get(self, path: Path) -> bytes:
        """JPEG of at most 256 pixels a side. Raises UnreadableImage."""
        try:
            stamp = path.stat().st_mtime_ns
        except OSError as error:
            raise UnreadableImage("picture_gone", name=path.name) from error
        data = self._known(str(path), stamp)
        if data is None:
            data = self._decoder.small(path, SIDE)
            self._keep(str(path), stamp, data)
        return data

    def close(self) -> None:
        self._decoder.close()
        with self._lock:
            self._database.close()

    def _known(self, path: str, stamp: int) -> bytes | None:
        try:
            with self._lock, self._renewing():
                row = self._database.execute(
                    "SELECT data FROM thumbs WHERE path = ? AND stamp = ?", (path, stamp)
                ).fetchone()
        except (sqlite3.Error, UnicodeEncodeError):
            return None  # it can be made again
        return bytes(row[0]) if row else None

    def _keep(self, path: str, stamp: int, data: bytes) -> None:
        try:
            with self._lock, self._renewing(), transaction(self._database):
                self._database.execute(
                    "INSERT OR REPLACE INTO thumbs (path, stamp, data) VALUES (?, ?, ?)", (path, stamp, data)
                )
                self._new += 1
                if self._new % _PRUNE == 1:
                    self._database.execute(_FORGET, (self._kept, self._limit))
        except (sqlite3.Error, UnicodeEncodeError):
            return  # a full disk or a locked file: it is shown all the same

    @contextlib.contextmanager
    def _renewing(self) -> Iterator[None]:
        """A damaged file is begun anew: what it held is made again."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._database.close()
                with contextlib.suppress(OSError):
                    renew(self._path, SCHEMA)
                with contextlib.suppress(StorageError):  # as long as it is closed, nothing is kept
                    self._database = opened(self._path, SCHEMA, timeout=PATIENCE)
            raise
