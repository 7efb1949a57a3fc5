"""What the script of the Process tab asks for: a picture of ours, taken apart in the latents of its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelines.errors import SeedprintError
from pipelines.watching import Dissolving
from webui.process.latents import dissolved
from webui.ui.house import House, jpeg_address
from webui.words import LANGUAGES, fault, translate

Answer = dict[str, Any]


def reader(house: House) -> Callable[[Any], Answer]:
    """Of {"place": as in the view's value, "left": shares of the picture's power, "stepwise", "language": 0 or 1}."""

    def latents(wish: Any) -> Answer:
        """Views as addresses and figures, or the sentence of a "fault"."""
        told = wish if isinstance(wish, dict) else {}
        language = LANGUAGES[told.get("language") == 1]
        path = house.output_file(told.get("place"))
        if path is None:
            return {"fault": translate("fault_select", language)}
        left = told.get("left")
        shares = tuple(map(_share, left)) if isinstance(left, list) else ()
        asked = Dissolving(left=shares, stepwise=told.get("stepwise") is True)
        try:
            found = dissolved(path, asked, lambda batch: house.service.watched(batch, lambda _: None))
        except SeedprintError as error:
            return {"fault": fault(error, language)}
        return {
            "views": [jpeg_address(view) for view in found.views],
            "apart": found.apart,
            "deviation": found.deviation,
        }

    return latents


def _share(value: Any) -> float:
    """0 for what is none."""
    return float(value) if isinstance(value, (int, float)) and 0 < value <= 1 else 0.0
