"""SQLite files: one way to open them, one way to bring them up to date, for every database of the program.

A database's version is its `user_version`. One that a newer program wrote is refused in one sentence, or emptied where
it is thrown away anyway; a damaged one is set aside, or removed likewise.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.errors import StorageError, Unavailable

log = logging.getLogger(__name__)
ASIDE = 1_000  # damaged copies kept beside each other
PATIENCE = 30.0  # seconds that another program may hold the file while it is opened
HELD = 5.0  # seconds that it may hold it afterwards, before that is told
_BUSY, _FULL = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}, {sqlite3.SQLITE_FULL}
_BUGS = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """`steps`: one script a version, applied in order and never edited once released; the first leads to `first`.
    `throwaway`: all that is in it can be made again, so another version's is emptied and a damaged file removed."""

    steps: tuple[str, ...]
    first: int = 1
    throwaway: bool = False
    synchronous: Literal["FULL", "NORMAL", "OFF"] = "FULL"  # FULL: what is committed survives a power cut

    @property
    def version(self) -> int:
        return self.first + len(self.steps) - 1


def opened(path: Path, schema: Schema, *, timeout: float = PATIENCE) -> sqlite3.Connection:
    """A connection to the file at `path`, up to date; any thread may use it. Transactions are begun by hand. Raises
    StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # a new one is the person's own; SQLite's files beside it follow
        return _connected(path, schema, timeout)
    except OSError as error:
        raise Unavailable("database_closed", file=str(path), reason=error.strerror or str(error)) from error
    except sqlite3.OperationalError as error:
        raise Unavailable("database_closed", file=str(path), reason=str(error)) from error
    except sqlite3.DatabaseError:
        _set_aside(path, remove=schema.throwaway)
        return _connected(path, schema, timeout)


def _connected(path: Path, schema: Schema, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=timeout, check_same_thread=False, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {schema.synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        _bring_up_to_date(connection, path, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up_to_date(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    if _version(connection) == schema.version:
        return  # without a write lock: the usual start waits for nobody
    with transaction(connection):
        version = _version(connection)  # another program may have been quicker
        if schema.throwaway and version not in (0, schema.version):
            _empty(connection)
            version = 0
        if version > schema.version:
            raise StorageError("database_newer", file=str(path), value=version, known=schema.version)
        done = 0 if version == 0 else version - schema.first + 1
        for statement in _statements(schema.steps[done:]):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {schema.version}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA main.user_version").fetchone()[0])


def _statements(scripts: tuple[str, ...]) -> Iterator[str]:
    """One by one: `executescript` would end the transaction."""
    for script in scripts:
        statement = ""
        for piece in script.split(";"):
            statement += piece + ";"
            if sqlite3.complete_statement(statement):  # not within a text or a comment
                yield statement
                statement = ""
        if statement.strip(" \n;"):
            yield statement


def _empty(connection: sqlite3.Connection) -> None:
    names = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE V%'")
    tables = [row[0] for row in names]  # virtual ones first: they own others
    for name in tables:
        connection.execute(f'DROP TABLE "{name}"')
    rows = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for name in [row[0] for row in rows]:
        connection.execute(f'DROP TABLE "{name}"')


def _set_aside(path: Path, *, remove: bool) -> None:
    """Moves a damaged file away under a name of its own, or removes it. Raises StorageError."""
    aside = next((one for one in map(path.with_name, _names(path)) if not one.exists()), None)
    if aside is None and not remove:
        raise StorageError("database_damaged", file=str(path))
    try:
        if remove or aside is None:
            path.unlink()
        else:
            path.rename(aside)
            log.error("The database %s cannot be read; it is kept as %s, and begun anew", path, aside.name)
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable("database_closed", file=str(path), reason=error.strerror or str(error)) from error


def _names(path: Path) -> Iterator[str]:
    return (f"{path.stem}.damaged-{number}{path.suffix}" for number in range(1, ASIDE))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of it or nothing; holds the write lock from the beginning."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have ended it already
            connection.execute("ROLLBACK")
        raise


def told(path: Path, error: sqlite3.Error) -> Unavailable:
    """What a person is told of SQLite's error. Whether the transaction counts is not known: repeating it must not
    hurt."""
    number = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if number in _BUSY:
        return Unavailable("database_busy", file=str(path))
    if number in _FULL:
        return Unavailable("database_full", file=str(path))
    return Unavailable("database_failed", file=str(path), reason=str(error))


class _Line:
    """A connection that threads take turns with. One whose file failed is opened anew: the disk may have been away."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path, self._schema, self._lock = path, schema, threading.RLock()
        self._connection, self._failed = self._opened(), False

    def _opened(self) -> sqlite3.Connection:
        connection = opened(self._path, self._schema)
        connection.execute(f"PRAGMA busy_timeout = {int(HELD * 1000)}")
        return connection

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Raises Unavailable."""
        with self._lock:
            try:
                if self._failed:
                    self._connection.close()
                    self._connection, self._failed = self._opened(), False
                yield self._connection
            except _BUGS:
                raise
            except sqlite3.Error as error:
                number = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
                self._failed = number in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
                raise told(self._path, error) from error
            finally:
                self._end()

    def _end(self) -> None:
        """A transaction that could not be ended would fail every later one."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed meanwhile
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                self._failed = self._failed or self._connection.in_transaction

    def close(self) -> None:
        with self._lock:
            self._connection.close()


class Database:
    """A database that many threads share: one connection to write and one to read, so that looking waits for nobody."""

    def __init__(self, path: Path, schema: Schema) -> None:
        """Raises StorageError."""
        self._writer, self._reader = _Line(path, schema), _Line(path, schema)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Raises Unavailable; then it may be done or not, and may be tried again."""
        with self._writer.use() as connection, transaction(connection):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for all that is read in it, without a lock that a writer would wait for. Raises
        Unavailable."""
        with self._reader.use() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """May be called twice."""
        self._writer.close()
        self._reader.close()
