"""Pictures of the archive made small in processes of their own, which may die of one: two at a time and no more, each
within a bound of memory. Whatever lies in the folder, the page itself decodes none of it."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from pathlib import Path

from PIL import Image

from pipelines.errors import UnreadableImage
from webui.archive import pictures

AT_ONCE = 2
MEMORY = 2 * 1024**3  # bytes of addresses of one process, where the system can hold it to them
_TRIES = 2  # another picture may have been what ended the process


class Decoder:
    """The processes begin with the first picture, and anew after one died. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def small(self, path: Path, side: int) -> bytes:
        """JPEG of at most `side` pixels a side, as `pictures.small` makes it. Raises UnreadableImage."""
        for _ in range(_TRIES):
            pool = self._running()
            try:
                return pool.submit(_made, path, side).result()
            except BrokenExecutor:
                self._leave(pool)
        raise UnreadableImage("picture_ended_reading", name=path.name)

    def close(self) -> None:
        """Ends the processes; a picture that is asked for later begins new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                # spawned: the page's process has threads, and a fork of it could wait for ever for one of their locks
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(AT_ONCE, context, initializer=_begin, initargs=(MEMORY,))
            return self._pool

    def _leave(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
        pool.shutdown(wait=False)


def _begin(memory: int) -> None:
    """In each process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the page's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Image.MAX_IMAGE_PIXELS = None  # `pictures.small` looks at the size itself, and says it
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has none; macOS may not let go of it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _made(path: Path, side: int) -> bytes:
    buffer = io.BytesIO()
    try:
        pictures.small(path, side).save(buffer, "JPEG", quality=85)
    except OSError as error:
        raise UnreadableImage("picture_closed", name=path.name) from error
    return buffer.getvalue()
