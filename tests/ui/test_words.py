"""Two languages: nothing missing, nothing left in the other one, the right one chosen."""

from __future__ import annotations

import re
import string
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.errors import InvalidRequest, Note
from pipelines.kinds import several
from pipelines.types import GenerationRequest
from webui.ui.labels import translations, word
from webui.ui.widgets import composer, reading
from webui.words import COOKIE, SCRIPT_WORDS, SENTENCES, WORDS, Language, fault, language_of, line, say, translate
from webui.words.networks import NETWORK_WORDS
from webui.words.viewer import VIEWER_WORDS

TABLES = [
    (f"{name}:{key}", words)
    for name, table in (
        ("page", WORDS),
        ("script", SCRIPT_WORDS),
        ("reading", reading.NAMES),
        ("composer", composer.NAMES),
        ("networks", NETWORK_WORDS),
        ("viewer", VIEWER_WORDS),
    )
    for key, words in table.items()
]
SAME = {"schedule_karras", "schedule_beta", "state_idle", "lora", "one_lora", "controlnet", "one_controlnet"}
SAME |= {"reference", "one_reference", "reference_model"}  # IP-Adapter, as its authors call it
SAME |= {"guiding_method_zero star", "guiding_freeu"}  # what their authors call them, in every language
SAME |= {f"guiding_{name}" for name in ("inner_1", "inner_2", "skip_1", "skip_2")}


@pytest.mark.parametrize(("name", "words"), TABLES, ids=[name for name, _ in TABLES])
def test_both_languages_are_there_with_the_same_slots(name: str, words: tuple[str, str]) -> None:
    english, chinese = words
    slots = [sorted(part[1] for part in string.Formatter().parse(text) if part[1]) for text in words]
    assert slots[0] == slots[1]
    if name.partition(":")[2] in SAME:
        return
    assert english.strip()
    assert chinese.strip()
    if name not in {"script:language"}:
        assert not re.search(r"[\u4e00-\u9fff]", english)
        assert re.search(r"[\u4e00-\u9fff]", chinese)


def request(language: str = "", cookie: str | None = None) -> Any:
    cookies = {COOKIE: cookie} if cookie else {}
    return SimpleNamespace(headers={"accept-language": language}, cookies=cookies)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9", "zh"),
        ("zh-TW", "zh"),
        ("zh-Hans-CN", "zh"),
        ("zh-SG", "zh"),
        ("en-US", "en"),
        ("de", "en"),
        ("", "en"),
    ],
)
def test_the_language_of_the_browser(asked: str, given: str) -> None:
    assert language_of(request(asked)) == given


def test_a_choice_on_the_page_comes_first() -> None:
    assert language_of(request("en-US", "zh")) == "zh"
    assert language_of(request("zh-CN", "en")) == "en"
    assert language_of(request("zh-CN", "<script>")) == "zh"
    assert language_of(None) == "en"


def test_browsers_get_every_word_for_every_chinese() -> None:
    tables = translations({"preset_0": ("Plain", "纯色")}).translations_dict
    for tag in ("zh-CN", "zh-TW"):
        assert tables[tag]["generate"] == "生成"
        assert tables[tag]["preset_0"] == "纯色"
    assert tables["en"].keys() == tables["zh-CN"].keys()


def test_an_unknown_word_is_a_bug() -> None:
    with pytest.raises(KeyError):
        word("no such")


BROKEN: list[dict[str, Any]] = [
    {"width": 513},
    {"width": 8},
    {"width": None},
    {"steps": 0},
    {"steps": 1.5},
    {"guidance": None},
    {"guidance": float("inf")},
    {"sampler": "none"},
    {"sampler": "PLMS", "schedule": "karras"},
    {"prompt": "x" * 20_001},
    {"seed": -2},
]


