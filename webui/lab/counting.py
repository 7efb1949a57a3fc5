"""After the cells: the labelled grid into the archive, and the pictures counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import SeedprintError
from pipelines.types import GenerationResult
from webui.archive import metadata, pictures
from webui.archive.history import History
from webui.archive.store import ImageStore
from webui.lab.effects import Measured, Results
from webui.lab.experiments import Cell, Experiment
from webui.lab.measures import Pixels
from webui.lab.reuse import record_of
from webui.lab.sheet import draw_sheet

_SETUP = ("device_name", "device", "dtype", "torch", "diffusers")


def save_sheet(
    store: ImageStore, history: History, cells: Sequence[Cell], paths: Sequence[Path | None]
) -> Mapping[str, Any] | None:
    """The grid with its labels, as JSON of SavedImage; None when no cell is there. Raises StorageError."""
    made = [(cell, path) for cell, path in zip(cells, paths, strict=True) if path is not None]
    if not made:
        return None
    sheet = draw_sheet([(cell.row, cell.column, pictures.read(path)) for cell, path in made])
    saved = store.save_sheet(sheet, _result(store, made[0][1]))
    history.add(saved)
    return saved.to_json()


def _result(store: ImageStore, path: Path) -> GenerationResult:
    record = metadata.read(path).record
    if record is None:
        raise SeedprintError(f"{path.name} lost its settings while its experiment was going on.")
    return GenerationResult(
        image=pictures.read(path),
        request=record.request(store.inputs),
        position=record.position,
        seconds=record.seconds,
        facts=record.facts,
    )


def count(experiment: Experiment, cells: Sequence[Cell], paths: Sequence[Path | None]) -> Results:
    """Measures every picture that is there, one seed after the other."""
    seeds = experiment.paired_seeds
    measured = Measured(experiment.variants(), len(seeds))
    setups: list[str] = []
    for place, seed in enumerate(seeds):
        found: dict[int, Pixels] = {}
        for cell, path in zip(cells, paths, strict=True):
            if cell.seed == seed and path is not None:
                found[cell.variant] = np.asarray(pictures.read(path))
                setups.append(_setup(path))
        measured.add_seed(place, found)
    return measured.results(setups)


def _setup(path: Path) -> str:
    """What must be equal for pictures to be compared."""
    record = record_of(path)
    facts = record.facts if record is not None else {}
    return " · ".join(f"{name} {facts[name]}" for name in _SETUP if isinstance(facts.get(name), str) and facts[name])
