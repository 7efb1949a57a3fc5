"""The line at the top of the page."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget, script_words


class Header(Widget):
    """The engine's state, the queue, language and light or dark. Value: {"state", "text"}; what else a person should
    know its script asks `/notices`, as long as somebody looks."""

    folder = "header"
    words = script_words("queue", "language", "theme", "dismiss", "no_answer")
