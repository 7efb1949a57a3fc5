"""The line at the top of the page."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget, script_words


class Header(Widget):
    """The engine's state, the queue, language and light or dark. Value: {"state", "text"}; what is new, and what else a
    person should know, comes with what the queue's list asks for. It tells (`submit`) when the engine is warm."""

    folder = "header"
    words = script_words("queue", "language", "theme", "dismiss", "no_answer")
