"""The Process tab: a picture taken apart into noise, and the film of how it came out of noise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from pipelines.types import Progress
from webui.animation.beginning import EXAMPLE
from webui.archive.history import History
from webui.archive.store import opaque_id
from webui.lab.runner import Lab
from webui.process.film import Film, film, moving, strip
from webui.ui.followed import followed
from webui.ui.house import House, image_url, jpeg_address
from webui.ui.labels import word
from webui.ui.process import latents
from webui.ui.process.anatomy import AnatomyCard
from webui.ui.process.experiments import ExperimentsCard
from webui.ui.widgets.animation import AnimationView
from webui.ui.widgets.pictures import Pictures
from webui.ui.widgets.process import ProcessView
from webui.ui.widgets.widget import empty_words
from webui.words import Language, fault, language_of, translate

Updates = dict[Any, Any]


class ProcessTab:
    """The components."""

    def __init__(self, house: House, lab: Lab, history: History) -> None:
        self.house, self.lab, self.history = house, lab, history

    def build(self, opened: gr.Tab) -> ProcessTab:
        """Call inside `opened`."""
        self.opened = opened
        gr.Markdown(word("process_hint"), elem_classes="note")
        self.recent = Pictures(options={"empty": empty_words("process_empty"), "strip": True}, elem_id="process_recent")
        self.view = ProcessView(elem_id="process", server_functions=[latents.reader(self.house)])
        with gr.Row(elem_classes="actions"):
            self.strip = gr.DownloadButton(_label("process_strip"), size="sm", elem_id="process_strip", visible=False)
            self.moving = gr.DownloadButton(
                _label("process_moving"), size="sm", elem_id="process_moving", visible=False
            )
        self.experiments = ExperimentsCard(self.house, self.lab, self.history, self.view).build()
        AnimationView(options={"example": EXAMPLE}, elem_id="process_animation")
        self.anatomy = AnatomyCard(self.house, self.view).build()
        return self

    def wire(self) -> None:
        """Call once all tabs stand."""
        handlers = ProcessHandlers(self)
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.opened.select(handlers.load, None, self.recent, queue=False, api_name="process_recent", **quiet)
        outputs = [self.view, self.strip, self.moving]
        self.recent.select(handlers.choose, self.recent, outputs, queue=False, api_name="process_choose", **quiet)
        self.view.submit(handlers.show, self.view, outputs, concurrency_limit=None, api_name="process_film", **quiet)
        self.experiments.wire()
        self.anatomy.wire()


class ProcessHandlers:
    """Values in, updates out."""

    def __init__(self, tab: ProcessTab) -> None:
        self.tab, self.house = tab, tab.house

    def load(self, request: gr.Request) -> dict[str, Any]:
        return self.house.recent(language_of(request))

    def choose(self, value: Any, request: gr.Request) -> Updates:
        path = self.house.chosen(value)
        if path is None:
            return {self.tab.view: refused(translate("fault_gone", language_of(request)))}
        return self._without_files() | {self.tab.view: chosen(self.house, path)}

    def _without_files(self) -> Updates:
        hidden = gr.update(value=None, visible=False)
        return {self.tab.strip: hidden, self.tab.moving: hidden}

    def show(self, value: Any, request: gr.Request) -> Iterator[Updates]:
        """How far it is, then the film, or why there is none. It ends within a step when nobody looks any more."""
        view, language = self.tab.view, language_of(request)
        path = self.house.output_file(value.get("place") if isinstance(value, dict) else None)
        if path is None:
            yield self._without_files() | {view: refused(translate("fault_select", language))}
            return
        picture = chosen(self.house, path)
        yield self._without_files() | {view: picture | _working(translate("process_working", language))}
        try:
            shown = yield from followed(
                lambda hear: film(path, self.house.inputs, lambda batch: self.house.service.watched(batch, hear)),
                lambda newest: {view: picture | _step(newest, language)},
            )
        except SeedprintError as error:
            yield {view: picture | refused(fault(error, language))}
            return
        yield {view: picture | film_value(shown, language)} | self._files(shown, path)

    def _files(self, shown: Film, path: Path) -> Updates:
        """In the page's own temporary folder, where gradio may serve them from."""
        folder = os.environ.get("GRADIO_TEMP_DIR")
        if not folder:
            return {}
        place = Path(folder) / "process" / opaque_id(self.house.outputs, path)
        place.mkdir(parents=True, exist_ok=True)
        still, moves = place / f"{path.stem}_film.png", place / f"{path.stem}_film.webp"
        strip(shown).save(still)
        moves.write_bytes(moving(shown))
        return {
            self.tab.strip: gr.update(value=str(still), visible=True),
            self.tab.moving: gr.update(value=str(moves), visible=True),
        }


def chosen(house: House, path: Path) -> dict[str, Any]:
    """The value of a `ProcessView` that shows a picture of ours."""
    place = path.relative_to(house.outputs).as_posix()
    return {"place": place, "url": image_url(opaque_id(house.outputs, path)), "state": "idle", "told": "", "film": []}


def refused(text: str) -> dict[str, Any]:
    return {"state": "refused", "told": text}


def film_value(shown: Film, language: Language) -> dict[str, Any]:
    said = "process_same" if shown.identical else "process_near" if shown.near else "process_other"
    moments = [
        {
            **{name: getattr(moment, name) for name in ("step", "steps", "alpha")},
            "views": {name: jpeg_address(picture) for name, picture in moment.views.items()},
        }
        for moment in shown.moments
    ]
    return {"state": "done", "told": translate(said, language), "film": moments}


def _working(text: str) -> dict[str, Any]:
    return {"state": "working", "told": text}


def _step(newest: Progress, language: Language) -> dict[str, Any]:
    return _working(translate("process_step", language, step=newest.step, steps=newest.steps))


def _label(key: str) -> Any:
    return word(key)  # gradio says `str`, and takes a translated one
