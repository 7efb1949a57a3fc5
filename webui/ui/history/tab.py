"""The History tab: everything in the outputs folder, found again, sorted out, sent on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from webui.ui.again.send import LEAVES, Sender
from webui.ui.again.tab import AgainTab
from webui.ui.generate.controls import Updates
from webui.ui.house import House
from webui.ui.looks import history_watcher
from webui.ui.widgets.history import HistoryView
from webui.words import Language, fault, language_of, translate


class HistoryTab:
    """The component."""

    def __init__(self, house: House) -> None:
        self.house = house

    def build(self, opened: gr.Tab) -> HistoryTab:
        """Call inside `opened`."""
        self.opened = opened
        self.view = HistoryView(elem_id="history_view")
        return self

    def wire(self, sender: Sender, again: AgainTab) -> None:
        """Call once all tabs stand."""
        handlers = HistoryHandlers(self, sender, again)
        sent = self.view.select(
            handlers.send,
            self.view,
            [*sender.targets(), again.image, self.view],
            js=LEAVES,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
            api_name="history_send",
        )
        sender.travels(sent)
        self.view.expand(
            history_watcher(self.house),
            self.view,
            self.view,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
            api_name="history_looks",
        )


class HistoryHandlers:
    """Values in, updates out."""

    def __init__(self, tab: HistoryTab, sender: Sender, again: AgainTab) -> None:
        self.tab, self.sender, self.again, self.house = tab, sender, again, tab.house
        self._ways: dict[str, Callable[[Path, Language], Updates]] = {
            "img2img": lambda path, _: sender.as_source(path, "img2img"),
            "inpaint": lambda path, _: sender.as_source(path, "inpaint"),
            "again": lambda path, _: sender.open("again") | {again.image: str(path)},
            "run": sender.as_run,
            "detail": sender.as_detailed,
        }

    def send(self, value: Any, request: gr.Request) -> Updates:
        """A picture on its way to another tab."""
        asked = value if isinstance(value, dict) else {}
        way, path = self._ways.get(str(asked.get("send"))), self.house.output_file(asked.get("place"))
        if way is None or path is None:
            return {self.tab.view: {"error": translate("fault_gone", language_of(request))}}
        try:
            return way(path, language_of(request)) | {self.tab.view: {}}
        except SeedprintError as error:
            return {self.tab.view: {"error": fault(error, language_of(request))}}
