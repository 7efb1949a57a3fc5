"""Finished pictures on their way into the archive, in order, on a thread of its own.

A picture is in memory until it is in the archive and its job knows it. While the archive is away it lies in a folder
of the program's too, so that not even the end of the program costs it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import StorageError, Unavailable
from pipelines.types import GenerationResult
from webui.archive.files import write_new
from webui.archive.formats import Encoded
from webui.archive.history import History
from webui.archive.metadata import Job
from webui.archive.store import ImageStore, SavedImage
from webui.jobs.board import Board
from webui.jobs.table import JobTable
from webui.jobs.trouble import Trouble

log = logging.getLogger(__name__)
FOLDER = "waiting"  # in the data folder
_NAME = re.compile(r"([0-9a-f]{32})-(\d{1,9})\.\w{3,4}")


@dataclass(slots=True)
class _Made:
    """A picture, its place in its job, and how far it has come."""

    job: Job
    result: GenerationResult | None = None  # as long as it is in memory
    file: Path | None = None  # in the folder for what waits
    tried: float | None = None  # when it was first, seconds since 1970: since then it may be in the archive
    saved: SavedImage | None = None
    error: Exception | None = None  # that no waiting mends


@dataclass(slots=True)
class Keeper:
    """`folder`: for what waits; without one it waits in memory alone."""

    store: ImageStore
    history: History
    jobs: JobTable
    board: Board
    folder: Path | None = None
    _waiting: list[_Made] = field(default_factory=list)  # the writer's thread alone touches it
    _closing: bool = False
    _trouble: Trouble = field(init=False)
    _writer: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self._trouble = Trouble(self.board)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="image-writer")

    def start(self) -> None:
        """Takes in what waited when the program ended."""
        self._writer.submit(self._restore)

    def close(self) -> None:
        """What cannot be saved now is saved after the next start."""
        with self.board.change():
            self._closing = True
        self._writer.shutdown()

    def keep(self, job_id: str, made: Mapping[int, GenerationResult], next_batch: int) -> Future[None]:
        """Saves the pictures of a batch, by place; then the job goes on with `next_batch`, if the program ends. Raises
        Unavailable when it closes before the archive is there."""
        return self._writer.submit(self._keep, job_id, made, next_batch)

    def settled(self) -> Future[None]:
        """When everything handed in so far is saved."""
        return self._writer.submit(self._surely, self._flush)

    # -- the writer's thread ------------------------------------------------------------------------------------

    def _keep(self, job_id: str, made: Mapping[int, GenerationResult], next_batch: int) -> None:
        batch = [_Made(job=Job(job_id, place), result=result) for place, result in made.items()]
        self._waiting += batch
        self._surely(self._flush)
        for one in batch:
            if one.error is not None:
                raise one.error
        self._surely(lambda: self.jobs.advance(job_id, next_batch))

    def _surely(self, act: Callable[[], None]) -> None:
        self._trouble.surely(act, lambda: self._closing)

    def _restore(self) -> None:
        if self.folder is None or not self.folder.is_dir():
            return
        for file in sorted(self.folder.iterdir()):
            told = _NAME.fullmatch(file.name)
            if told is None or not file.is_file():
                log.warning("%s is no picture that waits; it is left there", file)
                continue
            self._waiting.append(_Made(job=Job(told[1], int(told[2])), file=file, tried=file.stat().st_mtime))
        with contextlib.suppress(Unavailable):  # the program closes
            self._surely(self._flush)

    def _flush(self) -> None:
        """All that waits, in order. Raises Unavailable; what fails for another reason is no longer waited for."""
        while self._waiting:
            one = self._waiting[0]
            try:
                self._save(one)
            except Unavailable:
                self._spool()
                raise
            except Exception as error:  # one picture must not hold up the others; its file stays where it is
                log.exception("A picture of job %s could not be saved", one.job.id)
                one.error = error
            else:
                if one.file is not None:
                    one.file.unlink(missing_ok=True)
            del self._waiting[0]

    def _save(self, one: _Made) -> None:
        if one.saved is None and one.tried is not None:
            one.saved = self.history.adoption.made_for(one.job.id, one.tried).get(one.job.place)
        one.tried = one.tried or time.time()
        if one.saved is None and one.result is not None:
            one.saved = self.store.save(one.result, one.job)
        elif one.saved is None and one.file is not None:
            one.saved = self.store.put(Encoded(data=one.file.read_bytes(), suffix=one.file.suffix))
        if one.saved is None:
            return
        note(self.history, one.saved)
        self.jobs.add_image(one.job.id, one.job.place, one.saved.to_json())
        self.board.touch(one.job.id)

    def _spool(self) -> None:
        """A full disk takes no second copy; then memory alone has it."""
        if self.folder is None:
            return
        for one in self._waiting:
            if one.file is not None or one.result is None or one.saved is not None:
                continue
            with contextlib.suppress(OSError, StorageError):
                file = self.store.encoded(one.result, one.job)
                self.folder.mkdir(exist_ok=True)  # not the data folder: that one may be away
                one.file = write_new(self.folder, f"{one.job.id}-{one.job.place}{file.suffix}", file.data)


def note(history: History, saved: SavedImage) -> None:
    """In the index, if it can be: a refresh finds what it lacks, and no job fails for it."""
    try:
        history.add(saved)
    except StorageError as error:
        log.warning("%s is not in the index yet: %s", saved.path, error)
