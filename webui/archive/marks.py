"""Stars, tags, scores and what came of making a picture again: no picture file says them, so none is thrown away.

A file of its own, beside the index. Its keys are marks of pixels (`entries.pixel_mark`), not places: a picture keeps
its stars when it is moved, renamed, deleted and restored, and its pixel-identical copies share them. What was proved
is said of a file's bytes (`entries.digest_of`), so that an edited copy, whose record is the same, does not share it.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipelines.database import Schema, opened
from pipelines.errors import InvalidRequest
from webui.archive.entries import clean
from webui.archive.search import RATINGS, TAG_LIMIT

FILE = "marks.sqlite"
SCHEMA = Schema(
    steps=(
        """
CREATE TABLE ratings (mark TEXT PRIMARY KEY, rating INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tags (mark TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (mark, tag)) WITHOUT ROWID;
CREATE INDEX tags_by_name ON tags (tag, mark);
""",
        """
CREATE TABLE proofs (
    digest TEXT PRIMARY KEY,                   -- of the file that was compared
    verdict TEXT NOT NULL,                     -- one of `entries.VERDICTS`
    at TEXT NOT NULL,                          -- when, with its UTC offset
    told TEXT NOT NULL                         -- the whole report, as JSON
) WITHOUT ROWID;
CREATE INDEX proofs_by_verdict ON proofs (verdict);
""",
        """
CREATE TABLE scores (
    mark TEXT PRIMARY KEY,
    score REAL NOT NULL,                       -- -1 … 1, the higher the better
    judge TEXT NOT NULL,                       -- what scored it last
    sha256 TEXT NOT NULL                       -- ... and its file
) WITHOUT ROWID;
""",
    )
)


def prepare(path: Path) -> None:
    """Makes the file, or checks it. A damaged one is set aside, never deleted. Raises StorageError."""
    opened(path, SCHEMA).close()


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


def score(database: sqlite3.Connection, scores: Mapping[str, float], judge: str, sha256: str) -> None:
    """By mark; what was measured before goes. Likewise."""
    rows = [(mark, score, judge, sha256) for mark, score in scores.items()]
    database.executemany("INSERT OR REPLACE INTO marks.scores VALUES (?, ?, ?, ?)", rows)


def tag(database: sqlite3.Connection, marks: Sequence[str], add: Iterable[str], remove: Iterable[str]) -> None:
    """Likewise. Raises InvalidRequest."""
    added = [(mark, tidy_tag(one)) for one in add for mark in marks]
    removed = [(mark, one) for one in remove for mark in marks]
    database.executemany("DELETE FROM marks.tags WHERE mark = ? AND tag = ?", removed)
    database.executemany("INSERT OR IGNORE INTO marks.tags VALUES (?, ?)", added)
