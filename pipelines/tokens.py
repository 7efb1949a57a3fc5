"""How a prompt looks to the text encoders: plain data. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A piece of a prompt as a text encoder gets it."""

    text: str  # bytes that are no whole character in hexadecimal
    id: int
    weight: float
    ends_word: bool
    learned: bool = False  # a vector of a textual inversion


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenChunk:
    """What is encoded at once; `part` counts the prompts of an AND."""

    tokens: tuple[Token, ...]
    room: int  # for so many tokens
    part: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptReading:
    """How a model's text encoders read a prompt at the first step."""

    encoders: tuple[tuple[TokenChunk, ...], ...]  # one for each, SDXL has two
    family: str
    changes: bool  # it reads otherwise at later steps
    weights: tuple[float, ...] = (1.0,)  # of the parts of an AND
