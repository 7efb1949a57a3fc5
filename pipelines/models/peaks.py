"""What runs on this device really took, beside what was predicted: remembered, so that the next plan is right.

Standard library only. Weights are known to the byte; what is learned is the work on top of them, apart for a step and
for a decode, because each device's libraries need other scratch space for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.models.memory import UNMEASURED, Calibration

STAGES = ("step", "decode")
KEPT = 8  # of the last runs, the largest counts
LEAST = 100_000_000  # bytes of work below which a measurement is noise
BOUNDS = (0.5, 4.0)  # a factor beyond these is a fault of the measurement


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Bytes of work beside the weights, in one stage ("step" or "decode") of one run."""

    stage: str
    predicted: float
    taken: float


class Peaks:
    """By device, number format and family. Any thread."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: a JSON file; None: forgotten when the program ends. What cannot be read counts as nothing."""
        self._path = path
        self._lock = threading.Lock()
        self._factors: dict[str, dict[str, list[float]]] = {}
        self._read_file()

    def calibration(self, device: str, family: str, before: Calibration = UNMEASURED) -> Calibration:
        """`before`: for the stages that nothing was learned of yet."""
        with self._lock:
            stages = self._factors.get(f"{device} · {family}", {})
            return replace(before, **{stage: max(factors) for stage, factors in stages.items() if factors})

    def learn(self, device: str, family: str, measured: Measured) -> None:
        if measured.predicted < LEAST:
            return
        with self._lock:
            self._read_file()  # another device's process writes it too
            factors = self._factors.setdefault(f"{device} · {family}", {}).setdefault(measured.stage, [])
            factors.append(_bounded(measured.taken / measured.predicted))
            del factors[:-KEPT]
            text = json.dumps(self._factors, ensure_ascii=False, indent=1)
        self._write(text)

    def _read_file(self) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
                self._factors = _read(json.loads(self._path.read_text(encoding="utf-8")))

    def _write(self, text: str) -> None:
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        with contextlib.suppress(OSError):  # it is learned again
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8")
            part.replace(self._path)


def _read(found: Mapping[str, Mapping[str, list[float]]]) -> dict[str, dict[str, list[float]]]:
    return {
        key: {stage: [_bounded(float(one)) for one in stages[stage]][-KEPT:] for stage in STAGES if stage in stages}
        for key, stages in found.items()
    }


def _bounded(factor: float) -> float:
    return round(min(max(factor, BOUNDS[0]), BOUNDS[1]), 3)
