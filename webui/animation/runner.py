"""The animations of the page: kept as texts, made one after the other in the background, stopped, and gone on with."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipelines.errors import Note, SeedprintError
from pipelines.types import GenerationRequest
from webui.animation.making import Making, made_table
from webui.animation.moving import encoded
from webui.animation.plan import Animation
from webui.animation.reading import animation_of, read_text
from webui.archive import pictures
from webui.archive.files import storage_errors, write_new
from webui.archive.metadata import request_to_json
from webui.archive.store import ImageStore, opaque_id
from webui.jobs.service import GenerationService
from webui.jobs.status import JobStatus
from webui.lab.planning import Plan
from webui.lab.reuse import still_gives
from webui.lab.store import LabTable

FOLDER = "animations"  # of the data folder
POLL = 0.5  # seconds; a closing program waits this long at most
State = Literal["running", "done", "stopped", "failed"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Run:
    """An animation as it is now. `paths`: of its frames from the first on, as far as they are there."""

    id: str
    animation: Animation
    state: State = "stopped"
    paths: list[Path] = field(default_factory=list)
    error: Note | None = None
    job: str = ""  # of the frame at work


class Animations:
    """Methods may be called from any thread."""

    def __init__(
        self, service: GenerationService, store: ImageStore, jobs: LabTable, folder: Path, data_dir: Path
    ) -> None:
        """`jobs`: beside the service's own; `folder`: of their texts; `data_dir`: where it is noted what was made."""
        self._service, self._store, self._jobs = service, store, jobs
        self._folder, self._data_dir = folder, data_dir
        self._changed = threading.Condition()
        self._runs: dict[str, Run] = {}
        self._waiting: deque[Run] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False

    def start(self) -> None:
        """Goes on with what was asked for when the program ended. The service must be started."""
        with self._changed:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._work, name="animations", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Before the service is closed. The frame at work is given up: it is made when the animation goes on."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    # -- wishes -------------------------------------------------------------------------------------------------

    def plan(self, text: str) -> tuple[Animation, Plan]:
        """Raises InvalidRequest, LibraryError, StorageError."""
        animation = animation_of(read_text(text), self._service)
        with made_table(self._data_dir) as table:
            return animation, Making(animation, self._service, self._store, table).plan()

    def begin(self, text: str) -> str:
        """Makes what is not there yet; its id, which goes by the text. Raises what `plan` raises."""
        animation, _ = self.plan(text)
        identity = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        self._keep(identity, text)
        with self._changed:
            known = self._runs.get(identity)
            if known is None or known.state != "running":  # one that was just stopped may still be at its last frame
                run = Run(identity, animation, "running", [] if known is None else [*known.paths])
                with storage_errors(self._folder):
                    self._going(identity).touch()
                self._runs[identity] = run
                self._waiting.append(run)
        self.start()
        return identity

    def cancel(self, identity: str) -> None:
        """Ends it within one step. Its frames stay."""
        with self._changed:
            run = self._runs.get(identity)
            if run is None or run.state != "running":
                return
            run.state = "stopped"
            self._over(identity)
            self._changed.notify_all()
            job = run.job
        if job:
            self._service.cancel(job)

    # -- looking ------------------------------------------------------------------------------------------------

    def recent(self, limit: int) -> list[tuple[str, str]]:
        """Ids and texts, the newest first."""
        files = sorted(self._folder.glob("*.yaml"), key=_made_at, reverse=True)
        return [(file.stem, file.read_text(encoding="utf-8")) for file in files[:limit]]

    def get(self, identity: str) -> tuple[Run, JobStatus | None] | None:
        """As it is, and the job at work; None: there is none. Raises what `plan` raises for one that cannot be made
        any more."""
        with self._changed:
            run = self._runs.get(identity)
        if run is None and (run := self._found(identity)) is None:
            return None
        return run, self._service.status(run.job) if run.job else None

    def pictures(self, run: Run) -> list[str]:
        """The opaque ids of its frames."""
        return [opaque_id(self._store.root, path) for path in list(run.paths)]

    def film(self, run: Run, kind: str) -> bytes:
        """The file that moves. Raises UnreadableImage."""
        return encoded(kind, [pictures.read(path) for path in run.paths], run.animation.rate)

    def _found(self, identity: str) -> Run | None:
        """One of an earlier run of the program, with the frames that are there."""
        file = self._folder / f"{identity}.yaml"
        if not file.is_file():
            return None
        run = Run(identity, animation_of(read_text(file.read_text(encoding="utf-8")), self._service))
        with made_table(self._data_dir) as table:
            making = Making(run.animation, self._service, self._store, table)
            for place in range(run.animation.frames):
                path = making.find(making.request(place, run.paths[-1] if run.paths else None))
                if path is None:
                    break
                run.paths.append(path)
        run.state = "done" if len(run.paths) == run.animation.frames else "stopped"
        with self._changed:
            return self._runs.setdefault(identity, run)

    def _keep(self, identity: str, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with storage_errors(self._folder), contextlib.suppress(FileExistsError):
            write_new(self._folder, f"{identity}.yaml", text.encode())

    def _going(self, identity: str) -> Path:
        """A mark beside the text of one that is asked for and not over: the next program goes on with it."""
        return self._folder / f"{identity}.going"

    def _over(self, identity: str) -> None:
        with contextlib.suppress(OSError):  # it goes on once more, and finds all its frames
            self._going(identity).unlink()

    # -- the thread ---------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """What cannot be begun now, as its model is away, keeps its mark."""
        for mark in sorted(self._folder.glob("*.going"), key=_made_at):
            try:
                self.begin(mark.with_suffix(".yaml").read_text(encoding="utf-8"))
            except (SeedprintError, OSError) as error:
                log.warning("Animation %s does not go on: %s", mark.stem, error)

    def _work(self) -> None:
        self._go_on()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                run = self._waiting.popleft()
            try:
                self._make(run)
            except SeedprintError as error:
                self._end(run, "failed", error.told)
            except Exception:  # a bug must not end the thread; its traceback goes to the log
                log.exception("Animation %s ended by a bug", run.id)
                self._end(run, "failed", Note("bug"))

    def _end(self, run: Run, state: State, error: Note | None = None) -> None:
        with self._changed:
            run.job = ""
            if run.state == "running":  # it was not stopped
                run.state, run.error = state, error
                if not self._closing:
                    self._over(run.id)

    def _make(self, run: Run) -> None:
        """Each frame that is not there yet."""
        with made_table(self._data_dir) as table:
            making = Making(run.animation, self._service, self._store, table)
            if run.state == "running":
                run.paths.clear()
            for place in range(run.animation.frames):
                if run.state != "running" or self._closing:
                    break
                request = making.request(place, run.paths[-1] if run.paths else None)
                path = making.find(request) or self._made(run, request, making)
                if path is None:
                    break
                run.paths.append(path)
        self._end(run, "done" if len(run.paths) == run.animation.frames else "stopped")

    def _made(self, run: Run, request: GenerationRequest, making: Making) -> Path | None:
        """By a job; None where it was ended. Raises what it failed of."""
        job = self._job_for(run, request)
        with self._changed:
            run.job = job
        if run.state != "running":  # stopped in the moment before its job was known
            self._service.cancel(job)
        status = self._service.status(job)
        while status is not None and not status.finished:
            if self._closing:
                self._service.cancel(job)
            status = self._service.wait(job, status.version, POLL)
        if status is None or not status.saved:
            if status is not None and status.error is not None and status.state == "failed":
                self._end(run, "failed", status.error)
            return None
        making.note(request, status.saved[0].path)
        return status.saved[0].path

    def _job_for(self, run: Run, request: GenerationRequest) -> str:
        """The job that is at it already, from before a crash; else a new one."""
        payload = request_to_json(self._service.planned(self._service.settled(request)), self._store.inputs)
        job = self._jobs.job_of(payload, _made_at(self._folder / f"{run.id}.yaml"))
        return job if job is not None and still_gives(self._service, job) else self._service.submit(request)


def _made_at(file: Path) -> float:
    """When an animation was first asked for, seconds since 1970."""
    return file.stat().st_mtime
