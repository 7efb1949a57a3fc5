"""Several devices behind the one `Engine`: a worker process for each. No torch is imported here.

Who wants to choose asks for `devices`, as the queue does (`webui/jobs/dealing.py`); what is made outside of it goes to
the device that is free soonest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.boxes import Click
from pipelines.engine import Engine
from pipelines.engines import child
from pipelines.engines.worker import WorkerEngine
from pipelines.models.catalogue import Catalogue
from pipelines.types import Batch, Embedding, EngineState, GenerationResult, OnProgress

if TYPE_CHECKING:
    from PIL.Image import Image

_COUNT = "import torch; print(torch.cuda.device_count())"
_RANK = {"ready": 0, "warming": 1, "failed": 2}


class Pool(Catalogue):
    """`Engine` over others, a device each. What lies in the models folders is listed once, by `catalogue`."""

    def __init__(self, members: Sequence[Engine], catalogue: Catalogue) -> None:
        self._share(catalogue)
        self._members = tuple(members)
        self._counting = threading.Lock()
        self._given: Counter[int] = Counter()  # member's place -> how much it has from here

    def devices(self) -> tuple[Engine, ...]:  # type: ignore[override]  # others than itself
        return self._members

    def describe(self) -> EngineState:
        """Ready as soon as one is. Of the memory the least, so that what fits, fits on each."""
        states = [one.describe() for one in self._members]
        best = min(states, key=lambda state: _RANK[state.state])
        alike = [state for state in states if state.state == best.state]
        least = min(alike, key=lambda state: state.memory_free_bytes or 0)
        kinds = Counter(state.device for state in alike if state.device)
        told = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
        return replace(least, device=told, name="", model="")

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        with self._soonest(batch.request.model) as engine:
            return engine.generate(batch, on_progress)

    def embed(self, encoder: str, images: Sequence[Image], on_progress: OnProgress, text: str = "") -> list[Embedding]:
        with self._soonest() as engine:
            return engine.embed(encoder, images, on_progress, text)

    def select(self, image: Image, clicks: Sequence[Click], on_progress: OnProgress) -> Image:
        with self._soonest() as engine:
            return engine.select(image, clicks, on_progress)

    def close(self) -> None:
        for one in self._members:
            one.close()
        self._hashes.close()

    @contextmanager
    def _soonest(self, model: str = "") -> Iterator[Engine]:
        """The one that is free soonest, if possible with this model."""

        def waits(place: int) -> tuple[int, bool, bool]:
            state = self._members[place].describe()
            return _RANK[state.state], self._given[place] > 0 or state.busy, state.model != model

        with self._counting:
            place = min(range(len(self._members)), key=waits)
            self._given[place] += 1
        try:
            yield self._members[place]
        finally:
            with self._counting:
                self._given[place] -= 1


class _Member(WorkerEngine):
    """One device of several."""

    def __init__(self, options: child.Options, catalogue: Catalogue) -> None:
        self._share(catalogue)
        self._begin(options)

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        """As many threads on each processor, settled and not measured: they touch the last bits of a picture, which
        must not depend on who makes it."""
        return super().generate(replace(batch, threads=batch.threads or self._options.threads), on_progress)


def pool_of(
    devices: Sequence[str],
    models_dirs: Sequence[Path] = (),
    *,
    data_dir: Path | None = None,
    exact: bool = False,
    replay: bool = True,
) -> Pool:
    """A worker for each of `devices`; one may be named several times. The others: see `LocalEngine`."""
    catalogue = Catalogue(models_dirs, None if data_dir is None else data_dir / "hashes.sqlite")
    options = child.Options(
        models_dirs=tuple(map(str, models_dirs)),
        device=None,
        data_dir=None if data_dir is None else str(data_dir),
        exact=exact,
        replay=replay,
    )
    shared = devices.count("cpu")
    threads = max(1, (os.cpu_count() or 1) // shared) if shared > 1 else None
    members = [
        _Member(
            replace(options, device=device, name=name, threads=threads if device == "cpu" else None),
            catalogue,
        )
        for device, name in zip(devices, named(devices), strict=True)
    ]
    return Pool(members, catalogue)


def named(devices: Sequence[str]) -> list[str]:
    """Each another: those that are the same are counted."""
    seen: Counter[str] = Counter()
    names = []
    for device in devices:
        seen[device] += 1
        names.append(f"{device} #{seen[device]}" if devices.count(device) > 1 else device)
    return names


def cards() -> tuple[str, ...]:
    """All CUDA cards that torch finds here, asked in a process of its own: it is not imported in this one."""
    asked = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, check=False)
    count = int(asked.stdout) if asked.returncode == 0 and asked.stdout.strip().isdigit() else 0
    return tuple(f"cuda:{number}" for number in range(count))
