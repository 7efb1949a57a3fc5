"""The job table: what was asked for, in order, kept until it is done. It knows nothing of engines or pictures."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pipelines.errors import PLAIN, InvalidRequest, Note
from pipelines.shared_database import Database

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
QUEUE_LIMIT = 10_000  # jobs waiting at once
DEATHS = 2  # a job in which the worker died so often is not tried again
GRID = -1  # the grid's place among a job's images
KEPT = 2_000  # finished jobs that a page may still ask for
_PRUNED = """
CREATE TEMP TABLE pruned AS SELECT id FROM jobs
WHERE state IN ('done', 'failed', 'cancelled')
  AND number <= coalesce(
    (SELECT number FROM jobs WHERE state IN ('done', 'failed', 'cancelled') ORDER BY number DESC LIMIT 1 OFFSET ?), -1)
  AND id NOT IN (SELECT job_id FROM experiment_cells JOIN experiments ON experiments.id = experiment_id
                 WHERE experiments.state = 'running' AND job_id IS NOT NULL)
"""


_NOTE_USE = (
    "INSERT OR REPLACE INTO model_uses (model, at)"
    " SELECT json_extract(payload, '$.model'), (julianday('now') - 2440587.5) * 86400.0"
    " FROM jobs WHERE id = ? AND kind = 'generate' AND json_extract(payload, '$.model') IS NOT NULL"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    id: str
    number: int
    kind: str
    state: JobState
    payload: dict[str, Any]
    images: int
    next_batch: int
    attempts: int  # since the last batch that was finished: more than one, where something ended the program in it
    deaths: int  # of the worker, while this job ran
    made_at: float  # seconds since 1970
    error: Note | None  # a field that is at fault is among its values
    outcome: dict[str, Any] | None


def _job(row: sqlite3.Row) -> Job:
    unused = ("error_field",)
    values = {name: row[name] for name in row.keys() if name not in unused}  # noqa: SIM118  (a Row is no mapping)
    values["payload"] = _object(row["payload"])
    values["outcome"] = _object(row["outcome"]) if row["outcome"] else None
    values["error"] = _note(row["error"], row["error_field"])
    return Job(**values)


def _object(text: str) -> dict[str, Any]:
    """What a row holds. A damaged one must end neither the queue nor the page: it is empty, and what it lacks is told
    when the job runs."""
    try:
        data = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _note(text: str | None, field: str | None) -> Note | None:
    """What a row tells; version 0.1.0 wrote a sentence, and the field that it begins with."""
    if text is None:
        return None
    if data := _object(text):
        return Note.from_json(data)
    return Note(PLAIN, text=text, **({"field": field} if field else {}))


def _note_text(note: Note | None) -> str | None:
    return None if note is None else json.dumps(note.to_json(), ensure_ascii=False)


def _waiting(at_work: Collection[str] | None) -> tuple[str, tuple[str, ...]]:
    """A condition, and its values."""
    if at_work is None:
        return "state = 'queued'", ()
    return f"state = 'queued' OR (state = 'running' AND id NOT IN ({', '.join('?' * len(at_work))}))", tuple(at_work)


def _in_order(connection: sqlite3.Connection) -> Iterator[Job]:
    for state in ("running", "queued"):
        yield from map(_job, connection.execute("SELECT * FROM jobs WHERE state = ? ORDER BY number", (state,)))


class JobTable:
    """Jobs in SQLite. Each method is one transaction and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, kind: str, payload: dict[str, Any], images: int) -> Job:
        return self.add_many([(kind, payload, images)])[0]

    def add_many(self, wishes: Sequence[tuple[str, dict[str, Any], int]]) -> list[Job]:
        """Appends to the queue in order, all or none."""
        ids = [uuid.uuid4().hex for _ in wishes]
        with self._database.transaction() as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()
            if waiting + len(wishes) > QUEUE_LIMIT:
                raise InvalidRequest("queue", "queue_full", limit=QUEUE_LIMIT, waiting=waiting, value=len(wishes))
            connection.executemany(
                "INSERT INTO jobs (id, kind, state, payload, images) VALUES (?, ?, 'queued', ?, ?)",
                [
                    (job_id, kind, json.dumps(payload, ensure_ascii=False), images)
                    for job_id, (kind, payload, images) in zip(ids, wishes, strict=True)
                ],
            )
            marks = ", ".join("?" * len(ids))
            rows = connection.execute(f"SELECT * FROM jobs WHERE id IN ({marks}) ORDER BY number", ids)
            return [_job(row) for row in rows]

    def get(self, job_id: str) -> Job | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return _job(row) if row else None

    def take(self, at_work: Collection[str] | None = None, job_id: str | None = None) -> Job | None:
        """The first job of the queue, or this one, now running; None when nothing waits. `at_work`: all that runners
        have; another one that counts as running was taken when the disk failed to say so, and is taken again."""
        waits, values = _waiting(at_work)
        if job_id is not None:
            waits, values = f"id = ? AND ({waits})", (job_id, *values)
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1"
                f" WHERE number = (SELECT min(number) FROM jobs WHERE {waits}) RETURNING *",
                values,
            ).fetchone()
        return _job(row) if row else None

    def waiting(self, at_work: Collection[str], limit: int) -> list[Job]:
        """The first of those that `take` may give."""
        waits, values = _waiting(at_work)
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT * FROM jobs WHERE {waits} ORDER BY number LIMIT ?", (*values, limit))
            return list(map(_job, rows))

    def queue_position(self, job: Job) -> int:
        """How many jobs go before this one."""
        with self._database.reading() as connection:
            (before,) = connection.execute(
                "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND number < ?", (job.number,)
            ).fetchone()
        return int(before)

    def unfinished(self) -> list[Job]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM jobs WHERE state IN ('queued', 'running') ORDER BY number")
            return [_job(row) for row in rows]

    def queue(self, limit: int) -> tuple[list[tuple[Job, int]], int]:
        """The first jobs of the queue, what runs before what waits, each with how many of its pictures are saved; and
        how many jobs there are in all. As quick with thousands as with one."""
        with self._database.reading() as connection:
            (total,) = connection.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()
            jobs = list(islice(_in_order(connection), limit))
            saved = "SELECT count(*) FROM job_images WHERE job_id = ? AND place != ?"
            found = [(job, connection.execute(saved, (job.id, GRID)).fetchone()[0]) for job in jobs]
        return found, int(total)

    def first(self, suits: Callable[[Job], bool]) -> Job | None:
        """The first such job of the queue, what runs before what waits; none of an experiment's."""
        with self._database.reading() as connection:
            found = (job for job in _in_order(connection) if suits(job))
            cell = "SELECT EXISTS (SELECT 1 FROM experiment_cells WHERE job_id = ?)"
            return next((job for job in found if not connection.execute(cell, (job.id,)).fetchone()[0]), None)

    def queue_behind(self, job: Job) -> int:
        """How many jobs come after this one."""
        with self._database.reading() as connection:
            (behind,) = connection.execute(
                "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND number > ?", (job.number,)
            ).fetchone()
        return int(behind)

    def idle(self) -> bool:
        """Whether no job waits or runs."""
        with self._database.reading() as connection:
            (busy,) = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM jobs WHERE state IN ('queued', 'running'))"
            ).fetchone()
        return not busy

    def advance(self, job_id: str, next_batch: int) -> None:
        """All pictures before this batch are kept."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE jobs SET next_batch = ?, attempts = 1 WHERE id = ?", (next_batch, job_id))

    def add_image(self, job_id: str, place: int, saved: dict[str, Any]) -> None:
        """Nothing, for a job that was forgotten meanwhile."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO job_images (job_id, place, saved) SELECT id, ?, ? FROM jobs WHERE id = ?",
                (place, json.dumps(saved, ensure_ascii=False), job_id),
            )

    def images(self, job_id: str) -> dict[int, dict[str, Any]]:
        """What is saved of this job: place (or GRID) -> JSON of SavedImage."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT place, saved FROM job_images WHERE job_id = ? ORDER BY place", (job_id,))
            return {row["place"]: saved for row in rows if (saved := _object(row["saved"]))}

    def needs_archive(self, root: Path) -> bool:
        """Whether this folder was there before: a picture of a job was saved in it, or one that waits begins with a
        picture that is kept there."""
        start = f"{root}{os.sep}"
        with self._database.reading() as connection:
            (found,) = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM job_images WHERE substr(json_extract(saved, '$.path'), 1, ?) = ?)"
                " OR EXISTS (SELECT 1 FROM jobs WHERE state IN ('queued', 'running') AND coalesce("
                "json_extract(payload, '$.init.image'), json_extract(payload, '$.upscale.image')) IS NOT NULL)",
                (len(start), start),
            ).fetchone()
        return bool(found)

    def model_uses(self) -> dict[str, float]:
        """Model -> when it last made a picture, seconds since 1970."""
        with self._database.reading() as connection:
            return {row["model"]: row["at"] for row in connection.execute("SELECT model, at FROM model_uses")}

    def asked(self, limit: int) -> list[tuple[float, str, str]]:
        """Of the newest runs that were made: when they were asked for, and their two prompts."""
        prompts = ("prompt", "negative_prompt")
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT payload, made_at FROM jobs WHERE state = 'done' AND kind = 'generate'"
                " ORDER BY number DESC LIMIT ?",
                (limit,),
            )
            found = [(row["made_at"], _object(row["payload"])) for row in rows]
        return [(at, *(str(payload.get(name) or "") for name in prompts)) for at, payload in found]

    def finish(
        self,
        job_id: str,
        state: JobState,
        *,
        error: Note | None = None,
        outcome: dict[str, Any] | None = None,
    ) -> None:
        text = json.dumps(outcome, ensure_ascii=False) if outcome is not None else None
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, error = ?, outcome = ? WHERE id = ?",
                (state, _note_text(error), text, job_id),
            )
            if state == "done":
                connection.execute(_NOTE_USE, (job_id,))

    def cancel_queued(self, job_id: str) -> bool:
        """True when it was waiting and now never runs."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state = 'queued'", (job_id,)
            )
            return found.rowcount == 1

    def cancel_all_queued(self) -> list[str]:
        """All that waited; those never run."""
        with self._database.transaction() as connection:
            rows = connection.execute("UPDATE jobs SET state = 'cancelled' WHERE state = 'queued' RETURNING id")
            return [row["id"] for row in rows]

    def recover(self) -> None:
        """After a crash, a power cut or a closed program: what was running waits again, at its old place."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")

    def requeue(self, job: Job) -> None:
        """The worker died in it: back to its place in the queue."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'queued', deaths = ? WHERE id = ? AND state = 'running'",
                (job.deaths + 1, job.id),
            )

    def prune(self, kept: int = KEPT) -> int:
        """Forgets all but the newest `kept` finished jobs; their pictures stay, in the archive. An experiment that is
        not over needs its own. How many were forgotten."""
        with self._database.transaction() as connection:
            connection.execute(_PRUNED, (kept,))
            connection.execute("DELETE FROM job_images WHERE job_id IN (SELECT id FROM temp.pruned)")
            found = connection.execute("DELETE FROM jobs WHERE id IN (SELECT id FROM temp.pruned)")
            connection.execute("DROP TABLE temp.pruned")
            return found.rowcount

    def pause(self, job: Job) -> None:
        """The program is closing: back to the queue without counting as an attempt."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET state = 'queued', attempts = min(attempts, ?) WHERE id = ? AND state = 'running'",
                (job.attempts - 1, job.id),
            )
