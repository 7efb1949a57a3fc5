"""The list of keys, which `?` opens."""

from __future__ import annotations

from typing import ClassVar

from webui.ui.widgets.widget import Widget, Words
from webui.words.shortcuts import SHORTCUT_WORDS


class Shortcuts(Widget):
    """A dialog that lists what `table.js` holds. It has no value and no events."""

    folder = "shortcuts"
    words: ClassVar[Words] = SHORTCUT_WORDS
