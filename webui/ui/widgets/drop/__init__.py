"""A picture dropped anywhere on the page opens in Make again, whoever made it."""

from __future__ import annotations

from typing import Any, ClassVar

import gradio as gr

from pipelines.errors import SeedprintError
from webui.archive import metadata, pictures
from webui.ui.again.send import Sender
from webui.ui.again.tab import AgainTab
from webui.ui.generate.controls import Updates
from webui.ui.house import House
from webui.ui.widgets.widget import Widget, Words
from webui.words import WORDS, fault, language_of


class DropWidget(Widget):
    """The whole page as a place for files, but those that take them themselves. Event `upload`, with value
    {"uploaded": path}. Value from the server: {"error"}."""

    folder = "drop"
    words: ClassVar[Words] = {key: WORDS[key] for key in ("drop_here", "drop_refused")}


class DropAnywhere:
    """The component and its one event. Call `build` outside the tabs, `wire` once all of them stand."""

    def __init__(self, house: House) -> None:
        self.house = house

    def build(self) -> DropAnywhere:
        self.widget = DropWidget(elem_id="drop_anywhere")
        return self

    def wire(self, sender: Sender, again: AgainTab) -> None:
        def taken(value: Any, request: gr.Request) -> Updates:
            path = value.get("uploaded") if isinstance(value, dict) else None
            try:
                file = self.house.readable(path, "file")
                if pictures.problem(file) is not None:
                    metadata.read(file)  # of a damaged one Make again shows what can still be read
            except SeedprintError as error:
                return {self.widget: {"error": fault(error, language_of(request))}}
            return sender.open("again") | {again.image: str(file), self.widget: {}}

        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        outputs = [sender.way, again.image, self.widget]
        sender.travels(self.widget.upload(taken, self.widget, outputs, api_name="drop_taken", **quiet))
