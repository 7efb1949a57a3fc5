"""What the form of each tab shows: kept over reloads and restarts, with the states before it, for undo.

Only what a request accepts is kept: where the form shows something else, the field's last good value stays.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from pipelines.errors import InvalidRequest, Note
from pipelines.fields import field_of
from pipelines.shared_database import Database
from pipelines.types import GenerationRequest

STEPS = 50  # states of a tab that can be gone back to
BOUNCE = 20.0  # seconds; a form that shows within them what it showed before what it shows was filled in by the page
BURST = 2.0  # seconds; changes of one field that follow each other so quickly are one step back
ANY_SEED = -1  # what a form shows of a seed that is left open


class Forms:
    """Forms in SQLite: field -> JSON value. Each method is one transaction and may be called from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def current(self, tab: str) -> dict[str, Any] | None:
        """What the form showed last; None: nothing that can be read, it begins afresh."""
        with self._database.reading() as connection:
            found = _newest(connection, tab, 1)
        return found[0].fields if found else None

    def problem(self, tab: str) -> Note | None:
        """What of the form's newest state cannot be shown; asked before the next one is kept."""
        with self._database.reading() as connection:
            newest = next(_rows(connection, tab), None)
        if newest is None:
            return None
        if (fields := _read(newest["fields"])) is None:
            return Note("form_unreadable")
        names = [name for name, value in fields.items() if _refusal(name, value) is not None]
        return Note("form_left_out", names=tuple(Note("form_field", field=name) for name in names)) if names else None

    def keep(self, tab: str, shown: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> tuple[Note, ...]:
        """The form shows this now; a page that showed `base` before has changed only what differs, and another page's
        changes stay. What is wrong with those of its values that are not kept."""
        refused = {name: told for name, value in shown.items() if (told := _refusal(name, value)) is not None}
        now = self._clock()
        with self._database.transaction() as connection:
            found = _newest(connection, tab, 2)
            good = found[0].fields if found else {}
            same = () if base is None else (name for name in shown if name in base and base[name] == shown[name])
            fields = _accepted(shown) | {name: good[name] for name in (*refused, *same) if name in good}
            _keep(connection, tab, found, _State(0, fields, now))
        return tuple(refused.values())

    def can_undo(self, tab: str) -> bool:
        """Whether there is a state before."""
        with self._database.reading() as connection:
            return len(_newest(connection, tab, 2)) == 2

    def undo(self, tab: str) -> dict[str, Any] | None:
        """The state before, which is now the newest; None when there is none."""
        with self._database.transaction() as connection:
            found = _newest(connection, tab, 2)
            if len(found) < 2:
                return None
            connection.execute("DELETE FROM forms WHERE tab = ? AND number > ?", (tab, found[1].number))
        return found[1].fields


class _State(NamedTuple):
    number: int
    fields: dict[str, Any]
    kept: float  # seconds since 1970


def _keep(connection: sqlite3.Connection, tab: str, found: list[_State], state: _State) -> None:
    """`found`: the newest state and the one before it."""
    text, now = json.dumps(state.fields), state.kept
    change = _changed(found[0].fields, state.fields) if found else set()
    if found and not change:
        return
    if len(found) == 2 and not _changed(found[1].fields, state.fields) and 0 <= now - found[0].kept < BOUNCE:
        # a page tells of each field that it fills in, and a slow one of a form that is half filled in
        connection.execute("DELETE FROM forms WHERE number = ?", (found[0].number,))
        return
    typing = len(found) == 2 and len(change) == 1 and change == _changed(found[1].fields, found[0].fields)
    if typing and 0 <= now - found[0].kept < BURST:
        connection.execute("UPDATE forms SET fields = ?, kept = ? WHERE number = ?", (text, now, found[0].number))
        return
    connection.execute("INSERT INTO forms (tab, fields, kept) VALUES (?, ?, ?)", (tab, text, now))
    connection.execute(
        "DELETE FROM forms WHERE tab = ? AND number NOT IN"
        " (SELECT number FROM forms WHERE tab = ? ORDER BY number DESC LIMIT ?)",
        (tab, tab, STEPS + 1),
    )


def _rows(connection: sqlite3.Connection, tab: str) -> Iterator[sqlite3.Row]:
    """The newest first."""
    statement = "SELECT number, fields, kept FROM forms WHERE tab = ? ORDER BY number DESC"
    yield from connection.execute(statement, (tab,))


def _newest(connection: sqlite3.Connection, tab: str, count: int) -> list[_State]:
    """Of those that can be read."""
    read = ((row, _read(row["fields"])) for row in _rows(connection, tab))
    states = (_State(row["number"], _accepted(fields), row["kept"]) for row, fields in read if fields is not None)
    return list(islice(states, count))


def _read(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _accepted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a request takes, as it takes it."""
    return {name: _asked(name, value) for name, value in fields.items() if _refusal(name, value) is None}


def _refusal(name: str, value: Any) -> Note | None:
    """Why no request would take this value of a field."""
    one = field_of(GenerationRequest, name)
    try:
        if one is None:
            raise InvalidRequest(name, "form_unknown")
        one.check(_asked(name, value))
    except InvalidRequest as error:
        return error.told
    return None


def _asked(name: str, value: Any) -> Any:
    return None if name == "seed" and type(value) in (int, float) and value == ANY_SEED else value


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    return {name for name in {*before, *now} if before.get(name) != now.get(name)}
