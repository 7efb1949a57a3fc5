"""A job as a page shows it, and the one at work: how far it is, how long it will take, and how it is told to stop."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import types
from pipelines.errors import InvalidRequest, Kept, Note, Stopped
from pipelines.fields import no_picture, unpacked
from pipelines.groups import Hires
from pipelines.steps import PassSize
from pipelines.types import EngineState, Progress
from webui.archive.store import SavedImage
from webui.jobs.table import Job, JobState
from webui.proof.sweep import AgainReport

if TYPE_CHECKING:
    from webui.jobs.kinds import Shared

TRUST = 3  # steps that earlier runs count as, when it is told how long the rest will take


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """One job as a page shows it. `version` grows with every change; `wait` returns when it has."""

    id: str
    kind: str
    state: JobState
    queue_position: int = 0  # jobs that go before
    queue_behind: int = 0  # jobs that come after
    stage: str = ""
    step: int = 0
    steps: int = 0  # of the pass at work
    pass_number: int = 1
    passes: int = 1
    image: int = 0  # images finished
    before: int = 0  # images before the batch at work, finished or skipped
    images: int = 1
    eta_seconds: float | None = None
    preview: bytes | None = None  # JPEG
    size: tuple[int, int] | None = None  # width and height of the pictures, in pixels
    saved: tuple[SavedImage, ...] = ()
    grid: SavedImage | None = None
    warning: Note | None = None  # the last thing that a person should know, though the run goes on
    held: Note | None = None  # why the queue stands still; it goes on by itself when that is mended
    error: Note | None = None  # a field that is at fault is among its values
    reports: tuple[AgainReport, ...] = ()  # of the pictures made again so far
    version: int = 0

    @property
    def finished(self) -> bool:
        return self.state in {"done", "failed", "cancelled"}

    @property
    def again(self) -> AgainReport | None:
        """The first picture made again."""
        return self.reports[0] if self.reports else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """One job as a list of the queue shows it."""

    id: str
    kind: str  # of a run its task
    about: str  # its prompt, or the name of the first picture that it makes again
    state: JobState
    image: int  # images finished
    images: int
    device: str = ""  # that it is on, where there are several


@dataclass(frozen=True, kw_only=True, slots=True)
class AtDevice:
    """A device as a page shows it, and the job that it has."""

    state: EngineState
    job: str | None = None
    about: str = ""  # of the job

    @property
    def name(self) -> str:
        return self.state.name


def task_of(job: Job) -> str | None:
    """The task of a run; None for a job of another kind."""
    if job.kind != "generate":
        return None
    return types.task_of(job.payload)


def model_of(job: Job) -> str:
    """The one that its first picture needs, by its name; "" where none is named."""
    payload = job.payload.get("request") if job.kind == "preview" else job.payload
    if not isinstance(payload, Mapping) or payload.get("upscale") is not None:
        return ""
    return str(payload.get("model") or "")


def size_of(job: Job) -> tuple[int, int] | None:
    """Width and height of what a run makes."""
    width, height, hires = (job.payload.get(name) for name in ("width", "height", "hires"))
    if not task_of(job) or not isinstance(width, int) or not isinstance(height, int):
        return None
    with contextlib.suppress(InvalidRequest):
        return unpacked(Hires, hires, no_picture).size(width, height) if isinstance(hires, Mapping) else (width, height)
    return None


def about(job: Job) -> str:
    if job.kind == "preview":
        return str(job.payload.get("name", ""))
    paths = job.payload.get("paths")
    text = job.payload.get("prompt", "") if task_of(job) else paths[0] if isinstance(paths, list) and paths else ""
    text = text if isinstance(text, str) else ""
    return text if task_of(job) else Path(text).name


@dataclass(slots=True)
class Running:
    """What only the running job has. Guarded by the service's condition."""

    job: Job
    progress: Progress = field(default_factory=lambda: Progress(stage="loading"))
    preview: bytes | None = None
    eta_seconds: float | None = None
    before: int = 0  # images before the batch at work
    stop: type[Stopped] | None = None  # raised at the next step
    closing: bool = False
    reports: list[AgainReport] = field(default_factory=list)  # of the pictures made again so far
    shared: Shared | None = None  # what another device may have a part in
    helps: Shared | None = None  # it is another runner's job, and this one makes a batch of it

    @property
    def outcome(self) -> dict[str, Any] | None:
        """What the job table keeps of the pictures made again, whatever ended the job."""
        return {"reports": [report.to_json() for report in self.reports]} if self.reports else None

    def hear(self, progress: Progress, pace: Pace) -> None:
        """Takes a report of the engine. Raises what the job is to stop with."""
        if self.stop is Kept and progress.stage == "denoising":
            self.stop = None
            raise Kept("stopped")
        if self.stop not in (None, Kept):
            raise self.stop("stopped")
        if progress.stage == "waiting":  # nothing new
            return
        self.progress = progress
        self.preview = progress.preview or self.preview
        if progress.stage == "denoising" and progress.step:
            left = pace.seconds_left(progress)
            self.eta_seconds = self.eta_seconds if left is None else left


@dataclass(slots=True)
class Pace:
    """The steps of one batch, timed from its first one: what comes before is loading. The middle of what they took,
    as one slow step says little of those to come; `expected`, from earlier runs, counts as `TRUST` steps."""

    batches_left: float  # after this one, for each that works at them
    expected: float | None = None  # seconds a unit of work
    passes: tuple[PassSize, ...] = ()  # of the batch; (): one, of which nothing but its steps is known
    last: tuple[float, int, int] | None = None  # when the last report of a step came, and which pass and step it was
    took: list[float] = field(default_factory=list)  # seconds a unit of work, of each report

    def seconds_left(self, progress: Progress) -> float | None:
        """Of the whole job, at this step; None before there is anything to judge by."""
        now, number = time.perf_counter(), progress.pass_number
        passes = self.passes or (PassSize(steps=progress.steps, width=1, height=1),) * progress.passes
        step = passes[number - 1].work / passes[number - 1].steps
        if self.last is not None and number == self.last[1] and progress.step > self.last[2]:
            self.took.append((now - self.last[0]) / (progress.step - self.last[2]) / step)
        self.last = now, number, progress.step
        known = [*self.took, *([] if self.expected is None else [self.expected] * TRUST)]
        if not known:
            return None
        left = step * (progress.steps - progress.step) + sum(one.work for one in passes[number:])
        return statistics.median(known) * (left + sum(one.work for one in passes) * self.batches_left)


def reports_of(job: Job) -> tuple[AgainReport, ...]:
    """Of a job that has ended; none where they cannot be read."""
    try:
        return tuple(map(AgainReport.from_json, (job.outcome or {}).get("reports", ())))
    except (AttributeError, TypeError):
        return ()


def saved_of(images: Mapping[int, Mapping[str, Any]]) -> dict[int, SavedImage]:
    """Place -> picture, without those that cannot be read."""
    found = {}
    for place, saved in images.items():
        with contextlib.suppress(LookupError, TypeError, ValueError):
            found[place] = SavedImage.from_json(saved)
    return found
