"""How long a picture takes and how large its file is, from the recent ones."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipelines.errors import InvalidRequest, UnreadableImage
from pipelines.fields import no_picture, unpacked
from pipelines.steps import work_of
from pipelines.types import GenerationRequest
from webui.archive import metadata
from webui.archive.metadata import Record
from webui.archive.store import SavedImage

RECENT = 24  # pictures that an estimate rests on, at most
BYTES_PER_PIXEL = 2.0  # of a PNG, until there are pictures to measure


class Durations:
    """What the recent pictures told when it was last refreshed. `recent`: so many of the newest, the newest first."""

    def __init__(self, recent: Callable[[int], Sequence[SavedImage]]) -> None:
        self._recent = recent
        self._read: dict[Path, _Told | None] = {}  # each file is read once
        self._rates: dict[str, list[float]] = {}  # model -> seconds a step and pixel
        self._bytes: list[float] = []  # a pixel

    def seconds(self, model: str, work: int) -> float | None:
        """How long so many steps times pixels take; None when the model made none lately."""
        rates = self._rates.get(model)
        return statistics.median(rates) * work if rates else None

    def bytes(self, pixels: int) -> int:
        return int((statistics.median(self._bytes) if self._bytes else BYTES_PER_PIXEL) * pixels)

    def refreshed(self) -> Durations:
        """Itself, with what newer pictures tell. Raises StorageError."""
        paths = [saved.path for saved in self._recent(RECENT) if saved.kind == "image"]
        self._read = {path: self._read[path] if path in self._read else _told(path) for path in paths}
        told = [one for one in self._read.values() if one is not None]
        self._rates, self._bytes = {}, [one.bytes for one in told]
        for one in told:
            self._rates.setdefault(one.model, []).append(one.rate)
        return self


class _Told(NamedTuple):
    model: str
    rate: float  # seconds a step and pixel
    bytes: float  # a pixel


def _told(path: Path) -> _Told | None:
    record = record_of(path)
    if record is None or record.settings.get("upscale") is not None or record.settings.get("stop_after"):
        # no step ran, or the run was ended
        return None
    try:
        found = unpacked(
            GenerationRequest, {**record.settings, "init": None, "inpaint": None, "upscale": None}, no_picture
        )
    except InvalidRequest:
        return None
    strength = (record.settings.get("init") or {}).get("strength", 1)
    work = work_of(found.passes, strength) * found.batch_size
    return _Told(found.model, record.seconds / work, _size(path) / math.prod(found.size))


def record_of(path: Path) -> Record | None:
    """What a file says about how it was made; None when it is gone or says nothing."""
    try:
        return metadata.read(path).record if path.is_file() else None
    except (UnreadableImage, OSError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
