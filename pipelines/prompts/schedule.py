"""What changes over the steps: `[from:to:when]`, `[to:when]`, `[from::when]` and `[a|b]`.

The language is A1111's. Brackets that do not fit stay in the text as they are; a `|` outside an alternation or a
backslash with nothing behind it switches the whole reading off, as there. Read in one pass over the text, because a
general parser of this ambiguous grammar takes cubic time and a prompt may have 20,000 characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

DEEPEST = 50  # schedules within schedules; deeper ones stay plain text
MOST_STEPS = 10**6

_TOKEN = re.compile(r"\\[^\n]|[^\\\[\]():|]+|[\[\]():|]")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_OPENING = {")": "(", "]": "["}


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """`before` up to and including the step `when`, then `after`."""

    before: Nodes
    after: Nodes
    when: float
    share: bool  # `when` is a share of all steps, not a step's number

    def last_step_before(self, steps: int) -> int:
        return min(steps, int(self.when * steps if self.share else self.when))


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternation:
    """One option a step, in turn."""

    options: tuple[Nodes, ...]


Nodes = tuple[str | Schedule | Alternation, ...]


def parse_schedule(text: str) -> Nodes:
    """Text that stays and parts that change, in order. Plain text comes back as it is."""
    tokens = _TOKEN.findall(text)
    if sum(map(len, tokens)) != len(text):
        return (text,)  # a backslash with nothing behind it
    stack = [_Frame("")]
    if not all(_read(token, stack) for token in tokens):
        return (text,)
    while len(stack) > 1:
        unclosed = stack.pop()
        if "|" in unclosed.separators:
            return (text,)
        stack[-1].add_all(unclosed.as_text(), unclosed.depth)
    return tuple(stack[0].segments[0])


def resolve(nodes: Nodes, step: int, steps: int) -> str:
    """The text that holds at `step` (1 … steps)."""
    return "".join(
        node if isinstance(node, str) else resolve(_chosen(node, step, steps), step, steps) for node in nodes
    )


def render_schedule(nodes: Nodes) -> str:
    """Text that parses back to the same nodes."""
    return "".join(map(_render_node, nodes))


def decimal_text(number: float) -> str:
    """The shortest decimal without an exponent that reads back as the same number."""
    return format(Decimal(repr(number)), "f")


def _chosen(node: Schedule | Alternation, step: int, steps: int) -> Nodes:
    if isinstance(node, Alternation):
        return node.options[(step - 1) % len(node.options)]
    return node.before if step <= node.last_step_before(steps) else node.after


def _render_node(node: str | Schedule | Alternation) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, Alternation):
        return f"[{'|'.join(map(render_schedule, node.options))}]"
    when = decimal_text(node.when) if node.share else str(int(node.when))
    if node.share and "." not in when:
        when += "."  # the point is what makes it a share
    return f"[{render_schedule(node.before)}:{render_schedule(node.after)}:{when}]"


@dataclass(slots=True)
class _Frame:
    """What stands behind an open bracket so far."""

    opening: str
    segments: list[list[str | Schedule | Alternation]] = field(default_factory=lambda: [[]])
    separators: list[str] = field(default_factory=list)
    fits: bool = True  # no stray bracket in it, so it may become a schedule
    depth: int = 0

    def add(self, node: str | Schedule | Alternation) -> None:
        segment = self.segments[-1]
        if isinstance(node, str) and segment and isinstance(segment[-1], str):
            segment[-1] += node
        elif node != "":
            segment.append(node)

    def add_all(self, nodes: Sequence[str | Schedule | Alternation], depth: int) -> None:
        for node in nodes:
            self.add(node)
        self.depth = max(self.depth, depth)

    def add_stray(self, token: str) -> None:
        self.fits = False
        self.add(token)

    def separate(self, token: str) -> None:
        self.separators.append(token)
        self.segments.append([])

    def as_text(self, closing: str = "") -> list[str | Schedule | Alternation]:
        """The bracket and its content as they were written."""
        nodes: list[str | Schedule | Alternation] = [self.opening]
        for separator, segment in zip(["", *self.separators], self.segments, strict=True):
            nodes += [separator, *segment]
        return [*nodes, closing]


def _read(token: str, stack: list[_Frame]) -> bool:
    """Takes in one token. False: the text as a whole is no schedule."""
    top = stack[-1]
    if token in ("(", "["):
        stack.append(_Frame(token))
    elif token in (")", "]"):
        if top.opening == _OPENING[token]:
            return _close(stack, token)
        top.add_stray(token)
    elif token in (":", "|") and top.opening:
        top.separate(token)
    elif token == "|":
        return False
    else:
        top.add(token)
    return True


def _close(stack: list[_Frame], closing: str) -> bool:
    """Moves the top frame, now complete, into the one below. False as in `_read`."""
    frame = stack.pop()
    below = stack[-1]
    node = _schedule_of(frame) if frame.opening == "[" and frame.fits else None
    if node is not None:
        below.add_all([node], frame.depth + 1)
        return below.depth <= DEEPEST
    if "|" in frame.separators:
        return False
    below.add_all(frame.as_text(closing), frame.depth)
    # emphasis: (a), (a:b) and [a]
    below.fits = below.fits and frame.fits and len(frame.separators) <= (1 if frame.opening == "(" else 0)
    return True


def _schedule_of(frame: _Frame) -> Schedule | Alternation | None:
    if frame.separators and set(frame.separators) == {"|"}:
        return Alternation(options=tuple(tuple(segment) for segment in frame.segments))
    if frame.separators not in ([":"], [":", ":"]):
        return None
    *texts, last = frame.segments
    match = _NUMBER.fullmatch(last[0]) if len(last) == 1 and isinstance(last[0], str) else None
    if match is None:
        return None
    number = min(max(float(match[1]), -MOST_STEPS), MOST_STEPS)
    share = "." in match[1]
    return Schedule(
        before=tuple(texts[0]) if len(texts) == 2 else (),
        after=tuple(texts[-1]),
        when=number if share else float(int(number)),
        share=share,
    )
