"""Where a request becomes a job, a job images, and images files. One worker thread, one job at a time."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL.Image import Image

from pipelines.engine import Engine
from pipelines.errors import Cancelled, InvalidRequest, Note, SeedprintError, Skipped, Stopped, StorageError
from pipelines.fields import shown
from pipelines.types import (
    DIALECTS,
    SEED_END,
    Batch,
    Embedding,
    EngineState,
    GenerationRequest,
    GenerationResult,
    ModelInfo,
    OnProgress,
    Progress,
    PromptReading,
)
from webui.archive import metadata, pictures
from webui.archive.grids import Tile
from webui.archive.history import History
from webui.archive.metadata import request_from_json, request_to_json
from webui.archive.store import ImageStore, SavedImage
from webui.jobs import choices
from webui.jobs.shelf import Shelf
from webui.jobs.status import JobStatus, Pace, Running, reports_of
from webui.jobs.table import GRID, Job, JobKind, JobTable
from webui.library.wildcards import Lists
from webui.proof import sweep
from webui.proof.remade import Remade
from webui.proof.sweep import AgainReport

log = logging.getLogger(__name__)
AGAIN_LIMIT = 2_000  # pictures made again by one job


class GenerationService:
    """Takes wishes, keeps them in the job table, runs them in order, tells how far they are."""

    def __init__(
        self,
        engine: Engine,
        store: ImageStore,
        jobs: JobTable,
        history: History,
        rng: random.Random | None = None,
        lists: Callable[[], Lists] = dict,  # what `__name__` in a prompt draws from
    ) -> None:
        self._engine, self._store, self._jobs, self._history = engine, store, jobs, history
        self._rng, self._lists, self.shelf = rng or random.SystemRandom(), lists, Shelf(engine, jobs)
        self.remade = Remade()
        self._changed = threading.Condition()
        self._running: Running | None = None
        self._versions: dict[str, int] = {}
        self._warnings: dict[str, Note] = {}  # by job
        self._open = False
        self._thread: threading.Thread | None = None
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="image-writer")
        self._indexer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="indexer")

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Goes on with what an earlier run of the program left in the queue."""
        self._store.prepare()
        self._jobs.recover()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()
        self._indexer.submit(self._history.refresh)  # files copied in or deleted while the program was closed

    def close(self) -> None:
        """Stops within one step. What was running goes back to the queue and is finished at the next start."""
        with self._changed:
            self._open = False
            if self._running is not None:
                self._running.closing = True
                self._running.stop = Cancelled
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._writer.shutdown()
        self._indexer.shutdown()
        self._engine.close()

    # -- wishes -------------------------------------------------------------------------------------------------

    def submit(self, request: GenerationRequest) -> str:
        """Queues a run and gives its id. An empty seed is drawn now, so that a resumed run makes the same images."""
        return self.submit_many([request])[0]

    def submit_many(self, requests: list[GenerationRequest]) -> list[str]:
        wishes: list[tuple[JobKind, dict[str, Any], int]] = []
        checked: set[tuple[str, ...]] = set()
        for request in map(self.shelf.settled, requests):
            named = (request.model, request.prompt, request.negative_prompt, request.vae)
            if named not in checked:  # many requests of an experiment name the same files
                self.check(request)
                checked.add(named)
            self._store.check_space(request)
            drawn = self.planned(request)
            drawn = drawn if drawn.seed is not None else replace(drawn, seed=self._rng.randrange(SEED_END))
            wishes.append(("generate", request_to_json(drawn, self._store.inputs), drawn.images))
        return self._add(wishes)

    def submit_again(self, *paths: Path) -> str:
        """Queues making these images again, to compare. Nothing is saved."""
        if not 1 <= len(paths) <= AGAIN_LIMIT:
            raise InvalidRequest("files", "pictures_count", limit=AGAIN_LIMIT, value=len(paths))
        for path in paths:
            if not path.is_file():
                raise InvalidRequest("file", "picture_lost", value=path.name)
        return self._add([("again", {"paths": [str(path) for path in paths]}, len(paths))])[0]

    def _add(self, wishes: list[tuple[JobKind, dict[str, Any], int]]) -> list[str]:
        added = self._jobs.add_many(wishes)
        with self._changed:
            self._changed.notify_all()
        return [job.id for job in added]

    def planned(self, request: GenerationRequest) -> GenerationRequest:
        """The request as it is queued: one with choices makes its images one by one. Raises InvalidRequest."""
        return choices.planned(request, self._lists())

    def check(self, request: GenerationRequest) -> None:
        """Raises InvalidRequest for choices that cannot be drawn, and for a model, LoRA, learned word or VAE that is
        not there or does not fit."""
        known = {model.name: model for model in self._engine.models()}
        if request.model not in known:
            raise InvalidRequest("model", "choice", choices=tuple(known), value=shown(request.model))
        if (problem := known[request.model].problem) is not None:
            raise InvalidRequest("model", problem)
        self._engine.check(choices.drawn(self.planned(request), request.seed or 0, self._lists()))

    def cancel(self, job_id: str) -> None:
        """Ends a run within one step, or takes it out of the queue. Finished images stay."""
        if self._jobs.cancel_queued(job_id):
            self._touch(job_id)
        else:
            self._stop(job_id, Cancelled)

    def skip(self, job_id: str) -> None:
        """Gives up the batch at work and goes on with the next."""
        self._stop(job_id, Skipped)

    def _stop(self, job_id: str, how: type[Stopped]) -> None:
        with self._changed:
            if self._running is not None and self._running.job.id == job_id and self._running.stop is not Cancelled:
                self._running.stop = how

    # -- looking ------------------------------------------------------------------------------------------------

    def models(self) -> tuple[ModelInfo, ...]:
        return self._engine.models()

    def adapters(self) -> tuple[ModelInfo, ...]:
        """LoRAs, textual inversions and VAEs, by name."""
        return self._engine.adapters()

    def read_prompt(
        self, model: str, text: str, *, negative: bool = False, dialect: str = DIALECTS[0]
    ) -> PromptReading:
        """How the model's text encoders read a prompt. Raises ModelError, InvalidRequest."""
        return self._engine.read_prompt(model, text, negative=negative, dialect=dialect)

    def watched(self, batch: Batch) -> list[GenerationResult]:
        """Makes a batch outside the queue, between two batches of it; nothing is saved."""
        return self._engine.generate(batch, lambda _progress: None)

    def image_encoders(self) -> tuple[ModelInfo, ...]:
        return self._engine.image_encoders()

    def embedded(self, encoder: str, images: Sequence[Image], on_progress: OnProgress) -> list[Embedding]:
        """See `Engine.embed`."""
        return self._engine.embed(encoder, images, on_progress)

    def engine_state(self) -> EngineState:
        return self._engine.describe()

    def recent(self, limit: int) -> list[SavedImage]:
        return self._history.recent(limit)

    def unfinished(self) -> list[JobStatus]:
        return [status for job in self._jobs.unfinished() if (status := self.status(job.id)) is not None]

    def status(self, job_id: str) -> JobStatus | None:
        # the version first: a change while the rest is read must not look as if it were told already
        with self._changed:
            version = self._versions.get(job_id, 0)
        job = self._jobs.get(job_id)
        return self._status(job, version) if job else None

    def wait(self, job_id: str, version: int, timeout: float) -> JobStatus | None:
        """The status once it is newer than `version`, or as it is after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._versions.get(job_id, 0) != version, timeout)
        return self.status(job_id)

    def _status(self, job: Job, version: int) -> JobStatus:
        images = {place: SavedImage.from_json(saved) for place, saved in self._jobs.images(job.id).items()}
        grid = images.pop(GRID, None)
        with self._changed:
            running = self._running if self._running is not None and self._running.job.id == job.id else None
            progress = running.progress if running else Progress(stage="")
            reports = tuple(running.reports) if running else reports_of(job)
            return JobStatus(
                id=job.id,
                kind=job.kind,
                state=job.state,
                queue_position=self._jobs.queue_position(job) if job.state == "queued" else 0,
                stage=progress.stage,
                step=progress.step,
                steps=progress.steps,
                image=len(images) or len(reports),
                images=job.images,
                eta_seconds=running.eta_seconds if running else None,
                preview=running.preview if running else None,
                saved=tuple(images.values()),
                grid=grid,
                warning=self._warnings.get(job.id),
                error=job.error,
                reports=reports,
                version=version,
            )

    def _touch(self, job_id: str) -> None:
        with self._changed:
            self._versions[job_id] = self._versions.get(job_id, 0) + 1
            self._changed.notify_all()

    # -- the worker thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (running := self._next()) is not None:
            self._touch(running.job.id)
            try:
                self._run(running)
            finally:
                with self._changed:
                    self._running = None
                self._touch(running.job.id)

    def _next(self) -> Running | None:
        """The first job of the queue, as soon as there is one; None when the service closes."""
        with self._changed:
            while self._open:
                job = self._jobs.take()
                if job is not None:
                    self._running = Running(job=job)
                    return self._running
                self._changed.wait()
            return None

    def _run(self, running: Running) -> None:
        job = running.job
        try:
            if job.kind == "again":
                self._again(running)
            else:
                self._generate(running)
        except Stopped:
            if running.closing:
                self._jobs.pause(job.id)
            else:
                self._jobs.finish(job.id, "cancelled", outcome=running.outcome)
        except SeedprintError as error:
            self._jobs.finish(job.id, "failed", error=error.told)
        except Exception:  # a bug must not end the queue; its traceback goes to the log
            log.exception("Job %s ended by a bug", job.id)
            self._jobs.finish(job.id, "failed", error=Note("bug"))
        else:
            self._jobs.finish(job.id, "done", outcome=running.outcome)

    def _again(self, running: Running) -> None:
        """Made again and compared one batch after the other; of what differs, both are kept to be looked at."""
        job, reports = running.job, running.reports

        def keep(report: AgainReport, before: Image, now: Image) -> None:
            if not report.identical:
                self.remade.put(job.id, len(reports), before, now)

        paths = [Path(path) for path in job.payload["paths"]]
        reporter = self._reporter(running, batches_left=0)
        for report in sweep.sweep(self._engine, self._store.inputs, paths, reporter, keep):
            with self._changed:
                reports.append(report)
            self._touch(job.id)

    def _generate(self, running: Running) -> None:
        """1 read the request back, 2 make each batch that is still missing, 3 save each image at once, 4 the grid."""
        job = running.job
        request = request_from_json(job.payload, self._store.inputs)
        if request.seed is None:
            raise InvalidRequest("seed", "missing")
        done = self._jobs.images(job.id)
        writes: list[Future[None]] = []
        try:
            for number, batch in enumerate(request.batches_from(request.seed)):
                if number < job.next_batch:
                    continue
                for write in writes:
                    if write.done():
                        write.result()  # a full disk ends the run now, not after its last image
                batch = replace(batch, request=choices.drawn(batch.request, batch.seeds[0], self._lists()))
                for result in self._make(batch, running, request.batches - number - 1):
                    place = number * request.batch_size + result.position
                    if place not in done:
                        writes.append(self._writer.submit(self._save, job.id, place, result))
                writes.append(self._writer.submit(self._jobs.advance, job.id, number + 1))
        finally:
            for write in writes:
                write.result()  # whatever ended the run: what was made is on disk before the job says so
        self._save_grid(job.id)

    def _make(self, batch: Batch, running: Running, batches_left: int) -> list[GenerationResult]:
        with self._changed:
            if running.stop is Skipped:
                running.stop = None  # it was meant for the batch before
        try:
            return self._engine.generate(batch, self._reporter(running, batches_left))
        except Skipped:
            return []

    def _save(self, job_id: str, place: int, result: GenerationResult) -> None:
        saved = self._store.save(result)
        self._history.add(saved)
        self._jobs.add_image(job_id, place, saved.to_json())
        self._touch(job_id)

    def _save_grid(self, job_id: str) -> None:
        """From the files and not from memory, so that a resumed run has its whole grid too."""
        images = self._jobs.images(job_id)
        if len(images) < 2 or GRID in images:
            return
        saved = [SavedImage.from_json(data) for data in images.values()]
        there = [image for image in saved if image.path.is_file()]
        if len(there) < 2:
            return
        tiles = [
            Tile(size=(one.width, one.height), read=partial(pictures.read, one.path), caption=str(one.seed))
            for one in there
        ]
        grid = self._store.save_grid(self._result(there[0].path), tiles, beside=saved[0])
        if grid is not None:
            self._history.add(grid)
            self._jobs.add_image(job_id, GRID, grid.to_json())

    def _result(self, path: Path) -> GenerationResult:
        record = metadata.read(path).record
        if record is None:
            raise StorageError("settings_lost", name=path.name)
        return GenerationResult(
            image=pictures.read(path),
            request=record.request(self._store.inputs),
            position=record.position,
            seconds=record.seconds,
            facts=record.facts,
        )

    def _reporter(self, running: Running, batches_left: int) -> Callable[[Progress], None]:
        pace = Pace(batches_left)

        def report(progress: Progress) -> None:
            with self._changed:
                running.hear(progress, pace)
                if progress.warning is not None:
                    self._warnings[running.job.id] = progress.warning
            self._touch(running.job.id)

        return report
