"""The index's tables and how an entry gets into them. `History` is what others use."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines import database as sqlite
from pipelines.database import Schema
from webui.archive.entries import Entry, clean
from webui.archive.search import TOKENIZER, numbers_of, spaced
from webui.archive.store import SavedImage

NumberIn = Callable[[str], int | None]  # the number in a file's name

VERSION = 8
_DAY = re.compile(r"(^|/)\d{4}-\d\d-\d\d$")
_LAST_COUNTER = 99_999_999
_END = 2**63 - 1
_YOUNG = 10.0  # seconds
_ROOM = 65_536  # kB, while all rows are written: else pages of the table's indexes are written again and again
NAMES = (
    "token", "path", "folder", "kind", "seed", "width", "height", "task", "model", "sampler",
    "mark", "source", "stamp", "size", "trashed", "made", "made_at", "problem", "digest", "prompt",
)  # fmt: skip
_COLUMNS = """
    number INTEGER PRIMARY KEY,                -- the order: see `search.numbers_of`
    token TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,                        -- below the root, with /
    folder TEXT NOT NULL,                      -- the same without the file's name
    kind TEXT NOT NULL,
    seed INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    task TEXT NOT NULL,
    model TEXT NOT NULL,
    sampler TEXT NOT NULL,
    mark TEXT NOT NULL,                        -- what stars and tags hang on
    source TEXT NOT NULL,                      -- the mark of the picture it was made from
    stamp INTEGER NOT NULL,                    -- nanoseconds and bytes: has the file changed?
    size INTEGER NOT NULL,
    trashed INTEGER NOT NULL,
    made REAL NOT NULL,                        -- seconds since 1970
    made_at TEXT NOT NULL,
    problem TEXT NOT NULL,                     -- why it cannot be read, as JSON of a note; empty: it can
    digest TEXT NOT NULL,                      -- what was proved of the file hangs on it
    prompt TEXT NOT NULL,
    late INTEGER NOT NULL DEFAULT 0,           -- its number is one of a later time than its own: a clock was set back
    gone INTEGER NOT NULL DEFAULT 0            -- kept, so that paging from a deleted image goes on
"""
_TABLES = (
    f"CREATE TABLE images ({_COLUMNS})",
    "CREATE INDEX images_there ON images (trashed) WHERE gone = 0",
    *(
        f"CREATE INDEX images_by_{name} ON images ({name}, trashed) WHERE gone = 0"
        for name in ("model", "sampler", "seed", "task", "source", "folder")
    ),
    "CREATE INDEX images_by_size ON images (width, height, trashed) WHERE gone = 0",
    "CREATE INDEX images_by_pixels ON images (width * height) WHERE gone = 0",
    "CREATE INDEX images_by_mark ON images (mark, gone)",
    "CREATE INDEX images_by_digest ON images (digest) WHERE gone = 0 AND digest <> ''",
    "CREATE INDEX images_late ON images (made, number) WHERE late = 1",
    # contentless: the prompts stand in `images` already
    f"""CREATE VIRTUAL TABLE words USING fts5 (prompt, content = '', columnsize = 0, tokenize = "{TOKENIZER}")""",
)
_INSERT = f"INSERT INTO images ({', '.join(NAMES)}) VALUES ({', '.join('?' * len(NAMES))})"
_NUMBERED = f"INSERT INTO images (number, late, {', '.join(NAMES)}) VALUES ({', '.join('?' * (len(NAMES) + 2))})"
_UPDATE = f"UPDATE images SET {', '.join(f'{name} = ?' for name in NAMES)}, gone = 0 WHERE number = ?"


# an index: a power cut may cost its last rows, and a refresh brings them back
SCHEMA = Schema(steps=(";\n".join(_TABLES) + ";",), first=VERSION, throwaway=True, synchronous="NORMAL")


def opened(path: Path, marks: Path, number_in: NumberIn) -> sqlite3.Connection:
    """A connection with the stars and tags attached; an index of another version is emptied. Raises StorageError."""
    database = sqlite.opened(path, SCHEMA)
    try:
        database.row_factory = None
        database.create_function("spaced", 1, spaced, deterministic=True)
        database.create_function("first_number", 1, lambda made: numbers_of(made).start, deterministic=True)
        database.create_function("counter", 2, lambda path, seed: _counter(number_in, path, seed), deterministic=True)
        database.execute("ATTACH ? AS marks", (str(marks),))
        database.execute(f"PRAGMA marks.cache_size = -{sqlite.CACHE}")
    except sqlite3.Error:
        database.close()
        raise
    return database


def _counter(number_in: NumberIn, path: str, seed: int) -> int | None:
    """The number in the name of a file where pictures are saved, a folder for each day; None elsewhere. A pattern of
    earlier may have had the seed where the number is now."""
    folder, _, name = path.rpartition("/")
    number = number_in(name) if _DAY.search(folder) else None
    return None if number == seed or number is None or number > _LAST_COUNTER else number


def values(root: Path, entry: Entry) -> tuple[Any, ...]:
    """A row, in the order of `NAMES`."""
    saved = entry.saved
    path = saved.path.relative_to(root).as_posix()
    return (
        saved.id, path, path.rpartition("/")[0], saved.kind, saved.seed, saved.width, saved.height, saved.task,
        entry.model, entry.sampler, entry.mark, entry.source, entry.stamp, entry.size, entry.trashed,
        saved.made_at.timestamp(), saved.made_at.isoformat(),
        clean(json.dumps(entry.problem.to_json(), default=str)) if entry.problem else "", entry.digest,
        saved.prompt,
    )  # fmt: skip


def put(database: sqlite3.Connection, row: tuple[Any, ...], *, newest: bool = False) -> None:
    """A file known by its place is brought up to date; one that went and came back elsewhere keeps its number.
    `newest`: was made just now, so that it comes after all others, whatever the clock says."""
    known = database.execute("SELECT number, prompt FROM images WHERE token = ?", (row[0],)).fetchone()
    if known is None and (mark := row[NAMES.index("mark")]):
        known = database.execute(
            "SELECT number, prompt FROM images WHERE mark = ? AND gone = 1 AND made_at = ? AND kind = ? LIMIT 1",
            (mark, row[NAMES.index("made_at")], row[NAMES.index("kind")]),
        ).fetchone()
    prompt = row[-1]
    if known is None:
        number, is_late = _next_number(database, row[NAMES.index("made")], newest)
        database.execute(_NUMBERED, (number, is_late, *row))
        database.execute("INSERT INTO words (rowid, prompt) VALUES (?, ?)", (number, spaced(prompt)))
        return
    number, before = known
    database.execute(_UPDATE, (*row, number))
    if before != prompt:
        database.execute("INSERT INTO words (words, rowid, prompt) VALUES ('delete', ?, ?)", (number, spaced(before)))
        database.execute("INSERT INTO words (rowid, prompt) VALUES (?, ?)", (number, spaced(prompt)))


def is_young(row: tuple[Any, ...]) -> bool:
    """Whether its picture was made just now, by this machine's clock."""
    return bool(abs(time.time() - row[NAMES.index("made")]) < _YOUNG)


