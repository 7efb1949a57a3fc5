"""Pictures to choose from."""

from __future__ import annotations

from typing import Any, ClassVar

from webui.ui.widgets.widget import Widget, script_words


class Pictures(Widget):
    """A row of pictures. Value: {"items": [{"id", "url", "thumb", "label", "text"}], "selected": place or -1}.

    Options: `empty`, what to say without pictures, and `strip`: one scrolling line, else the selected picture large
    above the others. Event `select`.
    """

    folder = "pictures"
    words = script_words("open", "seed", "pictures")
    empty: ClassVar[dict[str, Any]] = {"items": [], "selected": -1}
