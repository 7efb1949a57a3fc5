"""Several programs on one data folder: each has a queue of its own, and what one leaves behind the first takes over.

A command has a folder of its own too, `command-…`, for as long as it runs. Of one that was killed the next program that
saves in the same folder takes the finished pictures over, be it a page or a command.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from pipelines.errors import StorageError, Unavailable
from pipelines.shared_database import Database
from webui.jobs.keeper import FOLDER as WAITING
from webui.jobs.schema import SCHEMA

JOBS = "jobs.sqlite"
LEAVING = "leaving.sqlite"  # the queue of a program that has ended, on its way into the first one's
COMMAND = "command-"
OUTPUTS = "outputs.txt"  # of a command: where it saves
LOCK = "lock"
INSTANCES = 32  # programs at once on one data folder
log = logging.getLogger(__name__)


@contextlib.contextmanager
def claimed(data_dir: Path) -> Iterator[Path]:
    """A data folder that no other running program uses: `data_dir`, or a numbered folder in it when that is taken.
    Two programs on one job table would run each other's jobs."""
    for number in range(1, INSTANCES + 1):
        folder = data_dir if number == 1 else data_dir / f"instance-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder) as is_ours:
            if is_ours:
                yield folder
                return
    raise RuntimeError(f"{INSTANCES} programs use {data_dir} already")


def is_second(data_dir: Path, folder: Path) -> bool:
    """Whether `claimed` gave a folder in the data folder, as another program has that."""
    return folder != data_dir and folder.is_relative_to(data_dir) and not folder.name.startswith(COMMAND)


