"""The line at the top of the page."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget, script_words


class Header(Widget):
    """The engine's state, the queue, language and light or dark. Value: {"state", "text", "notice"}: what a person
    should know of this start, or nothing."""

    folder = "header"
    words = script_words("queue", "language", "theme")
