"""The lock between width and height."""

from __future__ import annotations

from typing import ClassVar

from webui.ui.widgets.widget import Widget, Words
from webui.words import WORDS


class SizeLock(Widget):
    """While it is on, a side that is typed takes the other one along. It has no events: whoever hears the sides asks
    for its value, {"width", "height"} as they stood when a person began to type; without them it is off."""

    folder = "size_lock"
    words: ClassVar[Words] = {"size_lock": WORDS["size_lock"]}
