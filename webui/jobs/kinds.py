"""What a job may be, each kind one function: from what was asked for to files. A new kind is one more of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from PIL.Image import Image

from pipelines.engine import Engine
from pipelines.errors import (
    Cancelled,
    EngineAway,
    EngineLost,
    InvalidRequest,
    Kept,
    Skipped,
    Stopped,
    StorageError,
    UnreadableImage,
)
from pipelines.kinds import several
from pipelines.types import Batch, GenerationResult, Progress
from webui.archive import metadata, pictures
from webui.archive.grids import Tile
from webui.archive.history import History
from webui.archive.metadata import request_from_json
from webui.archive.store import ImageStore, SavedImage
from webui.jobs import choices
from webui.jobs.board import Board
from webui.jobs.durations import Durations
from webui.jobs.keeper import Keeper, note
from webui.jobs.sharing import Batches
from webui.jobs.status import Pace, Running, saved_of
from webui.jobs.table import GRID, Job, JobTable
from webui.jobs.trouble import Trouble
from webui.library.wildcards import Lists
from webui.networks.previews import Previews
from webui.proof import sweep
from webui.proof.badges import Proofs
from webui.proof.remade import Remade
from webui.proof.sweep import AgainReport

HEARTBEAT = 0.2  # seconds; how often a run that waits for the disk may be cancelled
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What every job is made with and kept in."""

    store: ImageStore
    jobs: JobTable
    history: History
    remade: Remade = field(default_factory=Remade)  # as long as the program lasts
    proofs: Proofs = field(default_factory=Proofs)
    previews: Previews = field(default_factory=Previews)
    lists: Callable[[], Lists] = dict  # what `__name__` in a prompt draws from
    board: Board = field(default_factory=Board)
    waiting: Path | None = None  # a folder for pictures that cannot be saved now; None: they wait in memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One job at work on one engine."""

    house: House
    engine: Engine
    running: Running
    keeper: Keeper
    trouble: Trouble
    durations: Durations
    _writes: list[Future[None]] = field(default_factory=list)

    @property
    def job(self) -> Job:
        return self.running.job

    def reporter(self, pace: Pace | None = None) -> Callable[[Progress], None]:
        """What the engine calls: keeps the status, and raises what the job is to stop with."""
        pace, board = pace or Pace(0), self.house.board

        def report(progress: Progress) -> None:
            with board.changed:
                self.running.hear(progress, pace)
            board.touch(self.job.id, progress.warning)

        return report

    def surely(self, act: Callable[[], T]) -> T:
        """As `Trouble.surely`, until the job is cancelled or the program closes."""
        return self.trouble.surely(act, lambda: self.running.stop is Cancelled)

    def make(self, batch: Batch, batches_left: float) -> list[GenerationResult]:
        """Nothing when the batch was skipped."""
        with self.house.board.changed:
            if self.running.stop in (Skipped, Kept):
                self.running.stop = None  # it was meant for the batch before
        try:
            report = self.reporter(Pace(batches_left, self._expected(batch), batch.request.passes))
            return self.surely(lambda: self.engine.generate(batch, report))
        except Skipped:
            return []

    def _expected(self, batch: Batch) -> float | None:
        """Seconds that a unit of the batch's work took in earlier runs of its model."""
        try:
            one = self.durations.refreshed().seconds(batch.request.model, 1)
        except StorageError:
            return None  # the index is away; it only tells how long
        return None if one is None else one * len(batch.seeds)

    def hand_in(self, made: Mapping[int, GenerationResult], next_batch: int) -> None:
        """Has the pictures of a batch saved, while the next is made."""
        self._writes.append(self.keeper.keep(self.job.id, made, next_batch))

    def keep_up(self) -> None:
        """No more than that is made ahead of the disk."""
        with suppress(IndexError):  # another device's runner was quicker
            while len(self._writes) > 1:
                self._await(self._writes.pop(0))

    def settle(self) -> None:
        """Until all that was made is in the archive, of this job and of those before it."""
        while self._writes:
            self._await(self._writes.pop(0))
        self._await(self.keeper.settled())

    def _await(self, write: Future[None]) -> None:
        while not wait([write], HEARTBEAT).done:
            if self.running.stop is Cancelled and self.house.board.held is not None:
                raise Cancelled("stopped")  # the keeper has it, and saves it when that is possible
        write.result()

    def saved(self, *, look: bool) -> dict[int, SavedImage]:
        """What is saved of this job, by place. `look`: in the archive too, for files that the table does not know."""
        jobs, history = self.house.jobs, self.house.history
        known = saved_of(jobs.images(self.job.id))
        found = history.adoption.made_for(self.job.id, self.job.made_at) if look else {}
        for place, saved in found.items():
            if place not in known:
                note(history, saved)
                jobs.add_image(self.job.id, place, saved.to_json())
                known[place] = saved
        return known


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """A run that several devices may have a part in. `done`: places of pictures that are saved."""

    work: Work  # of the runner whose job it is
    batches: Batches
    done: Collection[int]

    @contextmanager
    def given_out(self) -> Iterator[None]:
        """Others may help."""
        board, running = self.work.house.board, self.work.running
        with self.batches.given_out():
            with board.change():
                running.shared = self
            try:
                yield
            finally:
                with board.changed:
                    running.shared = None

    def make(self, work: Work, number: int, batch: Batch) -> None:
        """One batch, on this device."""
        first, batches = number * batch.request.batch_size, self.batches
        work.running.before = batches.finished * batch.request.batch_size
        try:
            drawn = choices.drawn(batch.request, batch.seeds[0], work.house.lists())
            results = work.make(replace(batch, request=drawn), batches.rounds)
        except BaseException:
            batches.give_back(number, batch)
            raise
        made = {first + result.position: result for result in results if first + result.position not in self.done}
        batches.finish(number, lambda next_batch: work.hand_in(made, next_batch))
        work.keep_up()

    def help(self, work: Work) -> None:
        """One batch, for another device. Raises only what is this device's own trouble: `EngineLost`, `EngineAway`,
        or `Stopped`."""
        if (one := self.batches.spare()) is None:
            return
        try:
            self.make(replace(work, _writes=self.work._writes), *one)
        except (EngineLost, EngineAway, Stopped):
            raise
        except Exception as error:  # noqa: BLE001 - told by the runner whose job it is
            self.batches.fail(error)


