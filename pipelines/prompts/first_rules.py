"""Prompts as version 0.1.0 read them, where that was otherwise, so that its pictures can be made again. No torch.

A tag was `<lora:…>` in small letters. `dyn`, and a third number, were passed over; a tag that could not be read stayed
words. A learned word was cut where a chunk ended (`chunks`), and one with brackets in its name was never found.
"""

from __future__ import annotations

import math
import re

from pipelines.prompts.learned import escaped
from pipelines.prompts.loras import Lora
from pipelines.prompts.tags import PLACES, Taken

_TAG = re.compile(r"<lora:([^<>]+)>")


def take_tags(text: str) -> Taken:
    """Reads any text."""
    loras: list[Lora] = []

    def take(match: re.Match[str]) -> str:
        lora = _read(match[1])
        if lora is None:
            return match[0]
        loras.append(lora)
        return ""

    rest = _TAG.sub(take, text)
    while rest != text:  # a tag within a tag
        text, rest = rest, _TAG.sub(take, rest)
    return Taken(rest, tuple(loras), ())


def finds(name: str) -> bool:
    """Whether a learned word of this name was ever found."""
    return escaped(name, [name]) == name


def _read(body: str) -> Lora | None:
    name, *items = body.split(":")
    weights: dict[str, float] = {}
    for place, item in enumerate(items[: len(PLACES)]):
        key, equals, number = item.rpartition("=")
        try:
            weights |= {key if equals else PLACES[place]: float(number)} if item else {}
        except ValueError:
            return None
    if not name or "=" in name or len(items) > len(PLACES) or not set(weights) <= set(PLACES):
        return None
    if not all(map(math.isfinite, weights.values())):
        return None
    text_weight = weights.get("te", 1.0)
    return Lora(name=name, text_weight=text_weight, unet_weight=weights.get("unet", text_weight))
