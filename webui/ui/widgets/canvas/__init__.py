"""The canvas: the picture that was made, the one that is being made, and what can be done with either."""

from __future__ import annotations

from typing import Any, ClassVar

from webui.ui.widgets.widget import Widget
from webui.words.canvas import CANVAS_WORDS
from webui.words.history import PROOF_WORDS
from webui.words.upscale import UPSCALE_WORDS
from webui.words.viewer import VIEWER_WORDS


class Canvas(Widget):
    """One picture large, a strip of this run's and of recent pictures, and the verbs of a picture.

    Value from the server: {"items": this run's, [{"id": place below the outputs folder, "picture": its id, "url",
    "thumb", "label", "text"}], "selected": place among them}. From the browser: {"place": below the outputs folder, of
    the picture that is shown, "send": "img2img" | "inpaint" | "again" | "run" | "seed" |
    "vary" | "detail" | "process"}.
    Events: `select`, the picture is sent on its way; `expand`, where do its words look? Recent pictures it fetches from
    `webui.http.history` itself; what is seen in mid-run it hears of from `Live`.
    """

    folder = "canvas"
    words: ClassVar[Any] = {**VIEWER_WORDS, **PROOF_WORDS, **UPSCALE_WORDS, **CANVAS_WORDS}
    empty: ClassVar[dict[str, Any]] = {"items": []}
