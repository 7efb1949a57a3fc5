r"""How much each word counts: `(x)`, `[x]`, `(x:1.3)`, escapes, and `BREAK`. The language is A1111's.

`(x)` multiplies by 1.1, `[x]` divides by it, `(x:1.3)` multiplies by 1.3; they nest. `\(` is a bracket in the text.
A bracket never closed counts to the end; one never opened is text. One difference: `BREAK` inside brackets breaks too
(A1111 turns it into the word "BREAK" with a negative weight there).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from pipelines.prompts.schedule import decimal_text

ROUND = 1.1
SQUARE = 1 / 1.1
LARGEST_WEIGHT = 1e6  # beyond it, numbers run into infinity

_TOKEN = re.compile(
    r"(?P<escape>\\[()\[\]\\]?)|(?P<mark>[()\[\]])|:\s*(?P<weight>[+-]?[.\d]+)\s*\)|(?P<text>[^\\()\[\]:]+|:)"
)
_BREAK = re.compile(r"\bBREAK\b")
_SPECIAL = re.compile(r"[\\()\[\]]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Words of one weight."""

    text: str
    weight: float = 1.0


Sections = tuple[tuple[Piece, ...], ...]  # between two sections stands a BREAK; an empty one has no words


@dataclass(slots=True)
class _Run:
    text: str | None  # None: a BREAK
    weight: float = 1.0


def parse_weights(text: str) -> Sections:
    """Text without schedules -> weighted pieces. Plain text is one piece of weight 1, unchanged."""
    runs: list[_Run] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def multiply_from(start: int, factor: float) -> None:
        for run in runs[start:]:
            run.weight *= factor

    for token in _TOKEN.finditer(text):
        bracket, factor, inside = _closed_by(token)
        if token["escape"]:
            runs.append(_Run(token["escape"][1:]))
        elif token["mark"] in opened:
            opened[token["mark"]].append(len(runs))
        elif opened.get(bracket):
            runs += [_Run(inside)]
            multiply_from(opened[bracket].pop(), factor)
        else:
            runs += _with_breaks(token[0])
    for bracket, factor in (("(", ROUND), ("[", SQUARE)):
        for start in opened[bracket]:
            multiply_from(start, factor)
    return _sections(runs)


def _closed_by(token: re.Match[str]) -> tuple[str, float, str]:
    """The bracket that this token may close ("": none), the factor, and text that still belongs inside."""
    if token["mark"] == "]":
        return "[", SQUARE, ""
    if token["mark"] == ")":
        return "(", ROUND, ""
    if token["weight"] is None:
        return "", 1.0, ""
    weight = _number(token["weight"])
    if weight is None:  # as 1.2.3: text in a plain bracket
        return "(", ROUND, token[0][:-1]
    return "(", weight, ""


def render_weights(sections: Sections) -> str:
    """Text that parses back to the same pieces."""
    texts = ["".join(map(_render_piece, pieces)) for pieces in sections]
    joined = texts[0]
    for text in texts[1:]:
        # a backslash before nothing special vanishes, but keeps BREAK from eating the space at its side
        left = "\\" if joined[-1:].isspace() else ""
        right = "\\" if text[:1].isspace() else ""
        joined += f"{left} BREAK {right}{text}"
    return joined


def _render_piece(piece: Piece) -> str:
    text = _SPECIAL.sub(r"\\\g<0>", piece.text).replace("BREAK", r"B\REAK")
    text = re.sub(r"\bAND\b", r"A\\ND", text)
    return text if piece.weight == 1 else f"({text}:{decimal_text(piece.weight)})"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _with_breaks(text: str) -> list[_Run]:
    """The space round a BREAK goes with it."""
    first, *others = _BREAK.split(text)
    if not others:
        return [_Run(text)]
    runs = [_Run(first.rstrip())]
    for other in others[:-1]:
        runs += [_Run(None), _Run(other.strip())]
    return [*runs, _Run(None), _Run(others[-1].lstrip())]


def _sections(runs: Iterable[_Run]) -> Sections:
    sections: list[list[_Run]] = [[]]
    for run in runs:
        if run.text is None:
            sections.append([])
        elif run.text:
            sections[-1].append(run)
    return tuple(
        tuple(
            Piece(text="".join(run.text or "" for run in group), weight=weight)
            for weight, group in groupby(section, key=lambda run: _limited(run.weight))
        )
        for section in sections
    )


def _limited(weight: float) -> float:
    return min(max(weight, -LARGEST_WEIGHT), LARGEST_WEIGHT)
