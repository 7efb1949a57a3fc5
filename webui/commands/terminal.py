"""What commands say: results on stdout, a progress bar and complaints on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pipelines.errors import SeedprintError
from webui.words import line, say

if TYPE_CHECKING:
    from pipelines.types import GenerationRequest
    from webui.jobs.status import JobStatus
    from webui.proof.sweep import AgainReport


def in_words(report: AgainReport) -> dict[str, Any]:
    """A report as a line of JSON, with its notes in English: programs and people read it."""
    return report.with_notes(lambda note: say(note, "en"))


def complain(error: object) -> None:
    told = line(error) if isinstance(error, SeedprintError) else error
    print(f"seedprint: {told}", file=sys.stderr)


class Answer:
    """One result at a time to stdout: a JSON line, or words."""

    def __init__(self, file: Any, as_json: bool) -> None:
        self._file, self._as_json = file, as_json

    def __call__(self, line: dict[str, Any], words: str) -> None:
        text = json.dumps(line, ensure_ascii=False) if self._as_json else words
        print(text, file=self._file, flush=True)


@contextlib.contextmanager
def answers(as_json: bool) -> Iterator[Answer]:
    """With JSON, stdout carries the lines and nothing else: whatever libraries and the worker process print there
    goes to stderr, by the file descriptor they inherit."""
    if not as_json:
        yield Answer(sys.stdout, as_json=False)
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8", newline="\n") as file:
            yield Answer(file, as_json=True)
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def counted(total: int, unit: str) -> Iterator[Callable[[], object]]:
    """A bar of so many things on a terminal, else nothing; gives what to call at each."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, file=sys.stderr, disable=None, leave=False) as bar:
        yield bar.update


class Bar:
    """A progress bar on a terminal, else nothing. Counts the steps of all batches."""

    def __init__(self, steps: int) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

        self._bar = tqdm(total=steps, unit="step", file=sys.stderr, disable=None, leave=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *ending: object) -> None:
        self._bar.close()

    def show(self, status: JobStatus, request: GenerationRequest) -> None:
        batch = min(status.before // request.batch_size, request.batches - 1)
        before = batch * request.all_steps + sum(one.steps for one in request.passes[: status.pass_number - 1])
        step = 0 if status.stage == "upscaling" else status.step  # its parts are no steps
        self._bar.set_description(status.stage or status.state, refresh=False)
        self._bar.update(before + step - self._bar.n)
