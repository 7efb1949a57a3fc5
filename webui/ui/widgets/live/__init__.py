"""A run as it goes."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget, script_words


class Live(Widget):
    """How far a run is. Value: {"job": its id, "state", "line", "detail", "share": 0 … 1 or None, "preview": base64
    JPEG or None, "size": [width, height] of what will come, "error", "faults": field -> what is wrong with it, "at":
    the field that comes into view}, any of them. Option `main`: it tells the whole page, and shows no preview of its
    own. `stops`: ids of the buttons that end a run, which rest while there is none; `starts`: of those that let one go
    on. `kept`: a name under which a browser remembers that a run was shown here; a page that is opened again then asks
    for it (`submit`)."""

    folder = "live"
    words = script_words("preview", "sent", "not_sent")
