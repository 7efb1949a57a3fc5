"""The Settings tab: what a form begins with, and what the program runs on."""

from __future__ import annotations

import string

import pytest

from tests.ui.conftest import Page
from webui.archive import VERSION
from webui.words.settings import PREFERENCE_WORDS


@pytest.fixture
def fresh(ui: Page) -> Page:
    ui.call("beginning_forget")
    return ui


def test_a_form_begins_with_what_was_shown_and_with_the_programs_values_again(fresh: Page) -> None:
    answer = fresh.call("beginning_keep", {"form_steps": 33, "form_guidance": 4.5, "form_prompt": "a red star"})
    assert "Steps 33, Guidance 4.5" in answer["beginning_told"]
    assert answer["form_defaults"]["steps"] == 33
    assert fresh.call("form_reset", {"form_steps": 5})["form_steps"]["value"] == 33
    assert "步数 33" in fresh.call("settings", language="zh-CN")["beginning_told"]
    told = fresh.call("beginning_forget")["beginning_told"]
    assert "the program's values" in told
    assert fresh.call("form_reset", {"form_steps": 5})["form_steps"]["value"] == 20


def test_what_is_known_of_a_models_nature_stays(fresh: Page) -> None:
    shelf = fresh.parts.service.shelf
    name = fresh.components[fresh.identity("form_model")]["props"]["value"]
    (model,) = [one for one in fresh.parts.service.models() if one.name == name]
    shelf.settings.put(model, {"prediction_type": "v_prediction"})
    fresh.call("beginning_keep", {"form_steps": 33})
    assert shelf.settings.get(model) == {"prediction_type": "v_prediction", "steps": 33}
    fresh.call("beginning_forget")
    assert shelf.settings.get(model) == {"prediction_type": "v_prediction"}
    shelf.settings.put(model, {})


def test_what_no_request_takes_is_told_and_changes_nothing(fresh: Page) -> None:
    fresh.call("beginning_keep", {"form_steps": 33})
    answer = fresh.call("beginning_keep", {"form_steps": 9000})
    assert "Steps must be" in answer["beginning_told"]
    assert "9000" in answer["beginning_told"]
    assert fresh.call("form_reset")["form_steps"]["value"] == 33


def test_what_the_program_runs_on(fresh: Page) -> None:
    told = fresh.call("settings")["settings_house"]
    for one in (VERSION, fresh.outputs.name, fresh.parts.settings.data_dir.name):
        assert one in told


@pytest.mark.parametrize("key", PREFERENCE_WORDS)
def test_both_languages(key: str) -> None:
    english, chinese = PREFERENCE_WORDS[key]
    assert english.strip()
    assert chinese.strip()
    assert english.isascii() or "…" in english
    slots = [sorted(part[1] for part in string.Formatter().parse(text) if part[1]) for text in (english, chinese)]
    assert slots[0] == slots[1]
