"""The prompt language: what A1111 understands, because everyone's prompts are written in it. No torch.

    (x) [x] (x:1.3) \\( \\) BREAK      weights, see `weights`
    [a:b:0.4] [b:5] [a::5] [a|b]      what changes over the steps, see `schedule`
    a AND b:0.5                       several prompts at once, each with its weight
    <lora:name:0.8>                   taken out of the text, see `Prompt.loras`
    # to the end of the line          a comment

Two differences from A1111, both on purpose: a number after a colon at the end ("16:9") is a prompt's weight only where
there is an AND, and BREAK works inside brackets.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pipelines.prompts.schedule import Nodes, decimal_text, parse_schedule, render_schedule, resolve
from pipelines.prompts.weights import LARGEST_WEIGHT, Piece, Sections, parse_weights, render_weights

__all__ = [
    "Lora",
    "Part",
    "Piece",
    "Prompt",
    "TimedPart",
    "parse",
    "prompts_in",
    "render",
    "render_part",
    "without_loras",
]

_COMMENT = re.compile(r"#[^\n]*")
_AND = re.compile(r"\bAND\b")
_AND_WEIGHT = re.compile(r"\s*([-+]?(?:\d+\.?|\d*\.\d+))\s*")
_LORA = re.compile(r"<lora:([^<>]+)>")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """`<lora:name:text_weight:unet_weight>`; the second weight defaults to the first, the first to 1."""

    name: str
    text_weight: float = 1.0
    unet_weight: float = 1.0


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
    """A prompt as read."""

    parts: tuple[TimedPart, ...]
    loras: tuple[Lora, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether it differs from step to step."""
        return any(part.changes for part in self.parts)

    def at(self, step: int, steps: int) -> tuple[Part, ...]:
        """What holds at `step`, counted 1 … `steps`; several only with AND."""
        return tuple(part.at(step, steps) for part in self.parts)


def parse(text: str, *, composed: bool = True) -> Prompt:
    """Reads any text, never fails. `composed=False` leaves AND a word, as in a negative prompt."""
    text, loras = _take_loras(_COMMENT.sub("", text))
    texts = _AND.split(text) if composed else [text]
    if len(texts) == 1:
        return Prompt(parts=(TimedPart(nodes=_nodes(text)),), loras=loras)
    return Prompt(parts=tuple(map(_weighted_part, texts)), loras=loras)


def prompts_in(text: str, dialect: str) -> int:
    """How many prompts a text asks for at once: several only with A1111's AND."""
    return len(_AND.findall(_COMMENT.sub("", text))) + 1 if dialect == "a1111" else 1


def render(prompt: Prompt) -> str:
    """Text that parses back to the same prompt."""
    texts = [render_schedule(part.nodes) for part in prompt.parts]
    if len(texts) > 1:
        texts = [f"{text}:{decimal_text(part.weight)}" for text, part in zip(texts, prompt.parts, strict=True)]
    return " AND ".join(texts) + "".join(map(_render_lora, prompt.loras))


def render_part(part: Part) -> str:
    """Text that parses back to the same pieces, weights written out."""
    return render_weights(part.sections)


def without_loras(text: str) -> str:
    """A prompt of any dialect without `<lora:…>`."""
    return _take_loras(text)[0]


def _nodes(text: str) -> Nodes:
    return tuple(node for node in parse_schedule(text) if node != "")


def _weighted_part(text: str) -> TimedPart:
    text = text.strip()
    before, colon, after = text.rpartition(":")
    match = _AND_WEIGHT.fullmatch(after) if colon else None
    if match is None:
        return TimedPart(nodes=_nodes(text))
    return TimedPart(nodes=_nodes(before.rstrip()), weight=min(max(float(match[1]), -LARGEST_WEIGHT), LARGEST_WEIGHT))


def _take_loras(text: str) -> tuple[str, tuple[Lora, ...]]:
    loras: list[Lora] = []

    def take(match: re.Match[str]) -> str:
        lora = _lora(match[1])
        if lora is None:
            return match[0]  # not readable: stays visible in the text
        loras.append(lora)
        return ""

    rest = _LORA.sub(take, text)
    while rest != text:  # a tag within a tag
        text, rest = rest, _LORA.sub(take, rest)
    return rest, tuple(loras)


def _lora(body: str) -> Lora | None:
    name, *items = body.split(":")
    weights: dict[str, float] = {}
    for default, item in zip(("te", "unet", "dyn"), [*items, *[""] * (3 - len(items))], strict=False):
        key, equals, number = item.rpartition("=")
        if item:
            try:
                weights[key if equals else default] = float(number)
            except ValueError:
                return None
    if not name or "=" in name or len(items) > 3 or not set(weights) <= {"te", "unet", "dyn"}:
        return None
    if not all(map(math.isfinite, weights.values())):
        return None
    text_weight = weights.get("te", 1.0)
    return Lora(name=name, text_weight=text_weight, unet_weight=weights.get("unet", text_weight))


def _render_lora(lora: Lora) -> str:
    return f"<lora:{lora.name}:{decimal_text(lora.text_weight)}:{decimal_text(lora.unet_weight)}>"
