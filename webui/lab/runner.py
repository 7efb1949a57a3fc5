"""Runs experiments: each missing cell as a job of the service, in order; state in SQLite, so that it goes on anywhere.

One thread. It hands one cell in at a time, so that a person's own wishes come between the cells of a long experiment.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from PIL.Image import Image

from pipelines.errors import (
    Cancelled,
    InvalidRequest,
    Note,
    SeedprintError,
    Stopped,
    StorageError,
    Unavailable,
    rebuilt,
)
from pipelines.types import Embedding, Progress
from webui.archive.history import History
from webui.archive.metadata import request_to_json
from webui.archive.store import ImageStore, SavedImage, opaque_id
from webui.jobs.service import GenerationService
from webui.jobs.status import JobStatus
from webui.jobs.trouble import Trouble
from webui.lab.clip import METRIC, Embeddings
from webui.lab.counting import count, save_sheet
from webui.lab.effects import Results
from webui.lab.experiments import Cell, Experiment
from webui.lab.planning import Plan, planned
from webui.lab.reuse import Finished, check_requests, still_gives
from webui.lab.store import CellRow, ExperimentState, LabTable, Row
from webui.proof.measures import Distance

POLL = 0.5  # seconds; a closing program waits this long at most

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentStatus:
    """`version` grows with every change; `wait` returns when it has."""

    id: str
    name: str
    state: ExperimentState
    done: int  # cells
    cells: int
    eta_seconds: float | None = None
    job: JobStatus | None = None  # the cell at work
    seen: int = 0  # pictures that CLIP has looked at, while it is counted
    error: Note | None = None
    grid: SavedImage | None = None  # with labels
    version: int = 0

    @property
    def finished(self) -> bool:
        return self.state != "running"

    @property
    def over(self) -> bool:
        """Finished, and counted."""
        return self.finished and self.job is None


class Lab:
    """Everything a page needs of experiments. Methods may be called from any thread."""

    def __init__(self, service: GenerationService, store: ImageStore, history: History, table: LabTable) -> None:
        self._service, self._store, self._history, self._table = service, store, history, table
        self._embeddings = Embeddings(self._embed)
        self._trouble = Trouble(service.board)
        self._changed = threading.Condition()
        self._versions: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._closing = False
        self._news = False  # an experiment may be waiting
        self._job: tuple[str, str] | None = None  # experiment and job at work
        self._counted, self._seen = "", 0  # the last experiment that ran, and how many pictures CLIP has seen of it
        self._took: list[float] = []  # seconds of the cells made in this run of the experiment at work

    def start(self) -> None:
        """Goes on with what was running when the program ended. The service must be started."""
        with self._changed:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._work, name="lab", daemon=True)
                self._thread.start()
            self._news = True
            self._changed.notify_all()

    def close(self) -> None:
        """Before the service is closed. What runs goes on at the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    # -- wishes -------------------------------------------------------------------------------------------------

    def plan(self, experiment: Experiment) -> Plan:
        """How many pictures, steps, seconds and bytes. Raises InvalidRequest when a model is not there."""
        requests = [cell.request for cell in experiment.cells()]
        check_requests(self._service, requests)
        finished = Finished(self._service, self._store, self._table)
        missing = [request for request in requests if finished.find(request) is None]
        return planned(self._service, len(requests), missing)

    def submit(self, experiment: Experiment) -> str:
        """Starts it, after those started earlier; its id. Raises InvalidRequest, StorageError."""
        plan = self.plan(experiment)
        if plan.bytes * 2 > self._store.free_bytes():
            raise StorageError("lab_no_room", pictures=plan.cells)
        identity = self._table.add(experiment.name, experiment.to_json(self._store.inputs), plan.cells)
        self.start()
        return identity

    def go_on(self, identity: str) -> None:
        """A stopped or failed experiment runs again; what is finished is not made again."""
        row = self._table.get(identity)
        if row is not None and row.state in {"cancelled", "failed"}:
            self._table.set_state(identity, "running")
            self._touch(identity)
            self.start()

    def cancel(self, identity: str) -> None:
        """Ends it within one step. Finished cells stay, and are counted."""
        row = self._table.get(identity)
        if row is None or row.state != "running":
            return
        self._table.set_state(identity, "cancelled")
        with self._changed:
            job = self._job[1] if self._job is not None and self._job[0] == identity else None
        if job is not None:
            self._service.cancel(job)
        self._touch(identity)

    # -- looking ------------------------------------------------------------------------------------------------

    def recent(self, limit: int) -> list[Row]:
        return self._table.recent(limit)

    def experiment(self, identity: str) -> Experiment | None:
        row = self._table.get(identity)
        return Experiment.from_json(row.plan, self._store.inputs) if row else None

    def results(self, identity: str) -> Results | None:
        """What was counted, once it is over."""
        row = self._table.get(identity)
        return Results.from_json(row.results) if row and row.results else None

    def saved(self, cell: Cell, path: Path) -> SavedImage:
        """A cell's picture as the archive knows it."""
        request = cell.request
        return SavedImage(
            path=path,
            kind="image",
            seed=cell.seed,
            width=request.size[0],
            height=request.size[1],
            task=request.task,
            prompt=request.prompt,
            made_at=datetime.fromtimestamp(path.stat().st_mtime).astimezone(),
            id=opaque_id(self._store.root, path),
        )

    def pictures(self, identity: str) -> list[tuple[Cell, Path | None]]:
        """Every cell and its file, None while it is not made or when it is gone."""
        experiment = self.experiment(identity)
        if experiment is None:
            return []
        return list(zip(experiment.cells(), map(_present, self._table.cells(identity)), strict=True))

    def status(self, identity: str) -> ExperimentStatus | None:
        with self._changed:
            version = self._versions.get(identity, 0)  # first: what changes from here on is news to `wait`
        row = self._table.get(identity)
        if row is None:
            return None
        cells = self._table.cells(identity)
        done = sum(cell.path is not None for cell in cells)
        with self._changed:
            job = self._job[1] if self._job is not None and self._job[0] == identity else None
            took, seen = list(self._took) if job is not None else [], self._seen if self._counted == identity else 0
        return ExperimentStatus(
            id=identity,
            name=row.name,
            state=row.state,
            done=done,
            cells=len(cells),
            eta_seconds=sum(took) / len(took) * (len(cells) - done) if took else None,
            job=self._service.status(job) if job is not None else None,
            seen=seen if row.state == "running" else 0,
            error=row.error,
            grid=SavedImage.from_json(row.grid) if row.grid else None,
            version=version,
        )

    def wait(self, identity: str, version: int, timeout: float) -> ExperimentStatus | None:
        """The status once it is newer than `version`, or as it is after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._versions.get(identity, 0) != version, timeout)
        return self.status(identity)

    def _touch(self, identity: str) -> None:
        with self._changed:
            self._versions[identity] = self._versions.get(identity, 0) + 1
            self._changed.notify_all()

    # -- the thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closing:
            with contextlib.suppress(Unavailable):  # it closes
                self._trouble.surely(self._turn, lambda: self._closing)

    def _turn(self) -> None:
        """One experiment, or until there may be one. Raises Unavailable: then it runs again, from what is there."""
        row = self._table.next_to_run()
        if row is None:
            with self._changed:
                self._changed.wait_for(lambda: self._news or self._closing)
                self._news = False
            return
        try:
            self._run(row)
        except Unavailable:
            raise
        except SeedprintError as error:
            self._table.set_state(row.id, "failed", error.told)
        except Exception:  # a bug must not end the lab; its traceback goes to the log
            log.exception("Experiment %s ended by a bug", row.id)
            self._table.set_state(row.id, "failed", Note("bug"))
        finally:
            with self._changed:
                self._job = None
            self._touch(row.id)

    def _run(self, row: Row) -> None:
        """1 each cell that is not there yet, 2 what CLIP sees, 3 the labelled grid, 4 the counted results."""
        experiment = Experiment.from_json(row.plan, self._store.inputs)
        cells, finished = experiment.cells(), Finished(self._service, self._store, self._table)
        with self._changed:
            self._took, self._seen, self._counted = [], 0, row.id
        state: ExperimentState | None = "done"
        error: Note | None = None
        for cell, known in zip(cells, self._table.cells(row.id), strict=True):
            if self._closing or not self._wanted(row.id):
                state = None
                break
            try:
                path = finished.find(cell.request) or self._made(row, cell, known, finished)
            except Unavailable:
                raise
            except SeedprintError as failure:
                state, error = "failed", failure.told
                break
            self._table.set_path(row.id, cell.place, path)
            self._touch(row.id)
        if self._closing:
            return
        self._store.look()
        paths = [_present(cell) for cell in self._table.cells(row.id)]
        try:
            encoder, clip = self._clip(paths)
        except Stopped:
            return  # the program closes: counted at the next start
        except Unavailable:
            raise
        except SeedprintError as failure:
            encoder, clip, error = "", {}, error or Note("clip_not_counted", why=failure.told)
        grid = save_sheet(self._store, self._history, cells, paths, row)
        results = replace(count(experiment, cells, paths, clip), encoder=encoder)
        self._table.finish(row.id, state, error=error, grid=grid, results=results.to_json())

    def _clip(self, paths: Sequence[Path | None]) -> tuple[str, Mapping[str, Distance]]:
        """The name of the first image encoder in the models folders and its distance; nothing when there is none."""
        encoder = next(iter(self._service.image_encoders()), None)
        if encoder is None:
            return "", {}
        return encoder.name, {METRIC: self._embeddings.by(encoder, (path for path in paths if path is not None))}

    def _embed(self, encoder: str, images: Sequence[Image]) -> list[Embedding]:
        before = self._seen

        def on_progress(progress: Progress) -> None:
            if self._closing:
                raise Cancelled("stopped")
            if progress.stage == "embedding":
                self._seen = before + progress.step
                self._touch(self._counted)

        return self._service.embedded(encoder, images, on_progress)

    def _wanted(self, identity: str) -> bool:
        row = self._table.get(identity)
        return row is not None and row.state == "running"

    def _made(self, row: Row, cell: Cell, known: CellRow, finished: Finished) -> Path | None:
        """The cell's picture, by a job; None when the program closes, or the cell was skipped."""
        started = time.perf_counter()
        job_id = self._job_for(row, cell, known)
        with self._changed:
            self._job = (row.id, job_id)
        if not self._wanted(row.id):  # cancelled in the moment before its job was known
            self._service.cancel(job_id)
        job = self._service.status(job_id)
        while job is not None and not job.finished and not self._closing:
            self._touch(row.id)
            job = self._service.wait(job_id, job.version, POLL)
        if job is None or not job.finished:
            return None
        if job.state == "failed":
            raise _failure(job)
        if job.state == "cancelled":
            if self._wanted(row.id):
                self._table.set_state(row.id, "cancelled")
            return None
        if not job.saved:
            return None
        path = job.saved[0].path
        finished.note(cell.request, path)
        with self._changed:
            self._took.append(time.perf_counter() - started)
        return path

    def _job_for(self, row: Row, cell: Cell, known: CellRow) -> str:
        """The job that is at it already, from before a crash or a closed program; else a new one."""
        payload = request_to_json(self._service.planned(cell.request), self._store.inputs)
        earlier = [] if known.path else [known.job_id, self._table.job_of(payload, row.made_at)]
        job_id = next((one for one in earlier if one is not None and still_gives(self._service, one)), None)
        if job_id is None:
            job_id = self._service.submit(cell.request)
        self._table.set_job(row.id, cell.place, job_id)
        return job_id


def _present(cell: CellRow) -> Path | None:
    path = Path(cell.path) if cell.path else None
    return path if path is not None and path.is_file() else None


def _failure(job: JobStatus) -> SeedprintError:
    note = job.error or Note("picture_not_made")
    values = dict(note.values)
    field = values.pop("field", None)
    return rebuilt(SeedprintError if field is None else InvalidRequest, Note(note.code, **values), field)
