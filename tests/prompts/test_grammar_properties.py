"""What holds for every text."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.prompts.grammar import Piece, parse, render, render_part
from tests.counting import at_most, calls_of

WORDS = ("a", "cat ", " ", ",", "\n", "\u2003", "中", "é", "BREAK", " AND ")
MARKS = ("(", ")", "[", "]", ":", "|", "\\", "#", "1.2", "-1", "1e9", "..", "<lora:", ">")
WHOLE = (":3]", ":.5]", ":1.3)", "[a:b:2]", "[x|y]", "<lora:x:0.5>")
FRAGMENTS = st.sampled_from((*WORDS, *MARKS, *WHOLE))
TEXTS = st.one_of(st.lists(FRAGMENTS, max_size=14).map("".join), st.text(max_size=40))
PLAIN = st.text(st.characters(exclude_characters="()[]\\#<|", exclude_categories=["Cs"]), max_size=60).filter(
    lambda text: "AND" not in text and "BREAK" not in text
)
WEIGHTS = st.decimals(min_value="0.05", max_value="3", places=2)


@given(TEXTS, st.integers(1, 6))
@settings(max_examples=400, deadline=None)
@example("(" * 500 + ":", 3)
@example("[:1e400]", 3)
@example("(a:" + "9" * 400 + ")", 3)
def test_reads_every_text(text: str, step: int) -> None:
    for part in parse(text).at(step, 6):
        for section in part.sections:
            for piece in section:
                assert piece.text
                assert abs(piece.weight) <= 1e6


@given(PLAIN)
@settings(max_examples=200, deadline=None)
def test_plain_text_is_one_piece_unchanged(text: str) -> None:
    (part,) = parse(text).at(1, 1)
    assert part.weight == 1
    assert part.sections == (((Piece(text=text, weight=1.0),) if text else ()),)


@given(st.lists(WEIGHTS, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_weights_multiply(weights: list[object]) -> None:
    text, product = "word", 1.0
    for weight in weights:
        text, product = f"({text}:{weight})", product * float(str(weight))
    (part,) = parse(f"a {text} b").at(1, 1)
    ((before, word, after),) = part.sections if product != 1 else (((None, Piece(text="word"), None)),)
    assert (word.text, word.weight) == ("word", product)
    if before and after:
        assert (before.weight, after.weight) == (1, 1)


TAG_SIGNS = ("<", ">", ":", "1", ",", "=", " ", "\\", "(", ")", "[", "]", "|", ":2]", "#", "\n")
TAG_WORDS = ("lora", "lyco", "LoRA", "hypernet", "<lora:x:1>", "x", "te", " AND ", " BREAK ", "lo", "ra")
TAGS = st.lists(st.sampled_from((*TAG_SIGNS, *TAG_WORDS)), max_size=14).map("".join)


@given(TAGS)
@settings(max_examples=1500, deadline=None)
def test_no_tag_is_ever_words(text: str) -> None:
    """Whatever is typed: the words hold no tag, or the prompt is refused."""
    for composed in (True, False):
        prompt = parse(text, composed=composed)
        words = [
            "".join(piece.text for piece in section)
            for step in (1, 2, 3)
            for part in prompt.at(step, 3)
            for section in part.sections
        ]
        if prompt.fault(3) is None:
            assert not any(re.search(r"<\s*(lora|lyco|hypernet)\b", one, re.IGNORECASE) for one in words)


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_rendering_parses_back(text: str) -> None:
    prompt = parse(text)
    assert parse(render(prompt)) == prompt


@given(TEXTS, st.integers(1, 6))
@settings(max_examples=400, deadline=None)
def test_rendered_pieces_parse_back(text: str, step: int) -> None:
    for part in parse(text).at(step, 6):
        (again,) = parse(render_part(part)).at(1, 1)
        assert again.sections == part.sections


def test_the_work_grows_with_the_length_alone() -> None:
    """A general parser takes hours."""

    def read(length: int) -> None:
        prompt = parse(("a (red:1.2) star, [a:b:0.3] and [c|d] " * 600)[:length])
        for step in range(1, 11):
            prompt.at(step, 10)

    with at_most(3 * calls_of(lambda: read(10_000))):
        read(20_000)
