"""How long a picture takes and how large its file is, from the recent ones."""

from __future__ import annotations

import statistics
from pathlib import Path

from pipelines.errors import UnreadableImage
from pipelines.types import steps_at
from webui.archive import metadata
from webui.archive.metadata import Record
from webui.archive.store import SavedImage
from webui.jobs.service import GenerationService

RECENT = 24  # pictures that an estimate rests on, at most
BYTES_PER_PIXEL = 2.0  # of a PNG, until there are pictures to measure


class Durations:
    """What the recent pictures told when it was last refreshed."""

    def __init__(self, service: GenerationService) -> None:
        self._service = service
        self._newest: Path | None = None
        self._rates: dict[str, list[float]] = {}  # model -> seconds a step and pixel
        self._bytes: list[float] = []  # a pixel

    def seconds(self, model: str, steps: int, pixels: int) -> float | None:
        """How long so many steps take for a picture of so many pixels; None when the model made none lately."""
        rates = self._rates.get(model)
        return statistics.median(rates) * steps * pixels if rates else None

    def bytes(self, pixels: int) -> int:
        return int((statistics.median(self._bytes) if self._bytes else BYTES_PER_PIXEL) * pixels)

    def refreshed(self) -> Durations:
        """Itself, with the pictures read again if there is a newer one."""
        recent = [saved for saved in self._service.recent(RECENT) if saved.kind == "image"]
        newest = recent[0].path if recent else None
        if newest == self._newest:
            return self
        rates: dict[str, list[float]] = {}
        sizes: list[float] = []
        for saved in recent:
            _learn(saved, rates, sizes)
        self._newest, self._rates, self._bytes = newest, rates, sizes
        return self


def _learn(saved: SavedImage, rates: dict[str, list[float]], sizes: list[float]) -> None:
    record = record_of(saved.path)
    if record is None:
        return
    settings = record.settings
    pixels = settings["width"] * settings["height"]
    strength = (settings.get("init") or {}).get("strength", 1)
    steps = max(1, steps_at(strength, settings["steps"]))
    rates.setdefault(settings["model"], []).append(record.seconds / (steps * pixels * settings["batch_size"]))
    sizes.append(_size(saved.path) / pixels)


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
