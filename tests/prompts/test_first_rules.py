"""Prompts as version 0.1.0 read them; what it made of them is `tests/test_version_010.py`'s."""

from __future__ import annotations

import pytest

from pipelines.errors import InvalidRequest
from pipelines.prompts.grammar import Lora, Prompt, parse, text_of
from pipelines.prompts.wish import wish_of
from pipelines.types import FIRST_RULES, GenerationRequest
from tests.prompts.test_chunks import LearnedTokenizer, words

CAT = Lora(name="cat", text_weight=0.8, unet_weight=0.8)


@pytest.mark.parametrize(
    ("text", "rest", "loras"),
    [
        ("a <lora:cat:0.8:dyn=4>", "a ", (CAT,)),
        ("a <lora:cat:0.8:0.5:4>", "a ", (Lora(name="cat", text_weight=0.8, unet_weight=0.5),)),
        ("a <lora:cat::0.5>", "a ", (Lora(name="cat", unet_weight=0.5),)),
        *((text, text, ()) for text in ("<lora:cat:0,8>", "<lora:cat:1:lbw=2>", "<lora:cat:nan>", "<lora:a:1:1:1:1>")),
        *((text, text, ()) for text in ("<lyco:cat:1>", "<LORA:cat:1>", "<hypernet:cat:1>", "<lora:cat", "<lora::1>")),
    ],
)
@pytest.mark.parametrize("dialect", ["a1111", "compel"])
def test_tags(text: str, rest: str, loras: tuple[Lora, ...], dialect: str) -> None:
    """What could not be read stayed words, and nothing was refused."""
    wish = wish_of(GenerationRequest(prompt=text, dialect=dialect), rules=FIRST_RULES)
    assert wish.prompt.loras == loras
    assert "".join(wish.prompt.words.split()) == rest.strip()  # compel sets a space behind a comma


@pytest.mark.parametrize("text", ["a <lora:cat:0.8:dyn=4>", "<lora:cat:0,8>"])
def test_today_they_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        wish_of(GenerationRequest(prompt=text))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [(f"{words(1, 73)} e3", [75, 1]), (f"{words(1, 60)}, {words(61, 73)} e3", [61, 16]), ("w1 g80 w2", [75, 7])],
)
def test_a_learned_word_is_cut(text: str, sizes: list[int]) -> None:
    shown = parse(text, rules=FIRST_RULES).token_map(LearnedTokenizer())
    assert [len(chunk.tokens) for chunk in shown] == sizes


def test_the_signs_of_a_name_weigh() -> None:
    prompt = wish_of(GenerationRequest(prompt="odd (1) cat"), ["odd (1)"], FIRST_RULES).prompt
    assert isinstance(prompt, Prompt)
    (part,) = prompt.at(1, 1)
    assert text_of(part) == "odd 1 cat"
