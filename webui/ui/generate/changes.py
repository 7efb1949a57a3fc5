"""What depends on fields of the form is asked for once they change, each once for changes that come together.

An event of gradio's that listens to a field may be held back while it runs (`always_last`); over, gradio begins all
events of that field again, not that one alone. Two of them on one field held each other back without end. So a field
tells a script alone, and that presses a button nobody sees, one for each thing that depends on fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradio as gr


class Changes:
    def __init__(self) -> None:
        self._asked: dict[Any, list[str]] = {}  # field -> ids of what it asks for

    def ask(
        self,
        fields: Iterable[Any],
        handler: Callable[..., Any],
        *,
        api_name: str,
        also: Sequence[Any] = (),
        **event: Any,
    ) -> None:
        """Calls `handler` when one of the fields changes, or at an event of `also`. `event`: the rest of it. Call
        inside a Blocks context."""
        button = gr.Button("", elem_id=f"{api_name}_ask", visible="hidden")
        gr.on([button.click, *also], handler, trigger_mode="always_last", api_name=api_name, **event)
        for field in fields:
            self._asked.setdefault(field, []).append(f"{api_name}_ask")

    def wire(self) -> None:
        """Call once all that depends on fields is told of."""
        for field, asked in self._asked.items():
            field.change(None, js=f"() => void window.seedprintAsk({asked})", api_visibility="private")
