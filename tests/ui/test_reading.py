"""What stands under a prompt while it is typed: what will be refused, and what was begun and not ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.models.catalogue import Catalogue
from webui.library.collection import open_library
from webui.ui.widgets.reading import Reader

PRESETS = Path(__file__).resolve().parents[2] / "presets"


@pytest.fixture(scope="module")
def reader() -> Reader:
    catalogue: Any = Catalogue()
    return Reader(catalogue, open_library(PRESETS))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a {red|blue} (star:1.2) __weather__", None),
        ("a {red|blue", "A brace is not closed, so nothing is drawn: {red|blue"),
        ("a ((star", "A bracket is not closed, so it counts to the end: ((star"),
        ("a [[star", "A bracket is not closed, so it counts to the end: [[star"),
        ("a star))", "A bracket is closed that was never opened, so it is read as a letter: a star)"),
        (r"a \((star)", None),
        (r"a [red:blue:0.5] [a|b] \] star", None),
        ("a __wether__", "Nearest: weather."),
        ("a <lora:x:0,8> star", "Write 0.8."),
        ("a <lora:x", "is not closed"),
    ],
)
def test_what_is_wrong_is_told_while_it_is_typed(reader: Reader, text: str, told: str | None) -> None:
    answer = reader.read(["builtin", "a1111", text, text])
    for box in ("prompt", "negative_prompt"):
        assert answer[box]["encoders"]
        english = [warning[0] for warning in answer[box]["warnings"]]
        assert len(english) == (told is not None)
        assert all(told in one for one in english if told)
        assert all(warning[1] != warning[0] for warning in answer[box]["warnings"])


def test_what_compel_cannot_read_is_told_in_both_languages(reader: Reader) -> None:
    english, chinese = reader.read(["builtin", "compel", 'a "cat".swap("dog")', ""])["fault"]
    assert "must not use .swap()" in english
    assert "不能使用 .swap()" in chinese


def test_what_is_no_text_is_told_in_both_languages(reader: Reader) -> None:
    """Half of a character, which a browser may send: no tokenizer takes it."""
    english, chinese = reader.read(["builtin", "a1111", "a star", "a \ud800"])["fault"]
    assert english.startswith("Negative prompt")
    assert chinese.startswith("反向提示词")
