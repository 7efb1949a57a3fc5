"""Pictures that we make for networks that have none: one a network, by a fixed seed and the same words for all, so that
they can be compared. They lie in the data folder: nothing is written beside a person's files."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import threading
from pathlib import Path

from PIL.Image import Image

from pipelines.types import BUILT_IN, ModelInfo
from webui.archive.files import storage_errors, write_new

SEED = 42
SIDE = 512  # pixels, at most, of what is kept
KEPT = 4_000
PROMPTS = {**dict.fromkeys(BUILT_IN, "a red house in a green meadow"), "": "portrait of a person in a garden, daylight"}
_KEY = re.compile(r"[0-9a-f]{32}")


def key_of(info: ModelInfo) -> str:
    """What a network's picture is kept under: a file that took its place has one of its own."""
    try:
        changed = Path(info.path).stat().st_mtime_ns
    except OSError:
        changed = 0
    return hashlib.sha256(f"{info.path}\0{info.bytes}\0{changed}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Previews:
    """In a folder; without one nothing is kept. Any thread may ask."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._lock = folder, threading.Lock()

    def find(self, key: str) -> Path | None:
        if self._folder is None or not _KEY.fullmatch(key):
            return None
        file = self._folder / f"{key}.webp"
        return file if file.is_file() else None

    def put(self, key: str, image: Image) -> None:
        """Instead of one that is there. Raises StorageError."""
        if self._folder is None or not _KEY.fullmatch(key):
            return
        small, data = image.copy(), io.BytesIO()
        small.thumbnail((SIDE, SIDE))
        small.save(data, "WEBP", quality=90)
        with self._lock, storage_errors(self._folder):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (self._folder / f"{key}.webp").unlink()
            write_new(self._folder, f"{key}.webp", data.getvalue())
            self._forget()

    def _forget(self) -> None:
        """The oldest, of more than may be."""
        files = sorted(self._folder.glob("*.webp"), key=lambda file: file.stat().st_mtime) if self._folder else []
        for file in files[:-KEPT]:
            file.unlink(missing_ok=True)
