"""A job of a command: looked at until it is finished, told as a line, and the exit status that it gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from webui import words
from webui.commands.terminal import complain

if TYPE_CHECKING:
    from webui.archive.store import SavedImage
    from webui.jobs.service import GenerationService
    from webui.jobs.status import JobStatus

DONE, FAILED, BAD_INPUT = 0, 1, 2
POLL = 0.5  # seconds; Windows notices Ctrl+C only between waits


def line_of(saved: SavedImage) -> dict[str, Any]:
    from webui.archive import metadata

    record = metadata.read(saved.path).record
    # of the whole batch: its images are computed at once
    seconds = None if record is None else round(record.seconds, 3)
    return {"path": str(saved.path), "seed": saved.seed, "seconds": seconds}


def ending(status: JobStatus) -> int:
    if status.state == "done":
        return DONE
    complain(f"the run was {status.state}" if status.error is None else words.say(status.error, "en"))
    return BAD_INPUT if status.error is not None and "field" in status.error.values else FAILED


def follow(service: GenerationService, job_id: str) -> Iterator[JobStatus]:
    """Every new status of a job until it is finished. Ctrl+C cancels it, keeps what is done, and goes on up."""
    version, held = -1, None
    try:
        while (status := service.wait(job_id, version, POLL)) is not None:
            if status.held is not None and status.held != held:
                complain(f"waiting, Ctrl+C ends it: {words.say(status.held, 'en')}")
            held = status.held
            if status.version != version or status.finished:
                yield status
            if status.finished:
                return
            version = status.version
    except (KeyboardInterrupt, GeneratorExit):
        service.cancel(job_id)
        raise