def generate(work: Work) -> None:
    """1 read the request back, 2 make each batch that is still missing, 3 save each image at once, 4 the grid."""
    job, house = work.job, work.house
    work.settle()
    work.surely(house.store.check)  # what waits, waits: nothing is computed for a folder that is gone
    request = work.surely(lambda: request_from_json(job.payload, house.store.inputs))
    if request.seed is None:
        raise InvalidRequest("seed", "missing")
    done = work.surely(lambda: work.saved(look=job.attempts > 1))
    size = request.batch_size
    missing = (
        (number, batch)
        for number, batch in enumerate(request.batches_from(request.seed))
        if number >= job.next_batch and not done.keys() >= {*range(number * size, number * size + len(batch.seeds))}
    )
    shared = Shared(work=work, batches=Batches(missing, request.batches), done=done.keys())
    try:
        with shared.given_out():
            while (one := shared.batches.take()) is not None:
                shared.make(work, *one)
    finally:
        work.settle()  # whatever ended the run: what was made is on disk before the job says so
    tries = count()
    work.surely(lambda: _save_grid(work, look=next(tries) > 0))


def _save_grid(work: Work, *, look: bool) -> None:
    """From the files and not from memory, so that a resumed run has its whole grid too."""
    house, job_id = work.house, work.job.id
    images = work.saved(look=look)
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
    first = house.store.result(there[0].path)
    grid = house.store.save_grid(first, tiles, beside=saved[0], job=metadata.Job(job_id, GRID))
    if grid is not None:
        note(house.history, grid)
        house.jobs.add_image(job_id, GRID, grid.to_json())


def again(work: Work) -> None:
    """Made again and compared one batch after the other; of what differs, both are kept to be looked at. Raises
    UnreadableImage when every file is gone."""
    reports, left = work.running.reports, _paths(work.job)
    while left:
        left = _compared(work, left)
    gone = [report.path for report in reports if report.cannot is not None and report.cannot.code == "picture_gone"]
    if reports and len(gone) == len(reports):
        raise UnreadableImage("pictures_lost", names=several([Path(path).name for path in gone]))


def _compared(work: Work, paths: list[Path]) -> list[Path]:
    """Those that must be tried again: while the folder of pictures is away, a file that is not found is no finding."""
    house, reports, again = work.house, work.running.reports, list[Path]()

    def keep(report: AgainReport, before: Image, now: Image) -> None:
        if not report.identical:
            house.remade.put(work.job.id, len(reports), before, now)

    for report in sweep.sweep(work.engine, house.store.inputs, paths, work.reporter(), keep, work.surely):
        if _was_away(work, report):
            again.append(Path(report.path))
            continue
        work.surely(partial(house.proofs.keep, report))
        with house.board.changed:
            reports.append(report)
        house.board.touch(work.job.id)
    return again


def _was_away(work: Work, report: AgainReport) -> bool:
    """Of a picture of the archive that could not be made again: waits for the folder, if it is gone."""
    store, path = work.house.store, Path(report.path)
    if report.cannot is None or not path.is_relative_to(store.root):
        return False
    if store.root.is_dir():
        return report.cannot.code == "picture_gone" and path.is_file()  # it came back in between
    work.surely(store.look)
    return True


def _paths(job: Job) -> list[Path]:
    paths = job.payload.get("paths")
    if not isinstance(paths, list) or not all(isinstance(path, str) and "\0" not in path for path in paths):
        raise InvalidRequest("files", "missing")
    return [Path(path) for path in paths]


def preview(work: Work) -> None:
    """One picture for the card of a network. It is none of the archive's: making it once more harms nothing."""
    job, house = work.job, work.house
    request = work.surely(lambda: request_from_json(_object(job.payload.get("request")), house.store.inputs))
    batch = next(iter(request.batches_from(request.seed or 0)))
    for result in work.make(batch, 0):
        work.surely(partial(house.previews.put, str(job.payload.get("key")), result.image))


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest("network", "missing")
    return value


KINDS: Mapping[str, Callable[[Work], None]] = {"generate": generate, "again": again, "preview": preview}
