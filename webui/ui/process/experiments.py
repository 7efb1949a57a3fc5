"""The experiments of the Process tab: run by the lab, shown as they come, counted at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from pipelines.errors import InvalidRequest, ModelError, Note, SeedprintError
from pipelines.groups import SEED_END
from pipelines.types import Embedding, GenerationRequest
from webui.archive import pictures
from webui.archive.history import History
from webui.archive.store import opaque_id
from webui.lab.experiments import Cell
from webui.lab.runner import ExperimentStatus, Lab
from webui.lab.seen import asked as things_asked
from webui.lab.seen import share_seen
from webui.process import experiments, figures, ranking
from webui.process.experiments import GUIDANCES, SAMPLERS, SHARES, STEPS, Asked
from webui.process.ranking import Judge
from webui.proof.measures import Pixels
from webui.ui.house import House, jpeg_address, thumb_url
from webui.ui.labels import word
from webui.ui.widgets.experiments import ExperimentsView
from webui.ui.widgets.process import ProcessView
from webui.words import Language, fault, language_of, say, translate

WAIT = 1.0  # seconds; a watcher whose browser has left ends after this long
Cells = Sequence[tuple[Cell, Path | None]]


class ExperimentsCard:
    """`view`: where the picture is chosen."""

    def __init__(self, house: House, lab: Lab, history: History, view: ProcessView) -> None:
        self.house, self.lab, self.history, self.view = house, lab, history, view

    def build(self) -> ExperimentsCard:
        """Call inside a Blocks context."""
        gr.Markdown(word("trial_hint"), elem_classes="note")
        self.shown = ExperimentsView(elem_id="process_experiments", server_functions=[judges_of(self.house)])
        return self

    def wire(self) -> None:
        self.shown.submit(
            self.run,
            [self.view, self.shown],
            self.shown,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
            api_name="process_experiment",
        )

    def run(self, view: Any, wish: Any, request: gr.Request) -> Iterator[dict[str, Any]]:
        """The pictures as they come, then the figures. The experiment goes on when nobody looks any more."""
        language = language_of(request)
        which = _which(wish)
        path = self.house.output_file(view.get("place") if isinstance(view, dict) else None)
        if path is None or not isinstance(wish, dict):
            yield _refused(which, translate("fault_select", language))
            return
        try:
            asked = _asked(experiments.base_of(path), wish)
            counted = Counted(house=self.house, base=asked.base, language=language)
            if which == "best":
                counted = replace(counted, best=self._best(counted, wish))
            identity = self.lab.submit(experiments.experiment(which, asked))
            yield from self._followed(which, identity, counted, language)
        except SeedprintError as error:
            yield _refused(which, fault(error, language))

    def _best(self, counted: Counted, wish: dict[str, Any]) -> Best:
        """Raises InvalidRequest where nobody can tell how much of the prompt is seen, and ModelError."""
        name, marked = wish.get("judge"), wish.get("marked")
        infos = {one.name: one for one in self.house.service.image_encoders()}
        prompt, count = counted.base.prompt, marked if type(marked) is int else 0
        if isinstance(name, str) and name:
            if name not in ranking.clips(infos.values()):
                raise ModelError("image_encoder_missing", name=name)
            judge = ranking.clip_judge(prompt, infos[name], self._embedded)
        elif counted.judged:
            judge = ranking.own_judge(prompt)
        else:
            raise InvalidRequest("model", "judged_builtin")
        return Best(judge=judge, history=self.history, marked=count)

    def _embedded(self, encoder: str, images: Sequence[Image.Image], text: str) -> Sequence[Embedding]:
        return self.house.service.embedded(encoder, images, lambda _: None, text)

    def _followed(self, which: str, identity: str, counted: Counted, language: Language) -> Iterator[dict[str, Any]]:
        status, seen = self.lab.status(identity), -1
        while status is not None and not status.over:
            value: dict[str, Any] = {"which": which, "state": "working", "told": _told(status, language)}
            if status.done != seen:
                seen = status.done
                value["result"] = {"rows": counted.rows(which, self.lab.pictures(identity))}
            yield value
            status = self.lab.wait(identity, status.version, WAIT)
        if status is None:
            return
        cells = self.lab.pictures(identity)
        if status.state != "done" or any(path is None for _, path in cells):
            told = translate("trial_stopped", language) if status.error is None else say(status.error, language)
            yield _refused(which, told) | {"result": {"rows": counted.rows(which, cells)}}
            return
        told = translate("trial_done", language, cells=len(cells))
        yield {"which": which, "state": "done", "told": told, "result": counted.result(which, cells)}


def judges_of(house: House) -> Callable[..., list[str]]:
    """A function that tells the CLIP models that pictures can be ranked by."""

    def judges(_nothing: object = None) -> list[str]:
        return list(ranking.clips(house.service.image_encoders()))

    return judges


def _asked(base: GenerationRequest, wish: dict[str, Any]) -> Asked:
    seed, prompt = wish.get("other_seed"), wish.get("other_prompt")
    following = ((base.seed or 0) + 1) % SEED_END
    return Asked(
        base=base,
        other_seed=following if seed is None else seed,
        other_prompt=prompt if isinstance(prompt, str) else "",
    )


def _which(wish: Any) -> str:
    told = wish.get("which") if isinstance(wish, dict) else None
    return told if isinstance(told, str) and told in experiments.KINDS else next(iter(experiments.KINDS))


def _refused(which: str, told: str) -> dict[str, Any]:
    return {"which": which, "state": "refused", "told": told}


def _told(status: ExperimentStatus, language: Language) -> str:
    if status.job is None and not status.done:
        return translate("trial_waits", language)
    return translate("trial_working", language, done=min(status.done + 1, status.cells), cells=status.cells)


@dataclass(frozen=True, kw_only=True)
class Best:
    """Who ranks pictures, where that is written, and how many of the best get a tag."""

    judge: Judge
    history: History
    marked: int

    def ranked(self, pictures: dict[Path, Pixels], tag: str) -> dict[Path, float]:
        """The best first."""
        scores = dict(zip(pictures, self.judge.scores([*pictures.values()]), strict=True))
        ranked = {path: scores[path] for path in sorted(scores, key=scores.__getitem__, reverse=True)}
        named = {self.history.identity(path): score for path, score in ranked.items()}
        self.history.score(named, self.judge.name, self.judge.sha256)
        if self.marked > 0:
            self.history.tag([*named][: self.marked], add=[tag])
        return ranked


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Pictures and figures as an `ExperimentsView` shows them. `best`: of that experiment alone."""

    house: House
    base: GenerationRequest
    language: Language
    best: Best | None = None

    @property
    def judged(self) -> bool:
        """The judge knows only what the built-in models draw."""
        model = self.house.model(self.base.model)
        return model is not None and model.builtin

    def rows(self, which: str, cells: Cells) -> list[dict[str, Any]]:
        names = list(dict.fromkeys(_row(which, cell) for cell, _ in cells))
        return [
            {
                "name": self._named(*name),
                "cells": [
                    {"caption": _column(which, cell), "url": self._url(path)}
                    for cell, path in cells
                    if _row(which, cell) == name
                ],
            }
            for name in names
        ]

    def _named(self, sampler: str = "", seed: int | None = None) -> str:
        told = "" if seed is None else say(Note("lab_seed", seed=seed), self.language)
        return " · ".join(filter(None, (sampler, told)))

    def _url(self, path: Path | None) -> str:
        return "" if path is None else thumb_url(opaque_id(self.house.outputs, path))

    def result(self, which: str, cells: Cells) -> dict[str, Any]:
        """Of an experiment whose pictures are all there. Raises UnreadableImage."""
        if self.best is not None:
            return self._ranked(cells, self.best)
        made = [(cell, np.asarray(pictures.read(path))) for cell, path in cells if path is not None]
        rows = self.rows(which, cells)
        if which == "steps":
            return {"rows": rows, "table": self._consistency(made)}
        if which == "guidance":
            return {"rows": rows} | self._curve(made)
        return self._walk(rows, [pixels for _, pixels in made])

    def _ranked(self, cells: Cells, best: Best) -> dict[str, Any]:
        seeds = {path: cell.seed for cell, path in cells if path is not None}
        tag = translate("trial_best_tag", self.language, count=len(seeds))
        found = best.ranked({path: np.asarray(pictures.read(path)) for path in seeds}, tag)
        ranked = [
            {"caption": f"{seeds[path]} · {_figure(score)}", "url": self._url(path)} for path, score in found.items()
        ]
        half = len(ranked) // 2
        rows = [
            {"name": translate(f"trial_{name}", self.language), "cells": cells}
            for name, cells in (("best_half", ranked[:half]), ("other_half", ranked[half:]))
        ]
        counts = [count for count in (1, 2, 4, 8, 16) if count <= len(ranked)]
        expected = [_figure(figures.best_of([*found.values()], count)) for count in counts]
        by = best.judge.name
        name = translate("trial_fidelity", self.language) if by == ranking.OWN else f"{by}: cos"
        head = ["", *(str(count) for count in counts)]
        table = {"name": name, "head": head, "rows": [[translate("trial_best_of", self.language), *expected]]}
        return {"rows": rows, "table": table}

    def _consistency(self, made: list[tuple[Cell, Pixels]]) -> dict[str, Any]:
        def of(sampler: str, steps: int) -> list[Pixels]:
            return [one for cell, one in made if (cell.request.sampler, cell.request.steps) == (sampler, steps)]

        most = max(STEPS)
        table = [
            [sampler, *map(_figure, figures.consistency({steps: of(sampler, steps) for steps in STEPS}).values())]
            for sampler in SAMPLERS
        ]
        other = _figure(figures.variety(of(SAMPLERS[0], most)))
        name = translate("trial_apart", self.language, most=most, other=other)
        return {"name": name, "head": ["", *map(str, STEPS)], "rows": table}

    def _walk(self, rows: list[dict[str, Any]], way: list[Pixels]) -> dict[str, Any]:
        faded = [figures.crossfaded(way[0], way[-1], share) for share in SHARES]
        cells = [
            {"caption": f"{share:g}", "url": jpeg_address(Image.fromarray(one))}
            for share, one in zip(SHARES, faded, strict=True)
        ]
        names = [translate(f"trial_{one}", self.language) for one in ("way", "faded")]
        shown = [{"name": names[0], "cells": rows[0]["cells"]}, {"name": names[1], "cells": cells}]
        table = [
            [name, *(_figure(figures.distance(line[0], one)) for one in line)]
            for name, line in zip(names, (way, faded), strict=True)
        ]
        head = ["", *(f"{share:g}" for share in SHARES)]
        return {"rows": shown, "table": {"name": translate("trial_from", self.language), "head": head, "rows": table}}

    def _curve(self, made: list[tuple[Cell, Pixels]]) -> dict[str, Any]:
        things = things_asked(self.base.prompt) if self.judged else {}
        of = {level: [one for cell, one in made if cell.request.guidance == level] for level in GUIDANCES}
        lines = {"variety": [figures.variety(own) or 0.0 for own in of.values()]}
        if things:
            lines["fidelity"] = [float(np.mean([share_seen(one, things) for one in own])) for own in of.values()]
        named = [(translate(f"trial_{name}", self.language), lines[name]) for name in sorted(lines)]
        x, seeds = [f"{level:g}" for level in GUIDANCES], len(made) // len(GUIDANCES)
        under = translate("guidance", self.language)
        return {
            "curve": {"x": x, "under": under, "lines": [{"name": name, "values": values} for name, values in named]},
            "table": {
                "name": translate("trial_counted", self.language, seeds=seeds),
                "head": ["", *x],
                "rows": [[name, *map(_figure, values)] for name, values in named],
            },
        }


def _row(which: str, cell: Cell) -> tuple[Any, ...]:
    """Sampler and seed of a row, as far as rows differ by them."""
    if which == "best":
        return ()
    return (cell.request.sampler if which == "steps" else "", cell.seed)


def _column(which: str, cell: Cell) -> str:
    if which == "best":
        return str(cell.seed)
    if which in {"steps", "guidance"}:
        return f"{getattr(cell.request, which):g}"
    return f"{SHARES[cell.variant]:g}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
