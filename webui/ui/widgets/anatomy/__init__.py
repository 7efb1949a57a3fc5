"""The networks of a model, drawn."""

from __future__ import annotations

from typing import Any, ClassVar

from webui.ui.widgets.widget import Widget
from webui.words.anatomy import ANATOMY_WORDS


class AnatomyView(Widget):
    """Value from the server: {"state": "idle" | "working" | "done" | "refused", "told": what is said, "blocks": [the
    fields of a `Block`] or nothing}. Event: `submit`, look at the model of the chosen picture."""

    folder = "anatomy"
    words: ClassVar[Any] = ANATOMY_WORDS
