"""Chinese words of the library -> English, offered; what is no word of it is pointed out and stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.counting import at_most, calls_of
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


SINGLE = {
    **{
        "星": "star",
        "猫": "cat",
        "狗": "dog",
        "房": "house",
        "屋": "house",
        "树": "tree",
        "花": "flower",
        "鱼": "fish",
    },
    **{
        "船": "boat",
        "车": "car",
        "月": "moon",
        "心": "heart",
        "球": "ball",
        "马": "horse",
        "龙": "dragon",
        "狼": "wolf",
    },
    **{"虎": "tiger", "狐": "fox", "蝶": "butterfly", "大": "big", "小": "small"},
    **{"红": "red", "橙": "orange", "黄": "yellow", "绿": "green", "青": "teal", "蓝": "blue", "紫": "purple"},
    **{"粉": "pink", "棕": "brown", "黑": "black", "白": "white", "灰": "gray"},
}


@pytest.mark.parametrize("dictionary", [BUILTIN, GENERAL], ids=["builtin", "general"])
@pytest.mark.parametrize(("name", "english"), SINGLE.items(), ids=SINGLE.values())
def test_things_and_colours_by_a_single_character(dictionary: Dictionary, name: str, english: str) -> None:
    for text, expected in ((name, english), (f"一个{name}", f"a {english}"), (f"蓝色的{name}", f"blue {english}")):
        found = dictionary.translate(text)
        assert found is not None
        assert (found.text, found.unknown) == (expected, ())


@pytest.mark.parametrize(
    ("chinese", "english"),
    [("红星", "red star"), ("大黑猫和小白船", "big black cat and small white boat"), ("一间绿房", "a green house")],
)
def test_describing_characters_stand_before_a_thing(chinese: str, english: str) -> None:
    found = BUILTIN.translate(chinese)
    assert found is not None
    assert (found.text, found.unknown) == (english, ())


@pytest.mark.parametrize("word", ["马车", "星球", "花车", "房车", "花猫", "月白", "球心"])
def test_two_characters_that_make_another_word_are_not_two_words(word: str) -> None:
    for dictionary in (BUILTIN, GENERAL):
        found = dictionary.translate(f"红色的{word}，一只猫")
        assert found is not None
        assert (found.text, found.unknown) == (f"红色的{word}, a cat", (word,))


def test_a_name_goes_before_another_words_further_name() -> None:
    first = replace(CATEGORIES[0].words[0], word="moon", name_zh="月亮", also_zh=("月", "弯月"))
    second = replace(first, word="crescent", name_zh="弯月", also_zh=("月",))
    dictionary = Dictionary([replace(CATEGORIES[0], words=(first, second))])
    texts = [dictionary.translate(name) for name in ("月亮", "月", "弯月")]
    assert [found.text for found in texts if found] == ["moon", "moon", "crescent"]


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
def test_every_word_is_found_by_its_chinese_names(word: Word) -> None:
    for name in (word.name_zh, *word.also_zh):
        if not name.isalpha() or name.isascii() or any(letter.isascii() for letter in name):
            continue  # names with Latin letters or signs in them are read as they stand
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


def test_work_grows_with_the_length_alone() -> None:
    text = "红色的星星，蓝色背景，魑魅魍魉" * 50
    with at_most(3 * calls_of(lambda: BUILTIN.translate(text))):
        BUILTIN.translate(text * 2)
