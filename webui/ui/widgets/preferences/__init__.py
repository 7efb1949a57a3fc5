"""What a browser keeps for itself: language, light or dark, and whether it tells of a finished run."""

from __future__ import annotations

from typing import ClassVar

from webui.ui.widgets.widget import Widget, Words
from webui.words.settings import PREFERENCE_WORDS


class Preferences(Widget):
    """It has no value and no events."""

    folder = "preferences"
    words: ClassVar[Words] = PREFERENCE_WORDS
