"""The pictures that came out differently: kept beside the jobs, so that a person can look at what differs."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections import deque
from pathlib import Path

from PIL import Image

from webui.proof.sweep import amplified

KEPT = 200  # pictures; of older ones only the report stays
NOW, DIFFERENCE = "now", "difference"
log = logging.getLogger(__name__)


class Remade:
    """Job and place in it -> the picture as it is made now, and the difference made visible. Any thread may ask."""

    def __init__(self, folder: Path | None = None) -> None:
        """The folder is emptied; without one nothing is kept."""
        self._folder, self._lock = folder, threading.Lock()
        self._kept: deque[Path] = deque()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, job: str, place: int, before: Image.Image, now: Image.Image) -> None:
        """A disk that is full costs the picture, not the report."""
        if self._folder is None:
            return
        folder = self._folder / job / str(place)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            now.save(folder / f"{NOW}.png", compress_level=1)
            if before.size == now.size:
                amplified(before, now)[0].save(folder / f"{DIFFERENCE}.png", compress_level=1)
        except OSError as error:
            log.warning("The picture made again cannot be kept in %s: %s", folder, error)
        with self._lock:
            self._kept.append(folder)
            while len(self._kept) > KEPT:
                gone = self._kept.popleft()
                shutil.rmtree(gone, ignore_errors=True)
                with contextlib.suppress(OSError):
                    gone.parent.rmdir()  # the job's, once it is empty

    def find(self, job: str, place: int, which: str) -> Path | None:
        """A kept PNG; `which` is NOW or DIFFERENCE."""
        if self._folder is None or which not in (NOW, DIFFERENCE):
            return None
        file = self._folder / job / str(place) / f"{which}.png"
        return file if file.is_file() else None
