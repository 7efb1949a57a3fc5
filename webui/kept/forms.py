"""What the form of each tab shows: kept over reloads and restarts, with the states before it, for undo."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pipelines.shared_database import Database

STEPS = 50  # states of a tab that can be gone back to
BOUNCE = 20.0  # seconds; a form that shows within them what it showed before what it shows was filled in by the page
BURST = 2.0  # seconds; changes of one field that follow each other so quickly are one step back


class Forms:
    """Forms in SQLite: field -> JSON value. Each method is one transaction and may be called from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def current(self, tab: str) -> dict[str, Any] | None:
        """What the form showed last."""
        with self._database.reading() as connection:
            found = _newest(connection, tab, 1)
        return found[0].fields if found else None

    def keep(self, tab: str, fields: Mapping[str, Any]) -> None:
        """The form shows this now."""
        text, now = json.dumps(fields), self._clock()
        with self._database.transaction() as connection:
            found = _newest(connection, tab, 2)
            change = _changed(found[0].fields, fields) if found else set()
            if found and not change:
                return
            if len(found) == 2 and not _changed(found[1].fields, fields) and 0 <= now - found[0].kept < BOUNCE:
                # a page tells of each field that it fills in, and a slow one of a form that is half filled in
                connection.execute("DELETE FROM forms WHERE number = ?", (found[0].number,))
                return
            typing = len(found) == 2 and len(change) == 1 and change == _changed(found[1].fields, found[0].fields)
            if typing and 0 <= now - found[0].kept < BURST:
                statement = "UPDATE forms SET fields = ?, kept = ? WHERE number = ?"
                connection.execute(statement, (text, now, found[0].number))
                return
            connection.execute("INSERT INTO forms (tab, fields, kept) VALUES (?, ?, ?)", (tab, text, now))
            connection.execute(
                "DELETE FROM forms WHERE tab = ? AND number NOT IN"
                " (SELECT number FROM forms WHERE tab = ? ORDER BY number DESC LIMIT ?)",
                (tab, tab, STEPS + 1),
            )

    def undo(self, tab: str) -> dict[str, Any] | None:
        """The state before, which is now the newest; None when there is none."""
        with self._database.transaction() as connection:
            found = _newest(connection, tab, 2)
            if len(found) < 2:
                return None
            connection.execute("DELETE FROM forms WHERE number = ?", (found[0].number,))
        return found[1].fields


class _State(NamedTuple):
    number: int
    fields: dict[str, Any]
    kept: float  # seconds since 1970


def _newest(connection: sqlite3.Connection, tab: str, count: int) -> list[_State]:
    rows = connection.execute(
        "SELECT number, fields, kept FROM forms WHERE tab = ? ORDER BY number DESC LIMIT ?", (tab, count)
    )
    return [_State(row["number"], _fields(row["fields"]), row["kept"]) for row in rows]


def _fields(text: str) -> dict[str, Any]:
    """A damaged form is an empty one."""
    try:
        data = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    return {name for name in {*before, *now} if before.get(name) != now.get(name)}
