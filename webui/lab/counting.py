"""After the cells: the labelled grid into the archive, and the pictures counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pipelines.types import BUILT_IN, Facts
from webui.archive import metadata, pictures
from webui.archive.grids import Tile
from webui.archive.history import History
from webui.archive.store import ImageStore
from webui.jobs.durations import record_of
from webui.jobs.keeper import note
from webui.lab.effects import Measured, Results
from webui.lab.experiments import Cell, Experiment
from webui.lab.judge import judge_distance
from webui.lab.sheet import draw_sheet
from webui.lab.store import Row
from webui.proof.measures import DISTANCES, Distance, Pixels
from webui.words import say

_SETUP = ("device_name", "device", "dtype", "torch", "diffusers")


def save_sheet(
    store: ImageStore, history: History, cells: Sequence[Cell], paths: Sequence[Path | None], row: Row
) -> Mapping[str, Any] | None:
    """The grid with its labels, as JSON of SavedImage; None when no cell is there. One of as many cells that the
    experiment `row` has already, from before the program ended, is taken. Raises StorageError."""
    made = [(cell, path) for cell, path in zip(cells, paths, strict=True) if path is not None]
    if not made:
        return None
    job = metadata.Job(row.id, len(made))
    if (there := history.adoption.made_for(job.id, row.made_at).get(job.place)) is not None:
        note(history, there)
        return there.to_json()
    tiles = [Tile(size=metadata.read(path).size, read=partial(pictures.read, path)) for _, path in made]
    labels = [(say(cell.row, "en"), say(cell.column, "en")) for cell, _ in made]
    sheet = draw_sheet([(*label, tile) for label, tile in zip(labels, tiles, strict=True)])
    saved = store.save_sheet(sheet, store.result(made[0][1]), job=job)
    note(history, saved)
    return saved.to_json()


def count(
    experiment: Experiment,
    cells: Sequence[Cell],
    paths: Sequence[Path | None],
    more: Mapping[str, Distance] = MappingProxyType({}),
) -> Results:
    """Measures every picture that is there, one seed after the other. `more`: distances besides those of all
    pictures."""
    seeds = experiment.paired_seeds
    facts = {path: _facts(path) for path in paths if path is not None}
    measured = Measured(experiment.variants(), len(seeds), {**DISTANCES, **more, **_of_family(facts.values())})
    for place, seed in enumerate(seeds):
        found: dict[int, Pixels] = {}
        for cell, path in zip(cells, paths, strict=True):
            if cell.seed == seed and path is not None:
                found[cell.variant] = np.asarray(pictures.read(path))
        measured.add_seed(place, found)
    return measured.results([_setup(one) for one in facts.values()])


def _facts(path: Path) -> Facts:
    record = record_of(path)
    return record.facts if record is not None else {}


def _of_family(facts: Iterable[Facts]) -> Mapping[str, Distance]:
    """The judge knows only what the built-in models draw."""
    families = {model.get("family") for one in facts if isinstance(model := one.get("model"), Mapping)}
    return {"judge": judge_distance} if families and families <= set(BUILT_IN) else {}


def _setup(facts: Facts) -> str:
    """What must be equal for pictures to be compared."""
    return " · ".join(f"{name} {facts[name]}" for name in _SETUP if isinstance(facts.get(name), str) and facts[name])
