"""Where the settings stand in a `parameters` text, and its pairs: the one place that cuts such a text to pieces."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

NEGATIVE = "Negative prompt:"
# a key has at least two characters; 80 at most here, so that no text makes the search slow
_KEY = re.compile(r"(\w[\w \-/]{1,79}):[^\S\n]*")
_QUOTED = re.compile(r'"(?:\\.|[^\\"\n])+"(?=,|\n|$)')
_PLAIN = re.compile(r"[^,\n]*")
_END = re.compile(r"[^\S\n]*(?=,|\n|$)")
# what matters for finding the end of a bracket: texts in either quotes, and brackets
_PART = re.compile(r"""("(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*')|([\[{])|([\]}])""", re.DOTALL)
_SURE = re.compile(r"Steps:[^\S\n]*\d")  # how every program begins its settings
_SURE_LINE = re.compile(r"(?:^|\n)[^\S\n]*Steps:[^\S\n]*\d")
_LOOKED_AT = 256 * 1024  # characters
_LEAST_PAIRS = 3  # fewer on the last line: it belongs to the prompt
_TRIES = 20  # brackets looked for in vain: more are no settings, and each costs a walk to the end


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """A text in its parts. `behind`: what stands after the settings, which belongs to neither prompt."""

    prompt: str
    negative_prompt: str
    pairs: Mapping[str, str]  # unquoted; {} when there are no settings
    behind: tuple[str, ...] = ()


def parts_of(text: str) -> Parts:
    """Finds the settings: the last line that begins with `Steps:`, else the last line, if it has three pairs."""
    text = text.replace("\r\n", "\n").strip()
    for start in _candidates(text):
        pairs, end = _pairs(text, start)
        if len(pairs) >= _LEAST_PAIRS:
            behind = tuple(line for line in text[end:].split("\n") if line.strip())
            prompt, negative = _prompts(text[: max(0, start - 1)])
            return Parts(prompt=prompt, negative_prompt=negative, pairs=_given(pairs), behind=behind)
    prompt, negative = _prompts(text)
    return Parts(prompt=prompt, negative_prompt=negative, pairs={})


def has_settings(text: str) -> bool:
    """Whether a text that may be anything surely holds settings: a line that begins with `Steps:`, with its pairs."""
    return _SURE_LINE.search(text) is not None and "Steps" in parts_of(text[:_LOOKED_AT]).pairs


def _candidates(text: str) -> Iterator[int]:
    """Where the settings may begin, the likeliest first."""
    last = text.rfind("\n") + 1
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    yield from [start for start in reversed(starts) if _SURE.match(text, start)][:_TRIES]
    yield last


def _pairs(text: str, start: int) -> tuple[list[tuple[str, str]], int]:
    """The pairs of the line that begins there, and where they end: lines on where a bracket went on over them."""
    found: list[tuple[str, str]] = []
    place, tries = start, 0
    while (key := _KEY.search(text, place, _line_end(text, place))) is not None:
        place = key.end()
        end = _bracket_end(text, place) if text[place : place + 1] in ("[", "{") and tries < _TRIES else None
        tries += end is None and text[place : place + 1] in ("[", "{")
        quoted = _QUOTED.match(text, place)
        if end is None:
            end = (quoted or _plain(text, place)).end()
        found.append((key[1], text[place:end]))
        place = end
    return found, _line_end(text, place)


def _plain(text: str, place: int) -> re.Match[str]:
    found = _PLAIN.match(text, place)
    assert found is not None  # it matches nothing too
    return found


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _bracket_end(text: str, start: int) -> int | None:
    """Where a list or an object ends, as JSON and Python write them, when a comma or the line's end follows."""
    depth = 0
    for part in _PART.finditer(text, start):
        depth += 1 if part[2] else -1 if part[3] else 0
        if depth == 0:
            return part.end() if _END.match(text, part.end()) else None
    return None


def _prompts(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    start = next((place for place, line in enumerate(lines) if line.startswith(NEGATIVE)), len(lines))
    negative = []
    for line in lines[start:]:
        # the reference cuts the words off every such line, so a negative prompt cannot hold them
        negative.append(line[len(NEGATIVE) :].removeprefix(" ") if line.startswith(NEGATIVE) else line)
    return "\n".join(lines[:start]), "\n".join(negative)


def _given(pairs: list[tuple[str, str]]) -> dict[str, str]:
    return {key: _unquoted(value.strip()) for key, value in pairs if value.strip()}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        with contextlib.suppress(ValueError, RecursionError):
            inner = json.loads(value)
            return inner if isinstance(inner, str) else value
    return value


def quote(value: object) -> str:
    """A value that would break the line, or would be read as a list or an object, is written as JSON text."""
    text = str(value)
    breaks = any(mark in text for mark in ",\n:") or text[:1] in ("[", "{")
    return json.dumps(text, ensure_ascii=False) if breaks or _is_quoted(text) else text


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


def holds(prompt: str, negative_prompt: str) -> bool:
    """Whether the format can carry the two prompts unchanged (our own JSON always can)."""
    if prompt[:1].isspace() or "\r" in prompt + negative_prompt:
        return False
    return not any(line.startswith(NEGATIVE) for line in f"{prompt}\n{negative_prompt}".split("\n"))
