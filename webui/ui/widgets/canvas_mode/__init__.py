"""What the canvas shows on Inpaint."""

from __future__ import annotations

from typing import ClassVar

from webui.ui.widgets.widget import Widget, Words
from webui.words import WORDS


class CanvasMode(Widget):
    """Two buttons: the picture with its mask, or the result. It has no value: the page's frame hears them."""

    folder = "canvas_mode"
    words: ClassVar[Words] = {key: WORDS[key] for key in ("canvas_paint", "canvas_result")}
