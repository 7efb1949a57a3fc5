"""A database that many threads share, whatever happens to its file while the program runs."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.database import BUGS, DAMAGES, Schema, is_damage, number_of, opened, renew, transaction
from pipelines.errors import Unavailable

HELD = 5.0  # seconds that another program may hold the file, before that is told
_REOPENED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN} | DAMAGES
_BUSY, _FULL = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}, {sqlite3.SQLITE_FULL}


def told(path: Path, error: sqlite3.Error) -> Unavailable:
    """What a person is told of SQLite's error. Whether the transaction counts is not known: repeating it must not
    hurt."""
    number = number_of(error)
    if number in DAMAGES:
        return Unavailable("database_renewed", file=str(path))
    if number in _BUSY:
        return Unavailable("database_busy", file=str(path))
    if number in _FULL:
        return Unavailable("database_full", file=str(path))
    return Unavailable("database_failed", file=str(path), reason=str(error))


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, as far as its disk tells; None when there is none. Some network disks number files anew."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _is_same(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the file at `path` holds, byte for byte, what is open: then nothing is lost by opening it. Raises
    sqlite3.Error, Unavailable."""
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:  # another program looks into it
        raise Unavailable("database_busy", file=str(path))
    with _closed(path):
        return path.read_bytes() == connection.serialize()


def _write_anew(path: Path, connection: sqlite3.Connection) -> None:
    """Raises sqlite3.Error, Unavailable."""
    with _closed(path):
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        path.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(path)) as target:
        connection.backup(target)


@contextmanager
def _closed(path: Path) -> Iterator[None]:
    """What the system says of its file as Unavailable."""
    try:
        yield
    except OSError as error:
        raise Unavailable("database_closed", file=str(path), reason=error.strerror or str(error)) from error


class _Line:
    """A connection that threads take turns with. One whose file failed is opened anew: the disk may have been away."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path, self._schema, self.lock = path, schema, threading.RLock()
        self._connection, self.failed = self._opened(make=True), False

    def _opened(self, *, make: bool = False) -> sqlite3.Connection:
        connection = opened(self._path, self._schema, make=make)
        connection.execute(f"PRAGMA busy_timeout = {int(HELD * 1000)}")
        self._file = _identity(self._path)
        return connection

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Raises sqlite3.Error, Unavailable."""
        with self.lock:
            try:
                if self.failed:
                    self._connection.close()
                    self._connection, self.failed = self._opened(), False
                yield self._connection
            except BUGS:
                raise
            except sqlite3.Error as error:
                self.failed = number_of(error) in _REOPENED
                raise
            finally:
                self._end()

    def is_there(self) -> bool:
        """Whether the file that is open has the name still; one that failed is looked for anew."""
        return self.failed or _identity(self._path) == self._file

    def reopen(self) -> None:
        """When it is used the next time."""
        self.close()
        self.failed = True

    def _end(self) -> None:
        """A transaction that could not be ended would fail every later one."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed meanwhile
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                self.failed = self.failed or self._connection.in_transaction

    def close(self) -> None:
        with self.lock:
            self._connection.close()


class Database:
    """A database that many threads share: one connection to write and one to read, so that looking waits for nobody."""

    def __init__(self, path: Path, schema: Schema) -> None:
        """Raises StorageError."""
        self._path, self._schema, self._renewals = path, schema, 0
        self._writer, self._reader = _Line(path, schema), _Line(path, schema)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Raises Unavailable; then it may be done or not, and may be tried again."""
        with self._told(), self._used(self._writer) as connection, transaction(connection):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for all that is read in it, without a lock that a writer would wait for. Raises
        Unavailable."""
        with self._told(), self._used(self._reader) as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    @contextmanager
    def _used(self, line: _Line) -> Iterator[sqlite3.Connection]:
        self._look(line)
        with line.use() as connection:
            yield connection

    def _look(self, line: _Line) -> None:
        """What would be written into a file without the name, nobody would find again. One that is gone is written anew
        from what is open, and used the next time. Raises sqlite3.Error, Unavailable."""
        if line.is_there():
            return
        with self._writer.lock, self._reader.lock:
            if line.is_there():
                return
            with line.use() as connection:
                gone = _identity(self._path) is None
                if gone:
                    _write_anew(self._path, connection)
                elif not _is_same(self._path, connection):
                    raise Unavailable("database_replaced", file=str(self._path))
            # both at once: what one opened anew would lose its locks when the other is closed
            self._writer.reopen()
            self._reader.reopen()
            if gone:
                raise Unavailable("database_gone", file=str(self._path))

    @contextmanager
    def _told(self) -> Iterator[None]:
        before = self._renewals
        try:
            yield
        except BUGS:
            raise
        except sqlite3.Error as error:
            if is_damage(error):
                self._renew(before)
            raise told(self._path, error) from error

    def _renew(self, before: int) -> None:
        """Nothing where another thread has done so since there were `before` renewals. Raises Unavailable."""
        with self._writer.lock, self._reader.lock:
            if self._renewals != before:
                return
            self.close()
            self._writer.failed = self._reader.failed = True
            try:
                renew(self._path, self._schema)
                self._renewals += 1
            except (OSError, sqlite3.Error) as error:
                raise Unavailable("database_closed", file=str(self._path), reason=str(error)) from error

    def close(self) -> None:
        """May be called twice."""
        self._writer.close()
        self._reader.close()