@pytest.mark.parametrize("given", BROKEN, ids=str)
def test_every_broken_rule_is_told_in_chinese(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        GenerationRequest(**given)
    told = fault(caught.value, "zh")
    assert "must" not in told
    assert re.search(r"[\u4e00-\u9fff]", told)


def test_a_sentence_names_the_field() -> None:
    error = InvalidRequest("width", "multiple", step=8, value=513)
    assert fault(error, "en") == "Width must be a multiple of 8, got 513."
    assert fault(error, "zh") == "宽度必须是 8 的倍数，现为 513。"
    assert translate("steps_run", "zh", run=3, steps=4) == "4 步中实际运行 3 步。"


@pytest.mark.parametrize("values", [{}, {"step": 8}, {"step": 8, "value": Note("of_tomorrow", a=1)}], ids=str)
def test_a_note_that_another_version_kept_is_shown_as_it_is(values: dict[str, Any]) -> None:
    told = say(Note("multiple", **values), "zh", "宽度")
    assert told == (
        str(Note("multiple", **values)) if "value" not in values else "宽度必须是 8 的倍数，现为 of_tomorrow(a=1)。"
    )
    assert say(Note("whole_number", low="a", high=2, value=3), "en") == "whole_number(low='a', high=2, value=3)"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("value", [None, True, -1, 10**400, float("nan"), "x", [], {}, [1, [2]], {"code": 3}], ids=repr)
def test_a_note_that_lacks_its_values_is_told_all_the_same(value: Any, language: Language) -> None:
    for code, (english, _) in SENTENCES.items():
        slots = {name for _, name, _, _ in string.Formatter().parse(english) if name}
        for data in ({"code": code}, {"code": code, "field": value}, {"code": code, **dict.fromkeys(slots, value)}):
            assert isinstance(say(Note.from_json(data), language), str)


@pytest.mark.parametrize(
    ("given", "english", "chinese", "line_told"),
    [
        (
            {"sampler": "PLMS", "schedule": "karras"},
            "Schedule must be one of Automatic with PLMS, got Karras.",
            "采样器 PLMS 的噪声调度只能是 自动，现为 Karras。",
            "schedule must be one of automatic with PLMS, got karras.",
        ),
        (
            {"dialect": "info"},  # `dialect_info` is what is written beside the field
            "Language of the prompts must be one of A1111, Compel, got info.",
            "提示词语法必须是以下之一：A1111 语法、Compel 语法，现为 info。",
            "dialect must be one of a1111, compel, got info.",
        ),
        (
            {"vae": ""},
            'VAE must be a name, got "".',
            'VAE 模型必须是名称，现为 ""。',
            'vae must be a name, got "".',
        ),
    ],
    ids=str,
)
def test_choices_are_called_as_the_page_calls_them_and_by_their_names_on_the_command_line(
    given: dict[str, Any], english: str, chinese: str, line_told: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        GenerationRequest(**given)
    assert (fault(caught.value, "en"), fault(caught.value, "zh")) == (english, chinese)
    assert line(caught.value) == line_told
    assert say(Note.from_json(caught.value.told.to_json()), "zh") == chinese  # as a job keeps it


def test_choices_of_no_request_are_called_as_the_page_calls_them_too() -> None:
    models = InvalidRequest("model", "choice", choices=("builtin", "bytes"), value="size")  # files may be called so
    assert fault(models, "en") == "Model must be one of Built-in (simple scenes), bytes, got size."
    axes = InvalidRequest("axes", "choice", choices=("prompt_words", "steps", "eta"), value="x")
    assert fault(axes, "en") == f"Axes must be one of words, Steps, {WORDS['eta'][0]}, got x."
    assert fault(InvalidRequest("places", "choice", choices=("before",), value=()), "zh").endswith('现为 ""。')


def test_of_many_names_the_first_are_told_and_how_many_there_are() -> None:
    names = [f"model-{place}" for place in range(1000)]
    error = InvalidRequest("model", "choice", choices=several(names), value="x")
    assert fault(error, "en") == f"Model must be one of {', '.join(names[:12])}, … and 988 more, got x."
    assert fault(error, "zh") == f"模型必须是以下之一：{'、'.join(names[:12])}、…… 另有 988 个，现为 x。"
    assert several(names[:12]) == tuple(names[:12])
