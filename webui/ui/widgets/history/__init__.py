"""The pictures of the output folder, found and sorted out."""

from __future__ import annotations

from typing import ClassVar

from webui.ui.widgets.widget import Widget, Words
from webui.words.history import HISTORY_WORDS
from webui.words.upscale import UPSCALE_WORDS
from webui.words.viewer import VIEWER_WORDS


class HistoryView(Widget):
    """Search, thumbnails, one picture large, two compared. It fetches from `webui.http.history` itself.

    Event `select`, with value {"send": "img2img" | "inpaint" | "again" | "run", "place": below the outputs folder};
    event `expand`, with value {"look": such a place}: where do its words look?
    Value from the server: {"error"}, {"place", "looks": HTML}, or nothing.
    """

    folder = "history"
    shared = ("viewer",)
    words: ClassVar[Words] = {**HISTORY_WORDS, **VIEWER_WORDS, **UPSCALE_WORDS}
