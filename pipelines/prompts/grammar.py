"""The prompt language: what A1111 understands, because everyone's prompts are written in it. No torch.

    (x) [x] (x:1.3) \\( \\) BREAK      weights, see `weights`
    [a:b:0.4] [b:5] [a::5] [a|b]      what changes over the steps, see `schedule`
    a AND b:0.5                       several prompts at once, each with its weight
    <lora:name:0.8>                   taken out of the text, see `tags`
    # to the end of the line          a comment

Two differences from A1111, both on purpose: a number after a colon at the end ("16:9") is a prompt's weight only where
there is an AND, and BREAK works inside brackets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.errors import Note
from pipelines.prompts import first_rules, loras
from pipelines.prompts.chunks import token_map
from pipelines.prompts.learned import escaped
from pipelines.prompts.loras import Lora
from pipelines.prompts.schedule import Nodes, decimal_text, parse_schedule, render_schedule, resolve
from pipelines.prompts.tags import SHOWN, TAG_SIGNS, Taken, tag_in, tag_spans, take_tags
from pipelines.prompts.weights import LARGEST_WEIGHT, Piece, Sections, parse_weights, render_weights
from pipelines.tokens import TokenChunk
from pipelines.types import FIRST_RULES, PROMPT_RULES

__all__ = [
    "Lora",
    "Part",
    "Piece",
    "Prompt",
    "TimedPart",
    "open_brackets",
    "parse",
    "prompts_in",
    "render",
    "render_part",
    "tag_fault",
    "tag_spans",
    "text_of",
]

_COMMENT = re.compile(r"#[^\n]*")
_AND = re.compile(r"\bAND\b")
_BRACKET = re.compile(r"\\.|[()\[\]]", re.DOTALL)
_OPENED = {")": "(", "]": "["}
_AND_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One prompt of an AND at one step. `sections` are separated by BREAK."""

    sections: Sections
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedPart:
    """One prompt of an AND over all steps."""

    nodes: Nodes
    weight: float = 1.0

    @property
    def changes(self) -> bool:
        return any(not isinstance(node, str) for node in self.nodes)

    def at(self, step: int, steps: int) -> Part:
        return Part(sections=parse_weights(resolve(self.nodes, step, steps)), weight=self.weight)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """A prompt as read. `unread`: the tags that are no LoRA's, taken out of the text likewise."""

    parts: tuple[TimedPart, ...]
    loras: tuple[Lora, ...] = ()
    unread: tuple[Note, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False)  # as it was typed
    rules: int = PROMPT_RULES  # by which it was read

    @property
    def changes(self) -> bool:
        """Whether it differs from step to step."""
        return any(part.changes for part in self.parts)

    @property
    def weights(self) -> tuple[float, ...]:
        return tuple(part.weight for part in self.parts)

    @property
    def words(self) -> str:
        return "\n".join(render_schedule(part.nodes) for part in self.parts)

    def token_map(self, tokenizer: Any) -> tuple[TokenChunk, ...]:
        return token_map(tokenizer, self)

    def at(self, step: int, steps: int) -> tuple[Part, ...]:
        """What holds at `step`, counted 1 … `steps`; several only with AND."""
        return tuple(part.at(step, steps) for part in self.parts)

    def fault(self, steps: int) -> Note | None:
        """The first tag that cannot be read, also one that its words only come to be at one of the steps."""
        if self.unread:
            return self.unread[0]
        if self.rules == FIRST_RULES or not any(sign in self.words for sign in TAG_SIGNS):
            return None
        texts = (text_of(part) for step in range(1, steps + 1) for part in self.at(step, steps))
        return next(filter(None, map(tag_in, texts)), None)


def parse(text: str, *, composed: bool = True, names: Sequence[str] = (), rules: int = PROMPT_RULES) -> Prompt:
    """Reads any text, never fails. `composed=False` leaves AND a word, as in a negative prompt. `names`: of learned
    words, whose own brackets are letters."""
    taken = tags_of(_COMMENT.sub("", text), rules)
    taken = replace(taken, text=escaped(taken.text, names))
    texts = _AND.split(taken.text) if composed else [taken.text]
    several = len(texts) > 1
    parts = tuple(_weighted_part(one) if several else TimedPart(nodes=_nodes(one)) for one in texts)
    return Prompt(parts=parts, loras=taken.loras, unread=taken.problems, source=text, rules=rules)


def tags_of(text: str, rules: int) -> Taken:
    """Without its tags, in any dialect, by these rules."""
    return first_rules.take_tags(text) if rules == FIRST_RULES else take_tags(text)


def prompts_in(text: str, dialect: str) -> int:
    """How many prompts a text asks for at once: several only with A1111's AND."""
    return len(_AND.split(take_tags(_COMMENT.sub("", text)).text)) if dialect == "a1111" else 1


def tag_fault(text: str) -> Note | None:
    """The first tag of a text, in any dialect, that cannot be read."""
    return next(iter(take_tags(text).problems), None)


def open_brackets(text: str) -> tuple[Note, ...]:
    """A bracket that is never closed, which counts to the end of the text; one that closes none, which is a letter."""
    text = take_tags(_COMMENT.sub("", text)).text
    waiting: dict[str, list[int]] = {"(": [], "[": []}
    odd: list[int] = []
    for match in _BRACKET.finditer(text):
        if match[0] in waiting:
            waiting[match[0]].append(match.start())
        elif (opened := waiting.get(_OPENED.get(match[0], ""))) is not None:
            opened.pop() if opened else odd.append(match.start())
    begun = sorted(place for places in waiting.values() for place in places)
    notes = [Note("bracket_unclosed", text=text[begun[0] : begun[0] + SHOWN])] if begun else []
    return (*notes, *(Note("bracket_unopened", text=text[: place + 1][-SHOWN:]) for place in odd[:1]))


def render(prompt: Prompt) -> str:
    """Text that parses back to the same prompt."""
    texts = [render_schedule(part.nodes) for part in prompt.parts]
    if len(texts) > 1:
        texts = [f"{text}:{decimal_text(part.weight)}" for text, part in zip(texts, prompt.parts, strict=True)]
    return " AND ".join(texts) + "".join(map(loras.render, prompt.loras))


def render_part(part: Part) -> str:
    """Text that parses back to the same pieces, weights written out."""
    return render_weights(part.sections)


def text_of(part: Part) -> str:
    """The words of a part, whatever they weigh."""
    return " BREAK ".join("".join(piece.text for piece in section) for section in part.sections)


def _nodes(text: str) -> Nodes:
    return tuple(node for node in parse_schedule(text) if node != "")


def _weighted_part(text: str) -> TimedPart:
    text = text.strip()
    before, colon, after = text.rpartition(":")
    match = _AND_WEIGHT.fullmatch(after) if colon else None
    if match is None:
        return TimedPart(nodes=_nodes(text))
    return TimedPart(nodes=_nodes(before.rstrip()), weight=min(max(float(match[1]), -LARGEST_WEIGHT), LARGEST_WEIGHT))
