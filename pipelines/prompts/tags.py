"""`<lora:name:0.8>` and its like, taken out of a prompt of any dialect. No tag ever stays among the words: one that
cannot be read is told, and refused where the prompt is checked.

A tag begins at `<lora`, `<lyco` or `<hypernet` in either case. `lyco` is what older prompts write for LyCORIS files,
which are LoRAs here. A backslash before the sign takes nothing from it: nobody wants to paint these letters.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pipelines.errors import Note

TAG_SIGNS = ("<", "＜")  # one of them begins every tag
_TAG = re.compile(r"[<＜]\s*(lora|lyco|hypernet)(?!\w)([^<>＜＞]*)([>＞]?)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+")
_WEIGHTS = ("te", "unet")
PLACES = (*_WEIGHTS, "dyn")  # what A1111 calls the items behind the name
SHOWN = 60  # characters of a tag, when it is told


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """`<lora:name:text_weight:unet_weight>`; the second weight defaults to the first, the first to 1."""

    name: str
    text_weight: float = 1.0
    unet_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A text without tags, what they named, and a note for each that cannot be read."""

    text: str
    loras: tuple[Lora, ...]
    problems: tuple[Note, ...]


def take_tags(text: str) -> Taken:
    """Reads any text."""
    loras: list[Lora] = []
    problems: list[Note] = []

    def take(match: re.Match[str]) -> str:
        found = _read(match)
        if isinstance(found, Lora):
            loras.append(found)
        else:
            problems.append(found)
        return ""

    rest, count = _TAG.subn(take, text)
    while count:  # a tag within a tag
        rest, count = _TAG.subn(take, rest)
    return Taken(rest, tuple(loras), tuple(problems))


def tag_spans(text: str) -> list[tuple[int, int]]:
    """Where tags stand in a text."""
    return [match.span() for match in _TAG.finditer(text)]


def tag_in(text: str) -> Note | None:
    """What is wrong with words that came to be a tag only when their brackets were read."""
    match = _TAG.search(text)
    return None if match is None else Note("tag_assembled", tag=_shown(match))


def _read(match: re.Match[str]) -> Lora | Note:
    kind, body, closed = match.groups()
    tag = _shown(match)
    if kind.lower() == "hypernet":
        return Note("tag_hypernet", tag=tag)
    if not closed:
        return Note("tag_unclosed", tag=tag)
    before, _, named = body.partition(":")
    name, *items = named.split(":")
    if before.strip() or not name.strip():
        return Note("tag_without_name", tag=tag)
    weights: dict[str, float] = {}
    for place, item in enumerate(items):
        found = _weight(item.strip(), PLACES[place] if place < len(PLACES) else item.strip(), tag)
        if isinstance(found, Note):
            return found
        weights |= found
    text_weight = weights.get("te", 1.0)
    return Lora(name=name.strip(), text_weight=text_weight, unet_weight=weights.get("unet", text_weight))


def _weight(item: str, default: str, tag: str) -> dict[str, float] | Note:
    """What one item says, `te=0.5` or a number whose place says `default`; nothing when it is empty."""
    if not item:
        return {}
    key, equals, number = item.rpartition("=")
    key, number = key.strip() if equals else default, number.strip()
    if key not in _WEIGHTS:
        return Note("tag_parameter", tag=tag, name=key)
    if _COMMA.fullmatch(number):
        return Note("tag_comma", tag=tag, value=number, right=number.replace(",", "."))
    found = _number(number)
    return Note("tag_number", tag=tag, value=number) if found is None else {key: found}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _shown(match: re.Match[str]) -> str:
    text = " ".join(match[0].split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
