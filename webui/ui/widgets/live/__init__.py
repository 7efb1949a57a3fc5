"""A run as it goes."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget, script_words


class Live(Widget):
    """How far a run is. Value: {"job": its id, "state", "line", "detail", "share": 0 … 1 or None, "preview": base64
    JPEG or None, "error"}, any of them."""

    folder = "live"
    words = script_words("preview")
