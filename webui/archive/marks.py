"""Stars and tags: the only thing in the archive that no picture file says, so it is never thrown away.

A file of its own, beside the index. Its keys are marks of pixels (`entries.pixel_mark`), not places: a picture keeps
its stars when it is moved, renamed, deleted and restored, and its pixel-identical copies share them.
"""

from __future__ import annotations

import logging
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipelines.errors import InvalidRequest, StorageError
from webui.archive.entries import clean
from webui.archive.search import RATINGS, TAG_LIMIT

log = logging.getLogger(__name__)

_VERSION = 1
_TABLES = """
CREATE TABLE ratings (mark TEXT PRIMARY KEY, rating INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tags (mark TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (mark, tag)) WITHOUT ROWID;
CREATE INDEX tags_by_name ON tags (tag, mark);
"""


def prepare(path: Path) -> None:
    """Makes the file, or checks it. A damaged one is set aside, never deleted. Raises StorageError."""
    try:
        _prepare(path)
    except sqlite3.OperationalError as error:
        raise StorageError("marks_closed", reason=str(error), file=str(path)) from error
    except sqlite3.DatabaseError:
        aside = _aside(path)
        log.error("The stars and tags in %s cannot be read; the file is kept as %s", path, aside.name)
        _prepare(path)


def _prepare(path: Path) -> None:
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise StorageError("marks_newer", file=str(path))
        database.execute("PRAGMA journal_mode = WAL")
        if version < _VERSION:
            database.execute("BEGIN IMMEDIATE")  # another program may be making it
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version < _VERSION:
                for statement in _TABLES.split(";"):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")
            database.execute("COMMIT")
    finally:
        database.close()


def _aside(path: Path) -> Path:
    for number in range(1, 1000):
        aside = path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")
        if not aside.exists():
            path.rename(aside)
            for ending in ("-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
            return aside
    raise StorageError("marks_damaged", file=str(path))


def tidy_tag(tag: str) -> str:
    """A tag as it is kept. Raises InvalidRequest."""
    tidy = " ".join(clean(unicodedata.normalize("NFKC", tag)).split())
    if not tidy or len(tidy) > TAG_LIMIT or "," in tidy:
        raise InvalidRequest("tag", "tag_rule", limit=TAG_LIMIT, value=tag[:80])
    return tidy


def rate(database: sqlite3.Connection, marks: Iterable[str], rating: int) -> None:
    """0 takes the stars away. `database` has the file attached as `marks`, in a transaction. Raises InvalidRequest."""
    if not 0 <= rating <= RATINGS:
        raise InvalidRequest("rating", "whole_number", low=0, high=RATINGS, value=rating)
    if rating:
        rows = [(mark, rating) for mark in marks]
        database.executemany("INSERT OR REPLACE INTO marks.ratings VALUES (?, ?)", rows)
    else:
        database.executemany("DELETE FROM marks.ratings WHERE mark = ?", [(mark,) for mark in marks])


def tag(database: sqlite3.Connection, marks: Sequence[str], add: Iterable[str], remove: Iterable[str]) -> None:
    """Likewise. Raises InvalidRequest."""
    added = [(mark, tidy_tag(one)) for one in add for mark in marks]
    removed = [(mark, one) for one in remove for mark in marks]
    database.executemany("DELETE FROM marks.tags WHERE mark = ? AND tag = ?", removed)
    database.executemany("INSERT OR IGNORE INTO marks.tags VALUES (?, ?)", added)
