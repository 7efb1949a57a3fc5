"""Experiments in SQLite, and which file holds which request: a finished cell is never made twice."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.errors import Note
from pipelines.shared_database import Database

ExperimentState = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An experiment as stored."""

    id: str
    number: int
    name: str
    plan: str  # JSON of the experiment
    state: ExperimentState
    error: Note | None
    grid: Mapping[str, Any] | None  # JSON of SavedImage
    results: str | None  # JSON of the counted results
    made_at: float  # seconds since 1970


@dataclass(frozen=True, kw_only=True, slots=True)
class CellRow:
    job_id: str | None
    path: str | None  # of the finished picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A picture that was made of a request before."""

    path: Path
    model_sha256: str | None
    model_stamp: str


def _row(row: sqlite3.Row) -> Row:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118  (a Row is no mapping)
    return Row(**values | {"grid": json.loads(row["grid"]) if row["grid"] else None, "error": _note(row["error"])})


def _note(text: str | None) -> Note | None:
    """What a row tells; version 0.1.0 wrote a sentence."""
    if text is None:
        return None
    return Note.from_json(json.loads(text) if text.startswith("{") else text)


def _note_text(note: Note | None) -> str | None:
    return None if note is None else json.dumps(note.to_json(), ensure_ascii=False)


class LabTable:
    """Each method is one transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, plan: str, cells: int) -> str:
        """A new experiment, to be run; its id."""
        identity = uuid.uuid4().hex
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO experiments (id, name, plan) VALUES (?, ?, ?)", (identity, name, plan))
            connection.executemany(
                "INSERT INTO experiment_cells (experiment_id, place) VALUES (?, ?)",
                [(identity, place) for place in range(cells)],
            )
        return identity

    def get(self, identity: str) -> Row | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM experiments WHERE id = ?", (identity,)).fetchone()
        return _row(row) if row else None

    def recent(self, limit: int) -> list[Row]:
        """Newest first."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM experiments ORDER BY number DESC LIMIT ?", (limit,)).fetchall()
        return [_row(row) for row in rows]

    def next_to_run(self) -> Row | None:
        """The oldest experiment that is not over."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM experiments WHERE state = 'running' ORDER BY number LIMIT 1"
            ).fetchone()
        return _row(row) if row else None

    def set_state(self, identity: str, state: ExperimentState, error: Note | None = None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE experiments SET state = ?, error = ? WHERE id = ?",
                (state, _note_text(error), identity),
            )

    def finish(
        self,
        identity: str,
        state: ExperimentState | None,
        *,
        error: Note | None = None,
        grid: Mapping[str, Any] | None = None,
        results: str | None = None,
    ) -> None:
        """Notes what came of a run. `state`: how it ended by itself; None keeps the state, as after a cancel."""
        text = json.dumps(grid, ensure_ascii=False) if grid is not None else None
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE experiments SET state = CASE state WHEN 'running' THEN coalesce(?, state) ELSE state END,"
                " error = ?, grid = coalesce(?, grid), results = ? WHERE id = ?",
                (state, _note_text(error), text, results, identity),
            )

    def cells(self, identity: str) -> list[CellRow]:
        """In order of place."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT job_id, path FROM experiment_cells WHERE experiment_id = ? ORDER BY place", (identity,)
            ).fetchall()
        return [CellRow(job_id=row["job_id"], path=row["path"]) for row in rows]

    def set_job(self, identity: str, place: int, job_id: str | None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE experiment_cells SET job_id = ? WHERE experiment_id = ? AND place = ?",
                (job_id, identity, place),
            )

    def set_path(self, identity: str, place: int, path: Path | None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE experiment_cells SET path = ? WHERE experiment_id = ? AND place = ?",
                (str(path) if path else None, identity, place),
            )

    # -- what was made before -----------------------------------------------------------------------------------

    def known(self, request: str) -> list[Known]:
        """Pictures noted for this canonical request, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT path, model_sha256, model_stamp FROM made_requests WHERE request = ? ORDER BY number DESC",
                (request,),
            ).fetchall()
        return [
            Known(path=Path(row["path"]), model_sha256=row["model_sha256"], model_stamp=row["model_stamp"])
            for row in rows
        ]

    def note(self, request: str, known: Known) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO made_requests (request, path, model_sha256, model_stamp) VALUES (?, ?, ?, ?)",
                (request, str(known.path), known.model_sha256, known.model_stamp),
            )

    def forget(self, request: str, path: Path) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM made_requests WHERE request = ? AND path = ?", (request, str(path)))

    def job_of(self, payload: Mapping[str, Any], since: float) -> str | None:
        """The job with this payload handed in after `since` (seconds since 1970) that may still give its picture: a
        crash between handing a cell in and noting its job must not make it twice."""
        text = json.dumps(payload, ensure_ascii=False)
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT id FROM jobs WHERE kind = 'generate' AND payload = ? AND made_at >= ?"
                " AND state IN ('queued', 'running', 'done')"
                " AND id NOT IN (SELECT job_id FROM experiment_cells WHERE job_id IS NOT NULL)"
                " ORDER BY number DESC LIMIT 1",
                (text, since),
            ).fetchone()
        return str(row["id"]) if row else None
