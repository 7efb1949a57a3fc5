"""What a job may be, each kind one function: from what was asked for to files. A new kind is one more of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from PIL.Image import Image

from pipelines.engine import Engine
from pipelines.errors import InvalidRequest, Skipped, UnreadableImage
from pipelines.kinds import several
from pipelines.types import Batch, GenerationResult, Progress
from webui.archive import pictures
from webui.archive.grids import Tile
from webui.archive.history import History
from webui.archive.metadata import request_from_json
from webui.archive.store import ImageStore
from webui.jobs import choices
from webui.jobs.board import Board
from webui.jobs.status import Pace, Running, saved_of
from webui.jobs.table import GRID, Job, JobTable
from webui.library.wildcards import Lists
from webui.proof import sweep
from webui.proof.remade import Remade
from webui.proof.sweep import AgainReport


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What every job is made with and kept in."""

    store: ImageStore
    jobs: JobTable
    history: History
    remade: Remade = field(default_factory=Remade)  # as long as the program lasts
    lists: Callable[[], Lists] = dict  # what `__name__` in a prompt draws from
    board: Board = field(default_factory=Board)


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One job at work on one engine."""

    house: House
    engine: Engine
    running: Running
    write: Callable[..., Future[None]]  # runs a function on the runner's writer thread

    @property
    def job(self) -> Job:
        return self.running.job

    def reporter(self, batches_left: int = 0) -> Callable[[Progress], None]:
        """What the engine calls: keeps the status, and raises what the job is to stop with."""
        pace, board = Pace(batches_left), self.house.board

        def report(progress: Progress) -> None:
            with board.changed:
                self.running.hear(progress, pace)
            board.touch(self.job.id, progress.warning)

        return report

    def make(self, batch: Batch, batches_left: int) -> list[GenerationResult]:
        """Nothing when the batch was skipped."""
        with self.house.board.changed:
            if self.running.stop is Skipped:
                self.running.stop = None  # it was meant for the batch before
        try:
            return self.engine.generate(batch, self.reporter(batches_left))
        except Skipped:
            return []

    def save(self, place: int, result: GenerationResult) -> None:
        saved = self.house.store.save(result)
        self.house.history.add(saved)
        self.house.jobs.add_image(self.job.id, place, saved.to_json())
        self.house.board.touch(self.job.id)


def generate(work: Work) -> None:
    """1 read the request back, 2 make each batch that is still missing, 3 save each image at once, 4 the grid."""
    job, house = work.job, work.house
    request = request_from_json(job.payload, house.store.inputs)
    if request.seed is None:
        raise InvalidRequest("seed", "missing")
    done = saved_of(house.jobs.images(job.id))
    writes: list[Future[None]] = []
    try:
        for number, batch in enumerate(request.batches_from(request.seed)):
            if number < job.next_batch:
                continue
            for write in writes:
                if write.done():
                    write.result()  # a full disk ends the run now, not after its last image
            batch = replace(batch, request=choices.drawn(batch.request, batch.seeds[0], house.lists()))
            for result in work.make(batch, request.batches - number - 1):
                place = number * request.batch_size + result.position
                if place not in done:
                    writes.append(work.write(work.save, place, result))
            writes.append(work.write(house.jobs.advance, job.id, number + 1))
    finally:
        for write in writes:
            write.result()  # whatever ended the run: what was made is on disk before the job says so
    _save_grid(work)


def _save_grid(work: Work) -> None:
    """From the files and not from memory, so that a resumed run has its whole grid too."""
    house, job_id = work.house, work.job.id
    images = saved_of(house.jobs.images(job_id))
    if len(images) < 2 or GRID in images:
        return
    saved = list(images.values())
    there = [image for image in saved if image.path.is_file()]
    if len(there) < 2:
        return
    tiles = [
        Tile(size=(one.width, one.height), read=partial(pictures.read, one.path), caption=str(one.seed))
        for one in there
    ]
    grid = house.store.save_grid(house.store.result(there[0].path), tiles, beside=saved[0])
    if grid is not None:
        house.history.add(grid)
        house.jobs.add_image(job_id, GRID, grid.to_json())


def again(work: Work) -> None:
    """Made again and compared one batch after the other; of what differs, both are kept to be looked at. Raises
    UnreadableImage when every file is gone."""
    house, reports = work.house, work.running.reports

    def keep(report: AgainReport, before: Image, now: Image) -> None:
        if not report.identical:
            house.remade.put(work.job.id, len(reports), before, now)

    paths = _paths(work.job)
    for report in sweep.sweep(work.engine, house.store.inputs, paths, work.reporter(), keep):
        with house.board.changed:
            reports.append(report)
        house.board.touch(work.job.id)
    gone = [report.path for report in reports if report.cannot is not None and report.cannot.code == "picture_gone"]
    if reports and len(gone) == len(reports):
        raise UnreadableImage("pictures_lost", names=several([Path(path).name for path in gone]))


def _paths(job: Job) -> list[Path]:
    paths = job.payload.get("paths")
    if not isinstance(paths, list) or not all(isinstance(path, str) and "\0" not in path for path in paths):
        raise InvalidRequest("files", "missing")
    return [Path(path) for path in paths]


KINDS: Mapping[str, Callable[[Work], None]] = {"generate": generate, "again": again}
