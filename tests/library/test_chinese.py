"""Chinese words of the library -> English, offered; what is no word of it is pointed out and stays."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.library.chinese import Dictionary
from webui.library.words import Word, load_words

CATEGORIES = load_words(Path(__file__).resolve().parents[2] / "presets" / "words")
BUILTIN, GENERAL = (Dictionary(CATEGORIES, for_builtin=builtin) for builtin in (True, False))


@pytest.mark.parametrize(
    ("chinese", "english"),
    [
        ("红色的星星，蓝色背景", "red star, on a blue background"),
        ("红色星星和蓝色爱心", "red star and blue heart"),
        ("小猫在海滩上 and 一条鱼", "small cat on a beach and a fish"),
        ("（星星：1.3）", "(star:1.3)"),
        ("[星星:爱心:0.3]", "[star:heart:0.3]"),
        ("a cat在海滩上", "a cat on a beach"),
        ("<lora:中文:1> __中文__ 猫", "<lora:中文:1> __中文__ cat"),
        ("烛光，高质量", "candle light, high quality"),
    ],
)
def test_words_of_the_library_become_english(chinese: str, english: str) -> None:
    found = BUILTIN.translate(chinese)
    assert found is not None
    assert (found.text, found.unknown) == (english, ())


def test_what_is_unknown_stays_whole_and_is_told_once() -> None:
    found = GENERAL.translate("魑魅的猫，烛光，魑魅")
    assert found is not None
    assert (found.text, found.unknown) == ("魑魅的猫, candle light, 魑魅", ("魑魅",))


def test_no_word_is_found_inside_a_word_that_is_unknown() -> None:
    found = BUILTIN.translate("河马车")
    assert found is not None
    assert found.text == "河马车"


def test_the_built_in_models_words_go_first_for_it() -> None:
    one, other = (replace(CATEGORIES[0], for_builtin=builtin) for builtin in (False, True))
    words = [replace(CATEGORIES[0].words[0], word=word, name_zh="球") for word in ("sphere", "ball")]
    both = [replace(category, words=(word,)) for category, word in zip((one, other), words, strict=True)]
    texts = [Dictionary(both, for_builtin=builtin).translate("球") for builtin in (False, True)]
    assert [found.text for found in texts if found] == ["sphere", "ball"]


@pytest.mark.parametrize("word", [word for category in CATEGORIES for word in category.words], ids=lambda one: one.word)
def test_every_word_is_found_by_its_chinese_name(word: Word) -> None:
    name = word.name_zh
    if not name.isalpha() or name.isascii() or any(letter.isascii() for letter in name):
        return  # names with Latin letters or signs in them are read as they stand
    found = GENERAL.translate(name)
    assert found is not None
    assert found.unknown == ()


@given(st.text(alphabet="ab ,()[]:|<>_星猫红的和，：（）", max_size=40))
def test_no_text_breaks_it_and_english_is_left_alone(text: str) -> None:
    found = BUILTIN.translate(text)
    if not any(letter in "星猫红的和" for letter in text):
        assert found is None
    elif found is not None and not found.unknown:
        again = BUILTIN.translate(found.text)
        assert again is None or again.text == found.text


def test_a_long_text_is_quick() -> None:
    text = "红色的星星，蓝色背景，魑魅魍魉" * 100
    start = time.thread_time()
    BUILTIN.translate(text)
    assert time.thread_time() - start < 0.25
