"""Work that tells how far it is, shown while it goes on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from pipelines.errors import Cancelled
from pipelines.types import OnProgress, Progress

PAUSE = 0.2  # seconds between two looks at how far it is

Shown = TypeVar("Shown")
Result = TypeVar("Result")


def followed(work: Callable[[OnProgress], Result], show: Callable[[Progress], Shown]) -> Generator[Shown, None, Result]:
    """Yields what is to be shown of the newest step of its denoising; its result. Raises what the work raises. The work
    ends within a step when nobody looks any more."""
    told: queue.SimpleQueue[Progress] = queue.SimpleQueue()
    left = threading.Event()

    def hear(progress: Progress) -> None:
        if left.is_set():
            raise Cancelled("stopped")
        told.put(progress)

    with ThreadPoolExecutor(1, "followed") as pool:
        found = pool.submit(work, hear)
        try:
            while not wait([found], PAUSE).done:
                newest = None
                while not told.empty():
                    newest = told.get()
                if newest is not None and newest.stage == "denoising":
                    yield show(newest)
        finally:
            left.set()
        return found.result()
