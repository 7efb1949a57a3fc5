"""What fills in the whole form, such as a preset or a picture's settings.

An event of that kind names no field among its outputs: its answer holds the updates of the fields that it fills in, in
one component, and each group of fields listens to that. To the person it is one step back, in however many parts the
page then tells of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any

import gradio as gr
from gradio.routes import toorjson

from pipelines.errors import StorageError
from pipelines.fields import field_of
from pipelines.types import GenerationRequest
from webui.kept.forms import Forms
from webui.ui.generate.controls import Form
from webui.ui.inputs import Page

FILLED = "form_filled"  # the component that holds what is filled in


def wire_filling(blocks: Page, form: Form, forms: Forms, name: str) -> None:
    """For every event that may fill in the whole form. `name`: what it is kept as. Call once all are wired."""
    filling = Filling(form)
    for event in [*blocks.fns.values()]:
        if event.fn is not None and form.components() <= {*event.outputs}:
            event.fn = _kept(event.fn, form, forms, name)
            blocks.fold(event, filling)
    filling.wire()


class Filling:
    """The component, and what the answer of an event becomes for it. Make it inside a Blocks context."""

    def __init__(self, form: Form) -> None:
        self.told = gr.Textbox(visible="hidden", elem_id=FILLED)
        self._form, self._fields, self._count = form, form.components(), count(1)

    def outputs(self, whole: list[Any]) -> list[Any]:
        return [*(one for one in whole if one not in self._fields), self.told]

    def fold(self, whole: list[Any], answer: list[Any]) -> list[Any]:
        """An answer for `whole` as one for `outputs(whole)`."""
        told = dict(zip(whole, answer, strict=True))
        fields = {one.elem_id: update for one, update in told.items() if one in self._fields and update != gr.skip()}
        others = [update for one, update in told.items() if one not in self._fields]
        text: str = toorjson({"count": next(self._count), "fields": fields})  # type: ignore[no-untyped-call]
        return [*others, str(text) if fields else gr.skip()]

    def wire(self) -> None:
        groups = defaultdict(list)
        for name, component in self._form.named.items():
            known = field_of(GenerationRequest, name)
            groups[known.group if known else ""].append(component)
        for fields in groups.values():
            told = f"told => window.seedprintFill(told, {json.dumps([one.elem_id for one in fields])})"
            self.told.change(None, self.told, fields, js=told, api_visibility="private")


def unfolded(told: Any) -> dict[str, Any]:
    """Element id -> update, of the fields that an answer fills in; `told`: what it holds for the component."""
    fields: dict[str, Any] = json.loads(told)["fields"] if isinstance(told, str) else {}
    return fields


def _kept(handler: Callable[..., Any], form: Form, forms: Forms, name: str) -> Callable[..., Any]:
    @wraps(handler)
    def fill(*given: Any) -> Any:
        updates = handler(*given)
        try:
            if isinstance(updates, dict) and (filled := form.filled(updates)):
                forms.keep(name, {**(forms.current(name) or {}), **filled})
        except StorageError:
            pass  # the page tells of it once more, and is told that it is not kept
        return updates

    return fill
