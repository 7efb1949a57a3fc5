"""What is wrong with a field of the form, told beside it."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget


class Faults(Widget):
    """Value: {"undo": whether there is a step back, "faults": field -> sentence}, of what is not kept as it was typed:
    told once the field is left. What a wish was refused for it hears of from `Live`, and brings that field into view.
    It shows nothing itself. Also {"base": field -> value}, what the page shows, of which its next changes are told, and
    {"retry": true} where the kept form cannot be read now: it asks again (`submit`)."""

    folder = "faults"
