"""The index's connections, one to write and one to read. A damaged file is begun anew while the program runs."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from pipelines import database as sqlite
from pipelines.database import transaction
from pipelines.errors import StorageError
from webui.archive import index, marks

MARKS = marks.FILE


class Connections:
    """To the index at `path` and the stars and tags at `kept`. What it lacks is filled in by `refresh`."""

    def __init__(self, path: Path, root: Path, kept: Path | None, number_in: index.NumberIn) -> None:
        self.root, self._number_in = Path(root), number_in
        self._path, self._kept = path, kept or path.with_name(MARKS)
        self._lock, self._read_lock = threading.RLock(), threading.RLock()
        self._closed, self._renewals = False, 0
        self._filler: threading.Thread | None = None
        marks.prepare(self._kept)
        self._open()

    def _open(self) -> None:
        self._database = index.opened(self._path, self._kept, self._number_in)
        # a page need not wait while a re-index writes
        self._reader = index.opened(self._path, self._kept, self._number_in)

    def refresh(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        """Closes the database. May be called twice."""
        self._closed = True
        with self._lock, self._read_lock:
            self._database.close()
            self._reader.close()
        if self._filler is not None:
            self._filler.join()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One thread at a time, one transaction; what it reads first is still so when it writes."""
        with self._troubles(), self._lock, transaction(self._database):
            yield

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        with self._troubles(), self._read_lock:
            yield

    @contextlib.contextmanager
    def _troubles(self) -> Iterator[None]:
        """The database's own as StorageError. A damaged one is begun anew, and the files are read again."""
        before = self._renewals
        try:
            yield
        except sqlite3.Error as error:
            is_damage = sqlite.is_damage(error)
            if is_damage or isinstance(error, sqlite3.ProgrammingError):  # closed, as it could not be opened again
                with contextlib.suppress(OSError, sqlite3.Error, StorageError):
                    self._renew(before, is_damage)
            if is_damage:
                raise StorageError("index_damaged", folder=str(self.root)) from error
            raise StorageError("index_failed", reason=str(error), folder=str(self.root)) from error

    def _renew(self, before: int, is_damage: bool) -> None:
        """Nothing where another thread has done so since there were `before` renewals. Raises OSError, sqlite3.Error,
        StorageError; then the connections stay closed, and whoever asks next tries again."""
        with self._lock, self._read_lock:
            if self._renewals != before or self._closed:
                return
            self._database.close()
            self._reader.close()
            if not sqlite.is_sound(self._kept):
                sqlite.renew(self._kept, marks.SCHEMA)
            elif is_damage:
                sqlite.renew(self._path, index.SCHEMA)
            self._open()
            self._renewals += 1
            self._filler = threading.Thread(target=self._fill, name="index-filler", daemon=True)
            self._filler.start()

    def _fill(self) -> None:
        with contextlib.suppress(StorageError):  # it is told to whoever looks next
            self.refresh()