def _next_number(database: sqlite3.Connection, made: float, newest: bool) -> tuple[int, bool]:
    """The next free one of that moment, and False; or of a later one, and True, where that has the `newest` so far."""
    numbers = numbers_of(made)
    if newest:
        (last,) = database.execute("SELECT max(number) FROM images").fetchone()
        if last is not None and numbers[-1] < last < _END:
            return int(last) + 1, True
    (last,) = database.execute(
        "SELECT max(number) FROM images WHERE number BETWEEN ? AND ?", (numbers[0], numbers[-1])
    ).fetchone()
    return (numbers[0] if last is None else int(last) + 1), False


def begin_fresh(database: sqlite3.Connection) -> None:
    """A temporary table for what a walk finds: it may be more than memory should hold."""
    database.execute("DROP TABLE IF EXISTS temp.fresh")
    database.execute(f"CREATE TEMP TABLE fresh ({_COLUMNS.replace(' UNIQUE', '')})")


def keep_fresh(database: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    database.executemany(_INSERT.replace("INTO images", "INTO temp.fresh"), rows)


def fresh_order(database: sqlite3.Connection) -> list[int]:
    """The numbers of what was kept, oldest first."""
    return [number for (number,) in database.execute("SELECT number FROM temp.fresh ORDER BY made, path")]


def fresh_rows(database: sqlite3.Connection, numbers: list[int]) -> list[tuple[Any, ...]]:
    """Rows that were kept, in the order of `numbers`."""
    statement = f"SELECT {', '.join(NAMES)} FROM temp.fresh WHERE number = ?"
    return [database.execute(statement, (number,)).fetchone() for number in numbers]


def unseen(database: sqlite3.Connection) -> list[str]:
    """Paths the index has and the walk did not see: files gone since, or saved since."""
    return [
        path
        for (path,) in database.execute(
            "SELECT path FROM images WHERE gone = 0 AND token NOT IN (SELECT token FROM temp.fresh)"
        )
    ]


def replace_all(database: sqlite3.Connection) -> None:
    """The index becomes what was kept, in one transaction of the caller's: readers see all of it or none."""
    database.execute(f"PRAGMA cache_size = -{_ROOM}")
    try:
        _replace_all(database)
    finally:
        database.execute(f"PRAGMA cache_size = -{sqlite.CACHE}")


def _replace_all(database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM images")
    database.execute("INSERT INTO words (words) VALUES ('delete-all')")
    listed = ", ".join(NAMES)
    # In a folder of a day the numbers in the names are the order. Where the times say otherwise a clock was set back:
    # a picture then counts as made at the latest time of those before it, a grid as its first picture does.
    database.execute(
        f"INSERT INTO images (number, late, {listed})"
        f" SELECT moment + row_number() OVER (PARTITION BY moment ORDER BY since, counter, path) - 1,"
        f" moment > first_number(made), {listed}"
        " FROM (SELECT *, first_number(since) AS moment FROM"
        " (SELECT *, max(made, coalesce(before, made)) AS since FROM"
        " (SELECT *, CASE WHEN counter IS NOT NULL THEN max(CASE WHEN kind = 'image' THEN made END)"
        " OVER (PARTITION BY folder, counter IS NULL ORDER BY counter, kind DESC) END AS before FROM"
        " (SELECT *, counter(path, seed) AS counter FROM temp.fresh))))"
        " ORDER BY 1"
    )
    database.execute("INSERT INTO words (rowid, prompt) SELECT number, spaced(prompt) FROM images ORDER BY number")


def saved_of(root: Path, row: sqlite3.Row | tuple[Any, ...]) -> SavedImage:
    """From (token, path, kind, seed, width, height, task, made_at, prompt)."""
    token, path, kind, seed, width, height, task, made_at, prompt = row
    return SavedImage(
        path=root / path,
        kind=kind,
        seed=seed,
        width=width,
        height=height,
        task=task,
        prompt=prompt,
        made_at=datetime.fromisoformat(made_at),
        id=token,
    )


SAVED = "token, path, kind, seed, width, height, task, made_at, prompt"
