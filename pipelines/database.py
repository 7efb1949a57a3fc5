"""SQLite files: one way to open them, one way to bring them up to date, for every database of the program.

A database's version is its `user_version`. One that a newer program wrote is refused in one sentence, or emptied where
it is thrown away anyway. A damaged one is kept beside with the day in its name, and begun anew: with the rows that can
still be read, unless all of it can be made again.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import Literal

from pipelines.errors import StorageError, Unavailable

log = logging.getLogger(__name__)
DAMAGED = ".damaged-"  # in the name of a file that was set aside: NAME.damaged-DAY.sqlite
PATIENCE = 30.0  # seconds that another program may hold the file while it is opened
CACHE = 256  # kB of its pages that a connection keeps: the system keeps the file in memory anyway
DAMAGES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
BUGS = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """`steps`: one script a version, applied in order and never edited once released; the first leads to `first`.
    `throwaway`: all that is in it can be made again, so another version's is emptied, and nothing is looked for in a
    damaged one."""

    steps: tuple[str, ...]
    first: int = 1
    throwaway: bool = False
    synchronous: Literal["FULL", "NORMAL", "OFF"] = "FULL"  # FULL: what is committed survives a power cut

    @property
    def version(self) -> int:
        return self.first + len(self.steps) - 1


def opened(path: Path, schema: Schema, *, timeout: float = PATIENCE, make: bool = True) -> sqlite3.Connection:
    """A connection to the file at `path`, up to date; any thread may use it. Transactions are begun by hand. `make`:
    its folder too. Raises StorageError."""
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
        new = _new(path)
        if new.exists() and not path.exists():  # a program ended while it renewed the file
            new.rename(path)
        if path.is_dir() or _was_emptied(path):
            renew(path, schema)
        try:
            return _connected(path, schema, timeout)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        renew(path, schema)
        return _connected(path, schema, timeout)
    except OSError as error:
        raise Unavailable("database_closed", file=str(path), reason=error.strerror or str(error)) from error
    except sqlite3.Error as error:
        raise Unavailable("database_closed", file=str(path), reason=str(error)) from error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is not what it should be, which no waiting mends."""
    return number_of(error) in DAMAGES


def is_sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file; it reads all of it."""
    if path.is_dir():
        return False
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            return [tuple(row) for row in connection.execute("PRAGMA quick_check(1)")] == [("ok",)]
        except sqlite3.DatabaseError as error:
            return not is_damage(error)


def number_of(error: sqlite3.Error) -> int:
    """SQLite's own, without its details."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _connected(path: Path, schema: Schema, timeout: float) -> sqlite3.Connection:
    path.touch(mode=0o600)  # a new one is the person's own; SQLite's files beside it follow
    connection = sqlite3.connect(path, timeout=timeout, check_same_thread=False, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = _text
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {schema.synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE}")
        _bring_up_to_date(connection, path, schema)
    except BaseException:
        connection.close()
        raise
    return connection


def _text(data: bytes) -> str:
    """A damaged text costs its row, and not all that is read with it."""
    return data.decode(errors="replace")


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
        if version == 0 and not schema.throwaway and _tables(connection):
            raise damaged("its version is gone")
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
    for kind in ("CREATE V%", "%"):  # virtual ones first: they own others
        for name in _tables(connection, kind):
            connection.execute(f'DROP TABLE "{name}"')


def _tables(connection: sqlite3.Connection, kind: str = "%") -> list[str]:
    """In the order in which they were made, so that what others refer to comes first. `kind`: how they were."""
    asked = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql LIKE ?"
    return [row[0] for row in connection.execute(asked, (kind,))]


def damaged(reason: str) -> sqlite3.DatabaseError:
    """An error as SQLite raises it for a file that is not what it should be."""
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def renew(path: Path, schema: Schema) -> None:
    """Keeps a damaged file under another name and begins it anew, with all rows that can be read of it. Ended at any
    moment, it is done or is done again. Raises OSError, sqlite3.Error."""
    new = _new(path)
    for ending in ("", "-wal", "-shm", "-journal"):
        new.with_name(new.name + ending).unlink(missing_ok=True)
    if not (schema.throwaway or path.is_dir() or _was_emptied(path)):
        _rescue(path, new, schema)
    if schema.throwaway:  # of those one is enough
        for before in path.parent.glob(f"{path.stem}{DAMAGED}*{path.suffix}"):
            if before.is_file():
                before.unlink()
    aside = _aside(path)
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():  # a part of the file, and first: without the file the name would not be found again
        wal.rename(aside.with_name(f"{aside.name}-wal"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    path.rename(aside)
    if new.exists():
        new.rename(path)
    log.error("The database %s was damaged: it is kept as %s, and begun anew", path, aside.name)


def _was_emptied(path: Path) -> bool:
    """Nothing, though a journal lies beside it: SQLite would take it for a new file and throw the journal away."""
    wal = path.with_name(f"{path.name}-wal")
    return path.is_file() and not path.stat().st_size and wal.is_file() and wal.stat().st_size > 0


def _new(path: Path) -> Path:
    return path.with_name(f"{path.stem}.new{path.suffix}")


def _aside(path: Path) -> Path:
    day = date.today().isoformat()
    names = (f"{path.stem}{DAMAGED}{day}{'' if one == 1 else f'-{one}'}{path.suffix}" for one in count(1))
    return next(one for one in map(path.with_name, names) if not one.exists())


def _rescue(path: Path, new: Path, schema: Schema) -> None:
    """Raises sqlite3.Error for what is wrong with the new file; what is wrong with the old one costs rows."""
    with (
        contextlib.closing(_connected(new, schema, PATIENCE)) as target,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as source,
    ):
        target.execute("PRAGMA journal_mode = DELETE")  # one file, which can be renamed
        source.text_factory = _text
        source.execute("PRAGMA writable_schema = ON")  # or nothing is read of a file that was cut off
        with transaction(target):
            for table in _tables(target):
                _rescue_table(source, target, table)


def _rescue_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    """From the beginning up to what is damaged, then from the end back to it."""
    columns = target.execute(f"PRAGMA table_info({table})").fetchall()
    key = ", ".join(f"{row['name']} DESC" for row in columns if row["pk"]) or "rowid DESC"
    try:
        there = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return
    names = [row["name"] for row in columns if row["name"] in there]
    read = f"SELECT {', '.join(names)} FROM {table} NOT INDEXED"
    write = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    for statement in (read, f"{read} ORDER BY {key}"):
        with contextlib.suppress(sqlite3.Error):
            for row in source.execute(statement):
                with contextlib.suppress(*BUGS):  # a row that means nothing any more
                    target.execute(write, row)


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
