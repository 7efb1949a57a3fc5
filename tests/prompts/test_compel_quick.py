"""compel's parser made quick reads exactly what the library's own reads, and with far less work."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.models.listing import Listing
from pipelines.models.reading import PromptReader
from pipelines.prompts.compel_parsing import _grammar, _parser
from tests.counting import calls_of

QUICK, OWN = _parser(_grammar()), _grammar().PromptParser()


def read(parser: Any, text: str) -> str:
    """All that the parser makes of a text; its objects' `repr` holds everything in them."""
    try:
        return repr(parser.parse_conjunction(text))
    except Exception as error:  # noqa: BLE001 - of pyparsing, of the parser itself, and plain ones
        return type(error).__name__


SIGNS = (
    *("a", "red", "星", "é", "7", "-", "+", "++", "--", " ", " ", "  ", "\t", "\n", "\x0b", "\x0c", "\u00a0", "\u3000"),
    *(
        ",",
        ".",
        "=",
        '"',
        "\\",
        "\\(",
        "\\)",
        '\\"',
        "\\+",
        "\\,",
        "\\\\",
        "(",
        ")",
        "()",
        "1.2",
        "0.5",
        "-1",
        "1.",
        ".5",
    ),
    *(".and(", ".and()", ".add()", ".blend(", ".blend(1, 0.5)", ".attend(", ".attend(1.2)", ".attend(++)", ".swap("),
    *(
        ".swap(b)",
        "withLora(x, 1)",
        "useLora(",
        "Lora",
        "no_normalize",
        "s_start=0.1",
        "<lora:x:1>",
        "!",
        "?",
        ":",
        "1e3",
    ),
)
LOOSE = st.lists(st.sampled_from(SIGNS), max_size=9).map("".join)
WORDS = st.sampled_from(
    ["a", "red++", "b-", "c-d", "1.5", "x,y", "z.", "(w)1.2", "(p q)0.8-", "v.attend(+)", "\\(u\\)", ""]
)
PHRASE = st.lists(WORDS, max_size=4).map(" ".join)
QUOTED = st.one_of(PHRASE.map('"{}"'.format), PHRASE.map("({})1.1".format), PHRASE.map("({})".format), WORDS)
NUMBERS = st.sampled_from(["", "1, 1", "0.5,0.5", "1, -0.3", "1, 2, 3", "1, 1, no_normalize", "x=1"])
ENDS = st.sampled_from(["", " more", " withLora(x, 0.5)", ".and()"])
JOINED = st.tuples(st.lists(QUOTED, min_size=1, max_size=3), st.sampled_from([".and", ".add", ".blend"]), NUMBERS, ENDS)
FIRM = JOINED.map(lambda one: f"({', '.join(one[0])}){one[1]}({one[2]}){one[3]}")


@pytest.mark.lengthy
@settings(max_examples=700, deadline=None)
@given(LOOSE | FIRM | st.tuples(QUOTED, LOOSE).map("".join))
@example('("a (b)1.2", "c \\"d\\" e").blend(1, 2, no_normalize)')
@example('"a "+ "a "- "a "+')
@example("(((a b)) c)")
@example('"cat".swap("dog", s_start=0.2) a')
def test_it_reads_what_the_library_reads(text: str) -> None:
    expected = read(OWN, text)
    assert read(QUICK, text) == expected
    assert read(QUICK, text) == expected  # from what was remembered


@pytest.mark.lengthy
def test_every_short_word() -> None:
    """The one expression for a word, against compel's rule of letters: all texts of up to three of these."""
    signs = 'a7+-.,="\\() \x0b\n'
    for length in range(1, 4):
        for letters in itertools.product(signs, repeat=length):
            text = "".join(letters)
            assert read(QUICK, text) == read(OWN, text), repr(text)


def test_a_text_forgets_no_error_and_keeps_no_frames() -> None:
    for _ in range(2):
        assert read(QUICK, '("a").blend(1, 2)') == read(OWN, '("a").blend(1, 2)') == "ParsingException"
        assert read(QUICK, '"a(" b') == read(OWN, '"a(" b')


def words(count: int, every: int) -> str:
    """Different each time it is asked for, so that nothing of it is remembered."""
    number = next(COUNTER)
    shapes: list[Callable[[int], str]] = [lambda n: f"(tree{n} {number})1.{n % 9}", lambda n: f"star{number}x{n}++"]
    return " ".join(shapes[n // every % 2](n) if n % every == 0 else f"boat{number}x{n}" for n in range(count))


COUNTER = itertools.count()
PASTES: dict[str, Callable[[], str]] = {
    "75 words, 40 weights": lambda: words(80, 2),
    "and of six": lambda: "(" + ", ".join(f'"{words(12, 3)}"' for _ in range(6)) + ").and()",
    "blend of six": lambda: "(" + ", ".join(f'"{words(12, 3)}"' for _ in range(6)) + ").blend(1, 1, 1, 1, 1, 1)",
    "brackets in brackets": lambda: "(" * 12 + words(75, 4) + ")" * 12,
    "attend": lambda: f"{words(75, 4)} (sea).attend(1.2)",
}
MOST = 150_000  # calls of functions to read one; 67,000 were counted, and each is some hundred nanoseconds


def calls_to_read(paste: Callable[[], str]) -> int:
    reader, pasted = PromptReader(Listing([])), paste()
    reader.read("builtin", "a (red)1.2 star", dialect="compel")
    return calls_of(lambda: reader.read("builtin", pasted, dialect="compel"))


@pytest.mark.parametrize("name", PASTES)
def test_a_paste_is_little_work(name: str) -> None:
    assert calls_to_read(PASTES[name]) < MOST


def test_work_grows_with_the_length_and_no_faster() -> None:
    assert calls_to_read(lambda: words(300, 3)) < 5 * calls_to_read(lambda: words(75, 3))


def test_it_is_several_times_less_work_than_the_librarys_own() -> None:
    """12 times was counted."""
    for text in ("(" + ", ".join(f'"{words(8, 3)}"' for _ in range(3)) + ").and()" for _ in range(3)):
        own, quick = (calls_of(partial(parser.parse_conjunction, text)) for parser in (OWN, QUICK))
        assert quick * 6 < own
