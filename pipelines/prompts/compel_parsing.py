"""Compel's language parsed, and how compel cuts it into chunks, without torch: a page asks while a prompt is typed.

The parser is the compel library's own, made quick by `compel_quick`. Its module is loaded alone here, for the package
around it brings torch and diffusers. What it makes of a word is remembered.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

from pipelines.errors import InvalidRequest, Note
from pipelines.prompts.chunks import WORD_END, Token, shown_tokens
from pipelines.prompts.grammar import tags_of
from pipelines.prompts.learned import masked, unmasked
from pipelines.prompts.loras import Lora
from pipelines.prompts.tags import tag_in
from pipelines.tokens import TokenChunk
from pipelines.types import FIRST_RULES, PROMPT_RULES

REMEMBERED = 4096  # words and brackets
_ONE_AT_A_TIME = Lock()
_SYNTAX = frozenset('()+-.="\\')
_FAR_REACHING = (
    '"',
    "\\\\",
    ".and",
    ".add",
    ".blend",
    ".attend",
    ".swap",
    "Lora",
)  # what may join words that stand apart

_PHRASE_ENDS = tuple(sign + WORD_END for sign in ".,;:")

Fragment = tuple[str, float]  # words and their weight


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One prompt of an `.and()` or a `.blend()`; a plain text has one."""

    fragments: tuple[Fragment, ...]
    weight: float

    @property
    def text(self) -> str:
        return " ".join(words for words, _ in self.fragments)


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One prompt of an `.and()`: parts mixed by a `.blend()`, each by its weight, or a single one."""

    parts: tuple[Part, ...]
    weight: float = 1.0
    normalized: bool | None = None  # of a blend


@dataclass(frozen=True, kw_only=True, slots=True)
class CompelPrompt:
    """A prompt as compel reads it; it holds at all steps."""

    source: str
    groups: tuple[Group, ...]
    loras: tuple[Lora, ...] = ()
    unread: tuple[Note, ...] = ()
    changes: bool = False
    rules: int = PROMPT_RULES  # by which it was read

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them, each with the weight it has in the whole."""
        return tuple(replace(part, weight=group.weight * part.weight) for group in self.groups for part in group.parts)

    @property
    def weights(self) -> tuple[float, ...]:
        return tuple(part.weight for part in self.parts)

    @property
    def words(self) -> str:
        return "\n".join(words for part in self.parts for words, _ in part.fragments)

    def fault(self, steps: int) -> Note | None:
        if self.rules == FIRST_RULES:
            return None
        found = (*self.unread, *map(tag_in, (part.text for part in self.parts)))
        return next(filter(None, found), None)

    def token_map(self, tokenizer: Any) -> tuple[TokenChunk, ...]:
        return compel_map(tokenizer, self.parts)


def read_compel(text: str, name: str = "prompt", names: Sequence[str] = (), rules: int = PROMPT_RULES) -> CompelPrompt:
    """What compel reads in a text. `names`: of learned words, whose own signs are letters. Raises `InvalidRequest` for
    the field `name`, as `parsed` does."""
    taken = tags_of(text, rules)
    groups = _groups(masked(taken.text, names), name)
    return CompelPrompt(source=text, groups=groups, loras=taken.loras, unread=taken.problems, rules=rules)


def parts_of(text: str, name: str = "prompt", names: Sequence[str] = ()) -> tuple[Part, ...]:
    """The parts alone."""
    return read_compel(text, name, names).parts


def _groups(text: str, name: str) -> tuple[Group, ...]:
    pieces = list(_pieces(text))
    if len(pieces) < 2:
        return _whole(text, name)
    fused: list[Fragment] = []
    for piece in pieces:
        plain = ((unmasked(piece), 1.0),)
        for words, weight in plain if _SYNTAX.isdisjoint(piece) else _whole(piece, name)[0].parts[0].fragments:
            if fused and fused[-1][1] == weight:
                fused[-1] = f"{fused[-1][0]} {words}", weight
            else:
                fused.append((words, weight))
    return (Group(parts=(Part(fragments=tuple(fused), weight=1.0),)),)


