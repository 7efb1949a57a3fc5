"""Weighted pieces -> chunks of token ids. No torch: any CLIP tokenizer will do.

A chunk holds 75 tokens between the begin mark and the end mark. A word group is not torn apart where it can be helped:
when a chunk is full and a comma stands among its last 20 tokens, what follows the comma moves to the next chunk. A
learned word whose vectors do not all fit begins a new chunk. BREAK ends a chunk early. These are A1111's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.prompts.schedule import MOST_STEPS
from pipelines.prompts.weights import Sections
from pipelines.tokens import Token as ShownToken
from pipelines.tokens import TokenChunk
from pipelines.types import FIRST_RULES, PROMPT_RULES

if TYPE_CHECKING:
    from pipelines.prompts.grammar import Prompt

COMMA_REACH = 20  # tokens
WORD_END = "</w>"
COMMA = "," + WORD_END

Token = tuple[int, float]  # id and weight


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """One input of the text encoder: begin mark, tokens, end mark, padding. As many weights as ids."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


def chunks_of(tokenizer: Any, sections: Sections, rules: int = PROMPT_RULES) -> list[Chunk]:
    """At least one chunk; every token of the text is in one of them."""
    length = tokenizer.model_max_length
    return [_framed(tokenizer, tokens, length) for tokens in _cut(tokenizer, sections, length - 2, rules)]


def token_map(tokenizer: Any, prompt: Prompt, *, step: int = 1, steps: int = MOST_STEPS) -> tuple[TokenChunk, ...]:
    """The chunks of a prompt as a step sees it; of so many steps that no share of them rounds to none."""
    room = tokenizer.model_max_length - 2
    chunks = []
    for number, part in enumerate(prompt.at(step, steps)):
        for tokens in _cut(tokenizer, part.sections, room, prompt.rules):
            chunks.append(TokenChunk(tokens=shown_tokens(tokenizer, tokens), room=room, part=number))
    return tuple(chunks)


def shown_tokens(tokenizer: Any, tokens: Sequence[Token]) -> tuple[ShownToken, ...]:
    """Tokens as a person reads them."""
    names, words = tokenizer.convert_ids_to_tokens([token for token, _ in tokens]), len(tokenizer)
    return tuple(
        ShownToken(
            text=name.removesuffix(WORD_END) if token >= words else _readable(name.removesuffix(WORD_END)),
            id=token,
            weight=weight,
            ends_word=name.endswith(WORD_END),
            learned=token >= words,
        )
        for name, (token, weight) in zip(names, tokens, strict=True)
    )


def _cut(tokenizer: Any, sections: Sections, size: int, rules: int) -> list[list[Token]]:
    comma = tokenizer.convert_tokens_to_ids(COMMA)
    chunks: list[list[Token]] = []
    for section in _tokenized(tokenizer, sections):
        units = [[token] for token in section] if rules == FIRST_RULES else _together(tokenizer, section, size)
        chunks += _cut_section(units, size, comma)
    if len(chunks) > 1 and not chunks[-1]:
        chunks.pop()  # a BREAK at the very end
    return chunks


def _together(tokenizer: Any, tokens: Sequence[Token], size: int) -> Iterator[list[Token]]:
    """The vectors of a learned word in one, as many as a chunk has room for; every other token alone."""
    words, whole = len(tokenizer), list[Token]()
    for token in tokens:
        whole.append(token)
        learned = token[0] >= words
        if not learned or len(whole) == size or tokenizer.convert_ids_to_tokens([token[0]])[0].endswith(WORD_END):
            yield whole
            whole = []
    if whole:
        yield whole


def _cut_section(units: Iterable[list[Token]], size: int, comma: int) -> list[list[Token]]:
    chunks: list[list[Token]] = [[]]
    last_comma = -1  # its place in the current chunk
    for unit in units:
        current, is_comma = chunks[-1], unit[0][0] == comma
        if len(current) == size:
            reach = size - last_comma
            near = not is_comma and last_comma >= 0 and reach <= COMMA_REACH
            kept = last_comma + 1 if near else size
            chunks[-1:] = [current[:kept], current[kept:]]
            last_comma = -1
        if len(chunks[-1]) + len(unit) > size:
            chunks.append([])
            last_comma = -1
        if is_comma:
            last_comma = len(chunks[-1])
        chunks[-1] += unit
    return chunks


def _tokenized(tokenizer: Any, sections: Sections) -> list[list[Token]]:
    texts = [piece.text for section in sections for piece in section]
    if not texts:
        return [[] for _ in sections]
    ids = iter(tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])
    return [[(token, piece.weight) for piece in section for token in next(ids)] for section in sections]


def _framed(tokenizer: Any, tokens: Sequence[Token], length: int) -> Chunk:
    padding = length - 2 - len(tokens)
    return Chunk(
        ids=(
            tokenizer.bos_token_id,
            *(token for token, _ in tokens),
            tokenizer.eos_token_id,
            *[tokenizer.pad_token_id] * padding,
        ),
        weights=(1.0, *(weight for _, weight in tokens), *[1.0] * (padding + 1)),
    )


def _bytes_of() -> dict[str, int]:
    """CLIP writes each byte of its vocabulary as one visible character; back to the byte (GPT-2's table)."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + index): byte for index, byte in enumerate(hidden)}


_BYTES = _bytes_of()


def _readable(word: str) -> str:
    if not all(character in _BYTES for character in word):
        return word
    data = bytes(_BYTES[character] for character in word)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.hex(" ").upper()
