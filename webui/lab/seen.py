"""How much of what a prompt asks of the built-in model's world the judge sees in a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipelines.prompts.things import THINGS, asked
from webui.lab.judge import named
from webui.proof.measures import Pixels

__all__ = ["THINGS", "asked", "share_seen"]


def share_seen(pixels: Pixels, things: Mapping[str, str]) -> float:
    """How likely the judge takes each of these things to be as it is named, on average, 0 … 1."""
    answers = dict(zip(THINGS, named(pixels), strict=True))
    return float(np.mean([answers[thing][THINGS[thing].index(name)] for thing, name in things.items()]))