def compel_map(tokenizer: Any, parts: Sequence[Part]) -> tuple[TokenChunk, ...]:
    """The chunks of each part as compel encodes them: a long one is cut after a sentence, else a comma, else a word."""
    room = tokenizer.model_max_length - 2
    chunks = []
    for number, part in enumerate(parts):
        texts = [words for words, _ in part.fragments]
        ids = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        tokens = [(one, weight) for (_, weight), own in zip(part.fragments, ids, strict=True) for one in own]
        for cut in _cut(tokenizer, tokens, room):
            chunks.append(TokenChunk(tokens=shown_tokens(tokenizer, cut), room=room, part=number))
    return tuple(chunks)


def parsed(grammar: Any, text: str, name: str) -> Any:
    """compel's Conjunction, of the classes of `grammar`, which is its module `prompt_parser`. Raises `InvalidRequest`
    for what compel cannot read, or would leave out in silence."""
    try:
        with _ONE_AT_A_TIME:
            conjunction = _parser(grammar).parse_conjunction(text)
    except (Exception, RecursionError) as error:  # of pyparsing, of the parser itself, and plain ValueErrors
        reason = " ".join(str(error).split())[:80]
        raise InvalidRequest(name, "compel_unreadable", reason=reason) from error
    prompts = [one for prompt in conjunction.prompts for one in getattr(prompt, "prompts", [prompt])]
    if any(getattr(one, "wants_cross_attention_control", False) for one in prompts):
        raise InvalidRequest(name, "compel_swap")
    if conjunction.lora_weights:
        raise InvalidRequest(name, "compel_lora")
    return conjunction


@cache
def _parser(grammar: Any) -> Any:
    from pipelines.prompts.compel_quick import quicken  # pyparsing: a tenth of a second

    return quicken(grammar.PromptParser())


@cache
def _grammar() -> Any:
    """compel's module `prompt_parser`, which needs pyparsing and no more."""
    package = importlib.util.find_spec("compel")
    assert package is not None
    assert package.submodule_search_locations is not None
    file = Path(package.submodule_search_locations[0]) / "prompt_parser.py"
    spec = importlib.util.spec_from_file_location("pipelines.prompts.compels_prompt_parser", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(REMEMBERED)
def _whole(text: str, name: str) -> tuple[Group, ...]:
    conjunction = parsed(_grammar(), text, name)
    groups = []
    for prompt, weight in zip(conjunction.prompts, conjunction.weights, strict=True):
        mixed = getattr(prompt, "prompts", [prompt])  # of a blend
        parts = []
        for one, share in zip(mixed, getattr(prompt, "weights", [1.0]), strict=True):
            fragments = tuple((unmasked(fragment.text), fragment.weight) for fragment in one.children)
            parts.append(Part(fragments=fragments or (("", 1.0),), weight=float(share)))
        normalized = getattr(prompt, "normalize_weights", None)
        groups.append(Group(parts=tuple(parts), weight=float(weight), normalized=normalized))
    return tuple(groups)


def _pieces(text: str) -> Iterator[str]:
    """What stands between spaces outside brackets, which the parser reads apart; all in one where it might not."""
    text = re.sub(r",(\S)", r", \1", text)  # as compel itself begins
    depth, start = 0, 0
    if any(one in text for one in _FAR_REACHING):
        return
    found = []
    for place, character in enumerate(text):
        if character in "()" and text[place - 1 : place] != "\\":
            depth += 1 if character == "(" else -1
            if depth < 0:
                return
        elif character.isspace() and not depth:
            found.append(text[start:place])
            start = place + 1
    if not depth:
        yield from filter(None, (*found, text[start:]))


def _cut(tokenizer: Any, tokens: list[Token], room: int) -> Iterator[list[Token]]:
    """At least one chunk; every token is in one of them."""
    while len(tokens) > room:
        names = tokenizer.convert_ids_to_tokens([token for token, _ in tokens[:room]])
        ends = (
            [place for place, name in enumerate(names) if name == "." + WORD_END],
            [place for place, name in enumerate(names) if name in _PHRASE_ENDS],
            [place for place, name in enumerate(names) if name.endswith(WORD_END)],
            [room - 1],
        )
        end = next(found[-1] for found in ends if found) + 1
        yield tokens[:end]
        tokens = tokens[end:]
    yield tokens
