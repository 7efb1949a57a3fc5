"""What the program fills into the form is one step back, in however many parts the page then tells of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from pipelines.errors import StorageError
from webui.kept.forms import Forms
from webui.ui.generate.controls import Form


def keep_as_filled(blocks: gr.Blocks, form: Form, forms: Forms, name: str) -> None:
    """Of every event that may fill in the whole form. `name`: what it is kept as. Call once all are wired."""
    for event in blocks.fns.values():
        if event.fn is not None and form.components() <= {*event.outputs}:
            event.fn = _kept(event.fn, form, forms, name)


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
