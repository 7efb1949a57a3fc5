"""The words: those of the notes are all there, each in both languages; a bad file is told with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.train_builtin import captions, world
from webui.library.files import LibraryError
from webui.library.words import GROUPS, Category, load_words, read_category
from webui.words import line

SHIPPED = Path(__file__).resolve().parents[2] / "presets" / "words"
CATEGORIES = load_words(SHIPPED)
GENERAL = tuple(category for category in CATEGORIES if not category.for_builtin)
BUILTIN = tuple(category for category in CATEGORIES if category.for_builtin)

# The notes of 2022: category (Chinese) -> words.
NOTES = {
    "图片风格": "anime|pen and ink|unreal engine|cinematic|smooth|a digital illustration|full shot sketch"
    "|lineart only|film|portrait",
    "图片内容": "cat|girl",
    "图片类型": "drone footage of|a cover of",
    "视角": "side view|low angle|medium shot|closeup headshot|full shot|side portrait",
    "维度": "2d render|3d render",
    "图片质量": "intricate|high quality|uhd|8k|sharp focus|highly detailed|post-processing|high resolution|hdr",
    "符号": "?|!|??|!!|!!??",
    "光线": "moody light|matte painting|volumetric lighting|candle light|warm light",
    "色彩": "fantasy|vivid colors|yellow color scheme",
    "画家描述": "greg rutkowski|thomas kinkade|gaston bussiere|craig mullins|j. c. leyendecker|wlop|rossdraws|artgerm",
    "绘画平台": "trending on artstation",
    "年代": "renaissance background|neoclassical|ultrarealistic|traditional chinese painting",
    "服饰": "intricate cotton dress|lolita fashion|magic school uniform",
    "皮肤": "porcelain skin",
    "半身": "half body|full body",
    "场景": "wuxia|war|ancient city|cyberpunk",
    "国家": "chinese|african",
    "形容词": "gorgeous|cute|elegant|lovely|rugged|fluffy",
}


@pytest.mark.parametrize("name_zh", NOTES)
def test_every_word_of_the_notes_is_in_its_category(name_zh: str) -> None:
    category = next(one for one in GENERAL if one.name_zh == name_zh)
    assert set(NOTES[name_zh].split("|")) <= {word.word for word in category.words}


def test_relations_are_actions_and_positions() -> None:
    (relation,) = (one for one in GENERAL if one.name_zh == "关系")
    words = {word.word for word in relation.words}
    assert {"plays trumpet", "on the roof", "beside the window"} <= words


def test_four_hundred_words_in_nineteen_categories() -> None:
    assert len(GENERAL) == 19
    assert {category.group for category in GENERAL} == set(GROUPS)
    assert sum(len(category.words) for category in GENERAL) >= 400
    assert {category.key for category in GENERAL if category.strong} == {"style", "picture-type", "view", "quality"}


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.key)
def test_each_category_speaks_both_languages(category: Category) -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    texts = [(category.name, category.name_zh), (category.does, category.does_zh)]
    texts += [(word.does, word.does_zh) for word in category.words]
    for english, other in texts:
        assert not chinese.search(english)
        assert chinese.search(other), other
    for word in category.words:
        assert not chinese.search(word.word)
        assert chinese.search(word.name_zh) or word.name_zh.casefold() == word.word  # 8K, WLOP


def test_no_word_is_there_twice() -> None:
    for group in (GENERAL, BUILTIN):
        words = [word.word.casefold() for category in group for word in category.words]
        assert sorted(words) == sorted(set(words))


def test_the_built_in_models_words_are_those_it_was_trained_on() -> None:
    by_key = {category.key.removeprefix("builtin-"): {word.word for word in category.words} for category in BUILTIN}
    assert by_key["subject"] == set(world.SUBJECTS)
    assert by_key["colour"] == set(world.COLOURS)
    scenes = {phrase for phrases in captions.SCENE_PHRASES.values() for phrase in phrases}
    plain = {f"on {captions.with_article(colour)} background" for colour in world.COLOURS}
    assert by_key["place"] <= scenes | plain
    for phrases in captions.SCENE_PHRASES.values():
        assert by_key["place"] & set(phrases)
    for key, table in (
        ("time", captions.TIME_PHRASES),
        ("drawing", {**captions.STYLE_PHRASES, "blur": captions.BLUR_WORDS}),
        ("size", captions.SIZE_WORDS),
        ("position", captions.POSITION_PHRASES),
    ):
        assert all(len(by_key[key] & set(phrases)) == 1 for phrases in table.values())
        assert len(by_key[key]) == len(table)


HEAD = "name: A\nname_zh: 甲\ngroup: style\ndoes: a\ndoes_zh: 甲\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n", "bad.yaml:1: must be a mapping"),
        (HEAD, "bad.yaml:1: words must be a list"),
        (HEAD + "words: []\n", "bad.yaml:1: words must be a list"),
        (HEAD + "words: 3\n", "bad.yaml:1: words must be a list"),
        (HEAD + "words:\n  - cat\n", "bad.yaml:7: must be a mapping with word"),
        (
            HEAD + "words:\n  - word: on\n    name_zh: b\n    does: c\n    does_zh: d\n",
            "bad.yaml:7: word must be text, got True (put it in",
        ),
        (HEAD + "words:\n  - {word: a, name_zh: b, does: c}\n", "bad.yaml:7: does_zh must be text, got None"),
        (HEAD + "words:\n  - {word: a, name_zh: b, does: c, does_zh: d, x: e}\n", "bad.yaml:7: x is unknown"),
        (
            HEAD + "words:\n  - {word: a, name_zh: b, does: c, does_zh: d, also_zh: e}\n",
            "bad.yaml:7: also_zh must be a list of texts, got 'e'",
        ),
        (
            HEAD + "words:\n" + "  - {word: a, name_zh: b, does: c, does_zh: d}\n" * 2,
            "bad.yaml:8: 'a' is already in bad.yaml:7",
        ),
        (
            HEAD.replace("style", "other"),
            "bad.yaml:1: group must be one of type, content, style, author, symbol, got 'other'",
        ),
        (HEAD + "order: first\n", "bad.yaml:1: order must be a whole number"),
        (HEAD + "colour: red\n", "bad.yaml:1: colour is unknown"),
        (
            HEAD + "strong: 1\nwords:\n  - {word: a, name_zh: b, does: c, does_zh: d}\n",
            "bad.yaml:1: strong must be true",
        ),
        ("", "bad.yaml:1: must be a mapping"),
        ("name: [\n", "bad.yaml:2:"),
    ],
)
def test_a_bad_file_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LibraryError) as caught:
        read_category(file)
    assert line(caught.value).startswith(told)
