"""Words of the shipped library by their names in the other language."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from webui.library.other_names import OtherNames
from webui.library.words import load_words


@pytest.fixture(scope="module")
def names() -> OtherNames:
    return OtherNames(load_words(ROOT / "presets" / "words"))


def test_both_ways(names: OtherNames) -> None:
    assert names.of("鱼") == ("fish",)
    assert "鱼" in names.of("fish")
    assert "鱼" in names.of(" Fish ")


def test_several_words_that_are_one_name(names: OtherNames) -> None:
    groups = names.grouped(["fish", "oil", "painting"])
    assert [terms for terms, _ in groups] == [("fish",), ("oil", "painting")]
    assert "油画" in groups[1][1]


@pytest.mark.parametrize("text", ["", "nosuchword", "没有这个词的鱼", "1girl"])
def test_what_the_library_does_not_know_has_none(names: OtherNames, text: str) -> None:
    assert names.of(text) == ()


def test_chinese_of_several_words(names: OtherNames) -> None:
    (english,) = names.of("红色的鱼")
    assert set(english.split()) == {"red", "fish"}