@contextlib.contextmanager
def command_folder(data_dir: Path, outputs: Path) -> Iterator[Path]:
    """For a command that saves in `outputs`; gone when it ends, but for pictures that it could not save."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as lock:
        folder = _new_folder(data_dir, lock)
        try:
            (folder / OUTPUTS).write_text(str(outputs), encoding="utf-8")
            yield folder
        finally:
            lock.close()  # a file that is open cannot be removed everywhere
            _remove(folder)


def take_pictures(data_dir: Path, outputs: Path, ours: Path) -> None:
    """What commands that have ended could not save in `outputs`, to what waits in the folder `ours`. Those of a killed
    one that saved elsewhere stay for the next that does; what holds none is removed."""
    for folder in sorted(data_dir.glob(f"{COMMAND}*")):
        if folder == ours:
            continue
        try:
            with _locked(folder) as is_ours:
                if not is_ours:
                    continue
                if _saves_in(folder) in (None, outputs):
                    _move_pictures(folder / WAITING, ours / WAITING)
            _remove(folder)
        except OSError as error:
            log.warning("What waits in %s is not taken over now: %s", folder, error)


def _new_folder(data_dir: Path, lock: contextlib.ExitStack) -> Path:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=COMMAND, dir=data_dir))
        with contextlib.suppress(FileNotFoundError):  # another program took it for one that was left
            if lock.enter_context(_locked(folder)) and (folder / LOCK).exists():
                return folder


def _saves_in(folder: Path) -> Path | None:
    """None: it was killed before it said so."""
    with contextlib.suppress(OSError, ValueError):
        return Path((folder / OUTPUTS).read_text(encoding="utf-8"))
    return None


def left_elsewhere(data_dir: Path) -> Iterator[tuple[Path, int]]:
    """Where commands that have ended would have saved pictures, and how many."""
    for waiting in sorted(data_dir.glob(f"{COMMAND}*/{WAITING}")):
        with contextlib.suppress(OSError):  # gone meanwhile
            with _locked(waiting.parent) as is_ours:
                count = sum(1 for _ in waiting.iterdir()) if is_ours else 0
            if count and (outputs := _saves_in(waiting.parent)) is not None:
                yield outputs, count


def _remove(folder: Path) -> None:
    """Unless a picture waits in it."""
    with contextlib.suppress(OSError):
        (folder / WAITING).rmdir()
    if not (folder / WAITING).exists():
        shutil.rmtree(folder, ignore_errors=True)


def take_over(data_dir: Path, database: Database) -> None:
    """What other programs left in their folders, into the first one's `database`, behind what waits there. A program
    that ends in between does it again at the next start: jobs and experiments are known by their ids. What cannot be
    had now stays where it is."""
    for folder in sorted(data_dir.glob("instance-*"), key=lambda one: (len(one.name), one.name)):
        try:
            _copy(folder / LEAVING, database)
            with _locked(folder) as is_ours:
                if is_ours:
                    _take(folder)
                    _move_pictures(folder / WAITING, data_dir / WAITING)
            _copy(folder / LEAVING, database)
        except (OSError, StorageError, sqlite3.Error) as error:
            log.warning("What waits in %s is not taken over now: %s", folder, error)


def _take(folder: Path) -> None:
    """From now on no program that uses the folder knows of its queue. Raises OSError, StorageError."""
    path = folder / JOBS
    if path.exists():
        Database(path, SCHEMA).close()  # what it keeps apart goes into the file
        if not path.with_name(f"{JOBS}-wal").exists():
            path.rename(folder / LEAVING)


def _copy(path: Path, database: Database) -> None:
    """All of it, and then it is gone. Raises OSError, StorageError, sqlite3.Error."""
    if not path.exists():
        return
    with contextlib.closing(Database(path, SCHEMA)) as other:
        rows = _read(other)
    with database.transaction() as connection:
        for table, copy in _COPIES.items():
            copy(connection, table, rows[table])
    path.unlink()


def _read(other: Database) -> dict[str, list[dict[str, object]]]:
    """Raises Unavailable."""
    for _ in range(2):  # a damaged one is begun anew, and read again
        with contextlib.suppress(Unavailable):
            return _rows_of(other)
    return _rows_of(other)


def _rows_of(other: Database) -> dict[str, list[dict[str, object]]]:
    with other.reading() as connection:
        return {table: _rows(connection, table) for table in _COPIES}


def _rows(connection: sqlite3.Connection, table: str) -> list[dict[str, object]]:
    """In order, without the place in it."""
    rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")]
    for row in rows:
        row.pop("number", None)
    return rows


def _add(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, object]]) -> None:
    """But those that are there."""
    for row in rows:
        statement = f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        connection.execute(statement, tuple(row.values()))


def _add_uses(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, object]]) -> None:
    """The later use of a model counts."""
    connection.executemany(
        f"INSERT INTO {table} VALUES (:model, :at) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)", rows
    )


def _add_forms(connection: sqlite3.Connection, table: str, rows: Sequence[dict[str, object]]) -> None:
    """In the order in which they were kept, so that a form shows what it showed last, in whichever program."""
    known = {tuple(row.values()) for row in [*_rows(connection, table), *rows]}
    connection.execute(f"DELETE FROM {table}")
    connection.executemany(f"INSERT INTO {table} (tab, fields, kept) VALUES (?, ?, ?)", list(known))
    connection.execute(f"CREATE TEMP TABLE by_time AS SELECT tab, fields, kept FROM {table} ORDER BY kept")
    connection.execute(f"DELETE FROM {table}")
    connection.execute(f"INSERT INTO {table} (tab, fields, kept) SELECT * FROM by_time ORDER BY rowid")
    connection.execute("DROP TABLE temp.by_time")


_COPIES = {  # in this order: images belong to jobs
    "jobs": _add,
    "job_images": _add,
    "experiments": _add,
    "experiment_cells": _add,
    "made_requests": _add,
    "model_uses": _add_uses,
    "forms": _add_forms,
}


def _move_pictures(waiting: Path, ours: Path) -> None:
    """Finished ones that could not be saved yet. Raises OSError."""
    if waiting.is_dir():
        ours.mkdir(exist_ok=True)
        for file in waiting.iterdir():
            file.replace(ours / file.name)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether the folder is this program's now, until the block ends or the process dies."""
    with (folder / LOCK).open("a+b") as file:
        yield _lock(file)


def _lock(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
