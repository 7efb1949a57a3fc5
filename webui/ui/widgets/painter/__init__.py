"""Where a mask is painted."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget, script_words


class MaskPainter(Widget):
    """A picture with a mask over it. Event `upload`: the visitor gave another picture.

    Value, from the server: {"source": its hash in the input store, "url", "mask_url"?}; from the browser besides:
    {"mask": path of an uploaded PNG, white where painted on black, "uploaded": path of an uploaded picture}.
    """

    folder = "painter"
    words = script_words(
        *("brush", "erase", "undo", "invert", "clear", "upload", "other", "drop", "select"),
        *("zoom_in", "zoom_out", "zoom_fit", "size", "canvas", "unreadable", "unsent"),
        *("select_how", "selecting", "brush_strength", "brush_strength_how"),
    )
