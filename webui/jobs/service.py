"""Where a request becomes a job: wishes are taken and kept in the table, and told how far they are."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL.Image import Image

from pipelines.boxes import Click
from pipelines.engine import Engine
from pipelines.errors import Cancelled, InvalidRequest, Kept, Note, Skipped, Stopped, Unavailable
from pipelines.groups import SEED_END
from pipelines.kinds import several, shown
from pipelines.tokens import PromptReading
from pipelines.types import (
    DIALECTS,
    Batch,
    Embedding,
    EngineState,
    GenerationRequest,
    GenerationResult,
    ModelInfo,
    OnProgress,
    Progress,
)
from pipelines.upscaling.plain import PLAIN
from webui.archive.metadata import request_to_json
from webui.archive.store import SavedImage
from webui.jobs import choices, upscaling
from webui.jobs.board import Board
from webui.jobs.dealing import Dealer
from webui.jobs.keeper import Keeper
from webui.jobs.kinds import House
from webui.jobs.runner import Runner
from webui.jobs.shelf import Shelf
from webui.jobs.status import AtDevice, JobStatus, Queued, Running, about, reports_of, saved_of, size_of, task_of
from webui.jobs.table import GRID, Job
from webui.kept.models import ModelSettings
from webui.proof.remade import Remade
from webui.proof.resources import naming

AGAIN_LIMIT = 2_000  # pictures made again by one job


class GenerationService:
    """Takes wishes, keeps them in the job table, runs them in order, tells how far they are."""

    def __init__(
        self,
        engine: Engine,
        house: House,
        settings: ModelSettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`settings`: what is settled for each model; without it, as long as the program lasts."""
        self._engine, self._house = engine, house
        self.shelf = Shelf(engine, house.jobs, settings or ModelSettings())
        self._store, self._jobs, self._history, self._board = house.store, house.jobs, house.history, house.board
        self._rng = rng or random.SystemRandom()
        self._keeper = Keeper(
            store=house.store, history=house.history, jobs=house.jobs, board=house.board, folder=house.waiting
        )
        self._dealer = Dealer(house.jobs)
        self._runners = tuple(Runner(one, house, self._keeper, self._dealer) for one in engine.devices())
        self._dealer.seats = self._runners
        self._indexer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="indexer")

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Goes on with what an earlier run of the program left in the queue."""
        self._prepare()
        self._jobs.recover()
        self._jobs.prune()
        self._keeper.start()
        for runner in self._runners:
            runner.start()
        self._indexer.submit(self._history.refresh)  # files copied in or deleted while the program was closed

    def _prepare(self) -> None:
        """A folder that had our pictures and is gone holds the queue; one that never was is made."""
        used = not self._store.root.exists() and self._jobs.needs_archive(self._store.root)
        try:
            self._store.prepare(used=used)
        except Unavailable:
            if not used:
                raise

    def close(self) -> None:
        """Stops within one step. What was running goes back to the queue and is finished at the next start."""
        for runner in self._runners:
            runner.end()
        for runner in self._runners:
            runner.join()
        self._keeper.close()
        self._indexer.shutdown()
        self._engine.close()

    @property
    def board(self) -> Board:
        """Where it is told that the queue stands still."""
        return self._board

    @property
    def remade(self) -> Remade:
        """The pictures made again that differ."""
        return self._house.remade

    # -- wishes -------------------------------------------------------------------------------------------------

    def submit(self, request: GenerationRequest) -> str:
        """Queues a run and gives its id. An empty seed is drawn now, so that a resumed run makes the same images."""
        return self.submit_many([request])[0]

    def submit_many(self, requests: Iterable[GenerationRequest]) -> list[str]:
        """All, or none. Only one of them is held at a time: a picture that it begins with is kept by its hash."""
        wishes: list[tuple[str, dict[str, Any], int]] = []
        checked: set[tuple[Any, ...]] = set()
        for request in map(self.settled, requests):
            named = tuple(naming(request).values())
            if named not in checked:  # many requests of an experiment name the same files
                self.check(request)
                checked.add(named)
            self._store.check_space(request)
            drawn = self.planned(request)
            drawn = drawn if drawn.seed is not None else replace(drawn, seed=self._rng.randrange(SEED_END))
            wishes.append(("generate", request_to_json(drawn, self._store.inputs), drawn.images))
        return self._add(wishes)

    def settled(self, request: GenerationRequest) -> GenerationRequest:
        """As it is queued: with what is settled for its model, and the names of files that it leaves to the program. A
        picture that is made larger was made already: what is settled today says nothing of it. Raises
        InvalidRequest."""
        return request if request.upscale is not None else self._engine.named(self.shelf.settled(request))

    def submit_upscale(self, path: Path, **wanted: Any) -> str:
        """Queues making this picture larger; `wanted`: what differs in `Upscale`. Raises InvalidRequest,
        UnreadableImage, StorageError."""
        return self.submit_upscales([path], **wanted)[0]

    def submit_upscales(self, paths: Sequence[Path], **wanted: Any) -> list[str]:
        """Likewise of several: all, or none."""
        return self.submit_many(upscaling.request_of(path, self._store.inputs, wanted) for path in paths)

    def submit_again(self, *paths: Path) -> str:
        """Queues making these images again, to compare. Nothing is saved. Of those that are gone the job tells."""
        if not 1 <= len(paths) <= AGAIN_LIMIT:
            raise InvalidRequest("files", "pictures_count", limit=AGAIN_LIMIT, value=len(paths))
        if not any(path.is_file() for path in paths):
            raise InvalidRequest("file", "pictures_lost", names=several([path.name for path in paths]))
        return self._add([("again", {"paths": [str(path) for path in paths]}, len(paths))])[0]

    def submit_preview(self, request: GenerationRequest, key: str, name: str) -> str:
        """Queues the picture of a network's card, to be kept under `key`. Raises InvalidRequest, StorageError."""
        settled = self.shelf.settled(request)
        self.check(settled)
        payload = {"request": request_to_json(settled, self._store.inputs), "key": key, "name": name}
        return self._add([("preview", payload, 1)])[0]

    def _add(self, wishes: list[tuple[str, dict[str, Any], int]]) -> list[str]:
        with self._board.change():
            added = self._jobs.add_many(wishes)
        return [job.id for job in added]

    def planned(self, request: GenerationRequest) -> GenerationRequest:
        """The request as it is queued: one with choices makes its images one by one. Raises InvalidRequest."""
        return request if request.upscale is not None else choices.planned(request, self._house.lists())

    def check(self, request: GenerationRequest) -> None:
        """Raises InvalidRequest for choices that cannot be drawn, and for a model, LoRA, learned word or VAE that is
        not there or does not fit."""
        if request.upscale is not None:
            self._engine.check(request)
            return
        known = {model.name: model for model in self._engine.models()}
        if request.model not in known:
            raise InvalidRequest("model", "choice", choices=several(tuple(known)), value=shown(request.model))
        if (problem := known[request.model].problem) is not None:
            raise InvalidRequest("model", problem.code, **problem.values)
        self._engine.check(choices.drawn(self.planned(request), request.seed or 0, self._house.lists()))

    def cancel(self, job_id: str) -> None:
        """Ends a run within one step, or takes it out of the queue. Finished images stay."""
        if not self._stop(job_id, Cancelled):
            if self._jobs.cancel_queued(job_id):
                self._board.touch(job_id)
            else:
                self._stop(job_id, Cancelled)  # it was taken in between

    def cancel_all(self) -> int:
        """Ends what runs and takes everything out of the queue; how many jobs there were."""
        for runner in self._runners:  # at once, whatever the database says
            runner.stop(None, Cancelled)
        waiting = self._jobs.cancel_all_queued()
        running = [job.id for job in self._jobs.unfinished()]
        for job_id in [*running, *waiting]:
            self._stop(job_id, Cancelled)
            self._board.touch(job_id)
        return len(running) + len(waiting)

    def try_again(self) -> None:
        """What the queue waits for may be there: it tries now."""
        self._board.try_again()

    def skip(self, job_id: str) -> None:
        """Gives up the batch at work and goes on with the next."""
        self._stop(job_id, Skipped)

    def keep(self, job_id: str) -> None:
        """Ends the batch at work at the step it has reached and keeps its pictures; the run goes on with the next."""
        running = self._running(job_id)
        if running is not None and task_of(running.job) is not None:
            self._stop(job_id, Kept)

    def _stop(self, job_id: str, how: type[Stopped]) -> bool:
        return any([runner.stop(job_id, how) for runner in self._runners])

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

    def watched(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        """Makes a batch outside the queue, between two batches of it; nothing is saved."""
        return self._engine.generate(batch, on_progress)

    def upscalers(self) -> tuple[str, ...]:
        """What makes pictures larger, by name: those that need no file first."""
        return (*PLAIN, *(info.name for info in self.upscaler_files()))

    def upscaler_files(self) -> tuple[ModelInfo, ...]:
        return self._engine.upscalers()

    def controls(self) -> tuple[ModelInfo, ...]:
        """ControlNets, ours first."""
        return self._engine.controls()

    def references(self) -> tuple[ModelInfo, ...]:
        """IP-Adapters."""
        return self._engine.references()

    def detectors(self) -> tuple[ModelInfo, ...]:
        return self._engine.detectors()

    def segmenters(self) -> tuple[ModelInfo, ...]:
        return self._engine.segmenters()

    def selected(self, image: Image, clicks: Sequence[Click], on_progress: OnProgress) -> Image:
        """See `Engine.select`."""
        return self._engine.select(image, clicks, on_progress)

    def image_encoders(self) -> tuple[ModelInfo, ...]:
        return self._engine.image_encoders()

    def embedded(
        self, encoder: str, images: Sequence[Image], on_progress: OnProgress, text: str = ""
    ) -> list[Embedding]:
        """See `Engine.embed`."""
        return self._engine.embed(encoder, images, on_progress, text)

    def engine_state(self) -> EngineState:
        return self._engine.describe()

    def devices(self) -> tuple[AtDevice, ...]:
        """What computes, and which job each has; one, where there is one."""
        found = []
        for runner in self._runners:
            with self._board.changed:
                job = None if runner.running is None else runner.running.job
            state = runner.engine.describe()
            found.append(
                AtDevice(state=state, job=None if job is None else job.id, about="" if job is None else about(job))
            )
        return tuple(found)

    def recent(self, limit: int) -> list[SavedImage]:
        return self._history.recent(limit)

    def unfinished(self) -> list[JobStatus]:
        return [status for job in self._jobs.unfinished() if (status := self.status(job.id)) is not None]

    @property
    def held(self) -> Note | None:
        """Why the queue stands still; None when it goes on."""
        return self._board.held

    def queue(self, limit: int) -> tuple[list[Queued], int]:
        """The first jobs of the queue, and how many there are in all. Raises StorageError."""
        found, total = self._jobs.queue(limit)
        devices = self.devices()
        rows = []
        for job, saved in found:
            again = self._running(job.id) if job.kind == "again" else None
            image = len(again.reports) if again else saved
            kind = task_of(job) or job.kind
            rows.append(
                Queued(
                    id=job.id,
                    kind=kind,
                    about=about(job),
                    state=job.state,
                    image=image,
                    images=job.images,
                    device=", ".join(filter(None, (one.name for one in devices if one.job == job.id))),
                )
            )
        return rows, total

    def current(self) -> JobStatus | None:
        """The run that goes on, or comes next; none of an experiment's. Raises StorageError."""
        job = self._jobs.first(lambda one: task_of(one) is not None)
        return None if job is None else self.status(job.id)

    def _running(self, job_id: str) -> Running | None:
        with self._board.changed:
            return next((one for runner in self._runners if (one := runner.at(job_id)) is not None), None)

    def status(self, job_id: str) -> JobStatus | None:
        # the version first: a change while the rest is read must not look as if it were told already
        version = self._board.version(job_id)
        job = self._jobs.get(job_id)
        return self._status(job, version) if job else None

    def wait(self, job_id: str, version: int, timeout: float) -> JobStatus | None:
        """The status once it is newer than `version`, or as it is after `timeout` seconds."""
        self._board.wait(lambda: self._board.version(job_id) != version, timeout)
        return self.status(job_id)

    def _status(self, job: Job, version: int) -> JobStatus:
        images = saved_of(self._jobs.images(job.id))
        grid = images.pop(GRID, None)
        before = self._jobs.queue_position(job) if job.state == "queued" else 0
        behind = self._jobs.queue_behind(job) if job.state in ("queued", "running") else 0
        with self._board.changed:
            running = self._running(job.id)
            progress = running.progress if running else Progress(stage="")
            reports = tuple(running.reports) if running else reports_of(job)
            done = len(images) or len(reports)
            return JobStatus(
                id=job.id,
                kind=job.kind,
                state=job.state,
                queue_position=before,
                queue_behind=behind,
                stage=progress.stage,
                step=progress.step,
                steps=progress.steps,
                pass_number=progress.pass_number,
                passes=progress.passes,
                image=done,
                before=max(done, running.before if running else 0),
                images=job.images,
                eta_seconds=running.eta_seconds if running else None,
                preview=running.preview if running else None,
                size=size_of(job),
                saved=tuple(images.values()),
                grid=grid,
                warning=self._board.warning(job.id),
                held=self._board.held if job.state in ("queued", "running") else None,
                error=job.error,
                reports=reports,
                version=version,
            )
