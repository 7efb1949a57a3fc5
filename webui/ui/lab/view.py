"""What the lab shows: the state in words, the pictures, the verdict, the table."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from webui.archive.store import place_below
from webui.lab.clip import METRIC
from webui.lab.effects import Effect, Number, Results
from webui.lab.experiments import Cell
from webui.lab.report import shown, sorted_by, to_svg
from webui.lab.runner import ExperimentStatus, Lab
from webui.proof.measures import TRAITS
from webui.ui.house import House
from webui.words import Language, say, translate

SURE_SEEDS = 5
PICTURES = 60  # shown at once; the labelled grid has them all
NEWEST = 12  # shown while it runs


def live_value(status: ExperimentStatus, language: Language) -> dict[str, Any]:
    """What `Live` shows of an experiment."""
    value: dict[str, Any] = {"state": status.state, "share": None, "preview": None, "error": "", "detail": ""}
    counts = {"done": status.done, "cells": status.cells}
    if not status.over and (status.finished or status.done == status.cells):
        line = "lab_counting_clip" if status.seen else "lab_counting"
        return value | {"state": "running", "share": 1.0, "line": translate(line, language, seen=status.seen)}
    if status.state == "running":
        job = status.job
        within = job.step / job.steps if job is not None and job.steps else 0.0
        value["share"] = min(1.0, (status.done + within) / max(1, status.cells))
        at = min(status.done + 1, status.cells)
        value["line"] = translate("lab_running", language, done=at, cells=status.cells)
        if status.eta_seconds is not None:
            value["detail"] = translate("eta", language, seconds=max(1, round(status.eta_seconds)))
        if job is not None and job.preview is not None:
            value["preview"] = base64.b64encode(job.preview).decode("ascii")
        return value
    value["line"] = translate(f"lab_{status.state}", language, **counts)
    value["error"] = "" if status.error is None else say(status.error, language)
    return value


def pictures_value(
    house: House, lab: Lab, status: ExperimentStatus, cells: list[tuple[Cell, Path | None]], language: Language
) -> dict[str, Any]:
    """The labelled grid first, then the cells; the newest ones of a long experiment."""
    made = [(cell, path) for cell, path in cells if path is not None and place_below(house.outputs, path)]
    items = []
    if status.over and status.grid is not None and status.grid.path.is_file():
        items = house.items([status.grid], language)
    for cell, path in made[-(PICTURES if status.over else NEWEST) :]:
        label = f"{say(cell.label, language)} · {cell.seed}"
        items.append(house.item(lab.saved(cell, path), language) | {"label": label[:40]})
    return {"items": items, "selected": 0 if status.over and items else len(items) - 1}


def verdict(results: Results, metric: str, language: Language) -> list[str]:
    """Sentences: what moves the picture most, and what to be careful about."""
    strongest = results.strongest(metric)
    if strongest is None:
        return [translate("lab_nothing", language)]
    label, distance = say(strongest.label, language), shown(strongest.distances[metric])
    label = label if "“" in label else f"“{label}”"
    ratio = strongest.against_floor.get(metric)
    if ratio is None:
        said = [translate("lab_strongest_alone", language, label=label, distance=distance)]
    else:
        said = [translate("lab_strongest", language, label=label, distance=distance, ratio=shown(ratio, 2))]
    if strongest.seeds < SURE_SEEDS:
        said.append(translate("lab_few_seeds", language))
    if metric == METRIC and results.encoder:
        said.append(translate("lab_encoder", language, name=results.encoder))
    if len(results.setups) > 1:
        said.append(translate("lab_setups", language, count=len(results.setups)))
    return said


def metrics(results: Results, language: Language) -> list[tuple[str, str]]:
    """The distances to choose from: the one that says most first."""
    return [(translate(f"metric_{name}", language), name) for name in reversed(results.metrics)]


def plot(results: Results, metric: str, language: Language) -> str:
    return to_svg(results, metric, translate(f"metric_{metric}", language), language) if results.effects else ""


def table(results: Results, metric: str, language: Language) -> dict[str, Any]:
    """For gr.DataFrame: one row an effect, the strongest first; the noise floor on top."""
    names = ("what", "seeds", "distance", "interval", "ratio", "interval", "changes")
    headers = [translate(f"lab_column_{name}", language) for name in names]
    floor = results.floor.get(metric)
    rows: list[list[Any]] = []
    if floor is not None:
        rows.append([translate("lab_other_seed", language), "", _mean(floor), _interval(floor), "1", "", ""])
    for effect in sorted_by(metric, results.effects):
        distance, ratio = effect.distances.get(metric), effect.against_floor.get(metric)
        rows.append(
            [
                say(effect.full_label, language),
                str(effect.seeds),
                _mean(distance),
                _interval(distance),
                _mean(ratio, 2),
                _interval(ratio, 2),
                _changes(effect, language),
            ]
        )
    return {"headers": headers, "data": rows}


def _mean(number: Number | None, digits: int = 3) -> str:
    return "–" if number is None else f"{number.mean:.{digits}f}"


def _interval(number: Number | None, digits: int = 3) -> str:
    if number is None or number.low is None or number.high is None:
        return "–"
    return f"{number.low:.{digits}f} … {number.high:.{digits}f}"


def _changes(effect: Effect, language: Language) -> str:
    """The traits whose interval leaves 0 out."""
    said = []
    for name in TRAITS:
        number = effect.traits.get(name)
        if number is None or number.low is None or number.high is None or number.low <= 0 <= number.high:
            continue
        if abs(number.mean) >= 0.0005:  # would be shown as 0.000
            said.append(f"{translate(f'trait_{name}', language)} {number.mean:+.3f}")
    return ", ".join(said)
