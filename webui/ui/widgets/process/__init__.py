"""A picture taken apart into noise, and put together again."""

from __future__ import annotations

from typing import Any, ClassVar

from webui.ui.widgets.widget import Widget
from webui.words.process import PROCESS_WORDS


class ProcessView(Widget):
    """Value from the server: {"place": of the chosen picture below the outputs folder, "url": its address, "told": what
    is said of the film, "state": "idle" | "working" | "done" | "refused", "film": [{"step", "steps", "alpha", "views":
    view -> address of a picture}]}, any of them. Event: `submit`, film it. What is taken apart the browser computes."""

    folder = "process"
    words: ClassVar[Any] = PROCESS_WORDS
