"""A picture dropped or pasted anywhere on the page, and a text of settings pasted into a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from pipelines.errors import InvalidRequest, SeedprintError
from webui.archive import metadata, pictures
from webui.ui.again.send import Sender
from webui.ui.again.tab import AgainTab
from webui.ui.generate.controls import Updates, Values, fits
from webui.ui.house import House
from webui.ui.widgets.widget import Widget
from webui.words import Language, fault, language_of, translate
from webui.words.given import GIVEN_WORDS

STARTS = ("img2img", "inpaint")  # ways on which a picture is begun with


class DropWidget(Widget):
    """The whole page as a place for files, but those that take them themselves; it asks what a picture is for.

    Events: `upload`, with value {"uploaded": path, "way": one of `Sender.ways`}; `submit`, with {"text"}; `select`,
    with {"before"}, takes that back. Value from the server: {"error"}, or {"told", "before": field -> value, what the
    form showed before its text filled it in}.
    """

    folder = "drop"
    words: ClassVar[Any] = GIVEN_WORDS


class DropAnywhere:
    """The component and its events. Call `build` outside the tabs, `wire` once all of them stand."""

    def __init__(self, house: House) -> None:
        self.house = house

    def build(self) -> DropAnywhere:
        self.widget = DropWidget(elem_id="drop_anywhere")
        return self

    def wire(self, sender: Sender, again: AgainTab) -> None:
        given, form = Given(self, sender, again), sender.space.form
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        outputs = [*sender.targets(), again.image, self.widget]
        sender.travels(self.widget.upload(given.picture, self.widget, outputs, api_name="drop_taken", **quiet))
        shown = [*form.components(), sender.space.live, self.widget]
        self.widget.submit(given.text, {self.widget, *form.components()}, shown, api_name="text_read", **quiet)
        self.widget.select(given.undo, self.widget, shown, api_name="text_undone", **quiet)


class Given:
    """Values in, updates out."""

    def __init__(self, anywhere: DropAnywhere, sender: Sender, again: AgainTab) -> None:
        self.house, self.widget, self.sender = anywhere.house, anywhere.widget, sender
        self._ways = sender.ways(again.image)

    def picture(self, value: Any, request: gr.Request) -> Updates:
        language, asked = language_of(request), _known(value)
        try:
            updates = self._sent(asked, language)
        except SeedprintError as error:
            return {self.widget: {"error": fault(error, language)}}
        return updates | {self.widget: {}}

    def _sent(self, asked: dict[str, Any], language: Language) -> Updates:
        """Raises SeedprintError."""
        file = self.house.readable(asked.get("uploaded"), "file")
        way = str(asked.get("way", "again"))
        if way not in self._ways:
            raise InvalidRequest("file", "picture_needed")
        if way in STARTS:
            metadata.read_input(file, self.house.inputs)  # a damaged one starts nothing
        elif pictures.problem(file) is not None:
            metadata.read(file)  # of a damaged one Make again shows what can still be read
        return self._ways[way](Path(file), language)

    def text(self, values: Values, request: gr.Request) -> Updates:
        """Fills the form in; what it showed before goes along, for one step back."""
        language, form = language_of(request), self.sender.space.form
        text = _known(values[self.widget]).get("text")
        if not isinstance(text, str):
            return {self.widget: {}}
        told = {"told": translate("text_read", language), "before": form.read(values)}
        return self.sender.as_text(text, language) | {self.widget: told}

    def undo(self, value: Any) -> Updates:
        before = _known(_known(value).get("before"))
        fields = {name: one for name, one in before.items() if fits(name, one)}
        return self.sender.space.form.apply(fields) | {self.widget: {}, self.sender.space.live: {}}


def _known(value: Any) -> dict[str, Any]:
    """From the browser: data from outside."""
    return value if isinstance(value, dict) else {}
