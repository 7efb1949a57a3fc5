"""The model files there are."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget
from webui.words.models import LIST_WORDS


class ModelList(Widget):
    """Every file. Value from the server: {"items": see `webui.ui.models.view.listed`, "selected": id or None}; from
    the browser {"selected"}. Events: `select` a row, `input` to look into the folders again."""

    folder = "models"
    words = LIST_WORDS
