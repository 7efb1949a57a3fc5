"""Animations: written as text, made frame by frame, and played."""

from __future__ import annotations

from typing import Any, ClassVar

from webui.ui.widgets.widget import Widget
from webui.words.animation import ANIMATION_WORDS


class AnimationView(Widget):
    """It asks `webui.http.animation` itself. Option: "example", the text that it begins with."""

    folder = "animation"
    words: ClassVar[Any] = ANIMATION_WORDS
