"""`<lora:name:0.8>` and its like, taken out of a prompt of any dialect. No tag ever stays among the words: one that
cannot be read is told, and refused where the prompt is checked.

A tag begins at `<lora`, `<lyco` or `<hypernet` in either case. `lyco` is what older prompts write for LyCORIS files,
which are LoRAs here. A backslash before the sign takes nothing from it: nobody wants to paint these letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.errors import Note
from pipelines.prompts.loras import Lora, first_of, number, read_blocks, read_points

TAG_SIGNS = ("<", "＜")  # one of them begins every tag
_TAG = re.compile(r"[<＜]\s*(lora|lyco|hypernet)(?!\w)([^<>＜＞]*)([>＞]?)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+")
_WEIGHTS = ("te", "unet")
PLACES = (*_WEIGHTS, "dyn")  # what A1111 calls the items behind the name
SHOWN = 60  # characters of a tag, when it is told


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
    said: dict[str, Any] = {}
    for place, item in enumerate(items):
        found = _item(item.strip(), PLACES[place] if place < len(PLACES) else item.strip(), tag)
        if isinstance(found, Note):
            return found
        said |= found
    text = said.pop("te", (1.0, ()))
    weight, points = said.pop("unet", text)
    return Lora(name=name.strip(), text_weight=text[0], unet_weight=weight, points=points, **said)


def _item(item: str, default: str, tag: str) -> Mapping[str, Any] | Note:
    """What one item says, `te=0.5` or a number whose place says `default`; nothing when it is empty."""
    if not item:
        return {}
    key, equals, value = item.partition("=")
    key, value = key.strip() if equals else default, value.strip() if equals else item
    if key in _WEIGHTS:
        return _weight(key, value, tag)
    if key == "lbw":
        blocks = read_blocks(value)
        return Note("tag_blocks", tag=tag, value=value[:SHOWN]) if blocks is None else {"blocks": blocks}
    if key in ("start", "stop", "step"):
        return _span(key, value, tag)
    return Note("tag_parameter", tag=tag, name=key)


def _weight(key: str, value: str, tag: str) -> Mapping[str, Any] | Note:
    """A number, or points over the steps: the weight at the first step, and the points."""
    if (found := number(value)) is not None:
        return {key: (found, ())}
    if "@" in value:
        points = read_points(value)
        return Note("tag_points", tag=tag, value=value[:SHOWN]) if points is None else {key: (first_of(points), points)}
    if _COMMA.fullmatch(value):
        return Note("tag_comma", tag=tag, value=value, right=value.replace(",", "."))
    return Note("tag_number", tag=tag, value=value)


def _span(key: str, value: str, tag: str) -> Mapping[str, Any] | Note:
    """`start=5`, `stop=0.4`, or both as `step=5-10`."""
    keys = ("start", "stop") if key == "step" else (key,)
    values = value.split("-") if key == "step" else [value]
    found = [number(one) for one in values]
    if len(found) != len(keys) or any(one is None or one < 0 for one in found):
        return Note("tag_steps", tag=tag, value=value[:SHOWN])
    return dict(zip(keys, found, strict=True))


def _shown(match: re.Match[str]) -> str:
    text = " ".join(match[0].split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
