"""Where words look: a finished picture is made again under watch, and shown with the heat of each word."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from webui.lab.looks import Look, Looks, look
from webui.ui.followed import followed
from webui.ui.house import House
from webui.ui.labels import word
from webui.ui.widgets.pictures import Pictures
from webui.ui.widgets.widget import empty_words
from webui.words import Language, fault, language_of, translate


class LooksCard:
    """Choose a recent picture; its prompt's words come back as overlays."""

    def __init__(self, house: House) -> None:
        self.house = house

    def build(self) -> LooksCard:
        """Call inside a Blocks context."""
        gr.Markdown(word("looks_title"), elem_classes="section-title")
        gr.Markdown(word("looks_hint"), elem_classes="note")
        self.recent = Pictures(options={"empty": empty_words("empty_recent"), "strip": True}, elem_id="lab_recent")
        self.shown = gr.HTML(elem_id="lab_looks")
        return self

    def wire(self, opened: gr.Tab) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        opened.select(self.load, None, self.recent, queue=False, api_name="lab_recent", **quiet)
        self.recent.select(
            watcher(self.house), self.recent, self.shown, concurrency_limit=None, api_name="lab_looks", **quiet
        )

    def load(self, request: gr.Request) -> dict[str, Any]:
        return self.house.recent(language_of(request))


def watcher(house: House) -> Callable[[Any, gr.Request], Iterator[str]]:
    """A handler: the value of a `Pictures` or a `Canvas` -> what is to be shown of the selected one."""

    def watch(value: Any, request: gr.Request) -> Iterator[str]:
        language, path = language_of(request), house.chosen(value)
        if path is None:
            yield _note(translate("fault_gone" if house.chose(value) else "fault_select", language))
            return
        yield from watched(house, path, language)

    return watch


def history_watcher(house: House) -> Callable[[Any, gr.Request], Iterator[dict[str, str]]]:
    """A handler: {"look": place below the outputs folder} -> what a `HistoryView` shows beside that picture."""

    def watch(value: Any, request: gr.Request) -> Iterator[dict[str, str]]:
        language, place = language_of(request), value.get("look") if isinstance(value, dict) else None
        path = house.output_file(place)
        texts = [_note(translate("fault_gone", language))] if path is None else watched(house, path, language)
        for text in texts:
            yield {"place": str(place), "looks": text}

    return watch


def watched(house: House, path: Path, language: Language) -> Iterator[str]:
    """What is to be shown of a picture: that it is being made again, how far that is, then its overlays or why there
    are none. It ends within a step when nobody looks any more."""
    yield _note(translate("looks_working", language))
    try:
        found = yield from followed(
            lambda hear: look(path, house.inputs, lambda batch: house.service.watched(batch, hear)),
            lambda newest: _note(translate("looks_step", language, step=newest.step, steps=newest.steps)),
        )
    except SeedprintError as error:
        yield _note(fault(error, language))
        return
    yield shown(found, language)


def shown(found: Looks, language: Language) -> str:
    """Every word under the picture with its heat."""
    said = translate("looks_same" if found.identical else "looks_near" if found.near else "looks_other", language)
    figures = "".join(map(_figure, found.looks))
    return f'{_note(said)}<div class="looks">{figures}</div>'


def _figure(one: Look) -> str:
    buffer = io.BytesIO()
    one.overlay.save(buffer, "JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = escape(one.word)
    share = "" if one.share is None else f" <small>{one.share:.0%}</small>"
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{text}"><figcaption>{text}{share}</figcaption></figure>'
    )


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'
