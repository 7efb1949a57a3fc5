"""The part of the Lab tab that shows where words look."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import gradio as gr

from pipelines.errors import InvalidRequest, SeedprintError
from webui.lab.looks import Look, Looks, look
from webui.ui.controls import Updates
from webui.ui.handlers import escaped
from webui.ui.house import House
from webui.ui.widgets import Pictures, empty_words
from webui.ui.words import Language, language_of, sentence, translate, word


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

    def wire(self, blocks: gr.Blocks, opened: gr.Tab) -> None:
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        fresh: list[Any] = [blocks.load, opened.select]
        gr.on(fresh, self.load, None, self.recent, queue=False, api_name="lab_recent", **quiet)
        self.recent.select(self.watch, self.recent, self.shown, concurrency_limit=None, api_name="lab_looks", **quiet)

    def load(self, request: gr.Request) -> dict[str, Any]:
        return self.house.recent(language_of(request))

    def watch(self, recent: Any, request: gr.Request) -> Iterator[Updates]:
        language, path = language_of(request), self.house.chosen(recent)
        if path is None:
            yield {self.shown: _note(translate("fault_gone", language))}
            return
        yield {self.shown: _note(translate("looks_working", language))}
        try:
            found = look(path, self.house.inputs, self.house.service.watched)
        except InvalidRequest as error:
            yield {self.shown: _note(sentence(error.field, error.rule, language))}
        except SeedprintError as error:
            yield {self.shown: _note(str(error))}
        else:
            yield {self.shown: shown(found, language)}


def shown(found: Looks, language: Language) -> str:
    """Every word under the picture with its heat."""
    said = translate("looks_same" if found.identical else "looks_other", language)
    figures = "".join(map(_figure, found.looks))
    return f'{_note(said)}<div class="looks">{figures}</div>'


def _figure(one: Look) -> str:
    buffer = io.BytesIO()
    one.overlay.save(buffer, "JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = escaped(one.word).replace('"', "&quot;")
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{text}">'
        f"<figcaption>{text} <small>{one.share:.0%}</small></figcaption></figure>"
    )


def _note(text: str) -> str:
    return f'<p class="note">{escaped(text)}</p>'
