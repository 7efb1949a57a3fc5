"""What a page would ask for as soon as it opens stands in it already."""

from __future__ import annotations

import inspect
import json
import re
from collections import defaultdict
from typing import Any

import gradio as gr
import pytest

from pipelines.errors import Note, Unavailable
from tests.ui.conftest import Page
from webui.kept.forms import Forms
from webui.ui.inputs import Picture, Slider
from webui.ui.widgets.reading import Reader


def config_of(page: Page, language: str = "en") -> dict[str, Any]:
    """As it stands in the page that a browser gets."""
    text = page.client.get("/", headers={"accept-language": language, "accept": "text/html"}).text
    found = re.search(r"window\.gradio_config = (\{.*?\});</script>", text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def shown(config: dict[str, Any], name: str) -> Any:
    (one,) = [one for one in config["components"] if one["props"].get("elem_id") == name]
    return one["props"].get("value")


def asked_at_once(page: Page, config: dict[str, Any]) -> set[str]:
    """Events that the browser sends when the page opens; what its own scripts do asks for nothing."""
    asked = (one for one in config["dependencies"] if one["backend_fn"])
    return {one["api_name"] for one in asked if any(event == "load" for _, event in one["targets"])}


def test_the_kept_form_and_all_that_follows_from_it(ui: Page) -> None:
    assert asked_at_once(ui, ui.config) >= {"form_load", "form_find", "form_steps_run", "form_memory", "saving"}
    ui.call("form_find")
    defaults = ui.call("form_find")["form_defaults"]
    typed = {"form_prompt": "<b>a</b> & 鱼's", "form_steps": 7, "form_strength": 0.5, "form_defaults": defaults}
    ui.call("form_keep", typed)
    config = config_of(ui)
    assert shown(config, "form_prompt") == "<b>a</b> & 鱼's"
    assert shown(config, "form_steps") == 7
    assert "3 of 7" in shown(config, "form_steps_run")
    assert shown(config, "form_reading")["asked"][2] == "<b>a</b> & 鱼's"
    assert shown(config, "form_reading")["answer"]["prompt"]["encoders"]
    assert shown(config, "header")["state"] == "ready"
    assert shown(config_of(ui, "zh-CN"), "header")["text"] != shown(config, "header")["text"]
    assert asked_at_once(ui, config) == set()


def away(*_: Any) -> Any:
    raise Unavailable(Note("database_full").code, file="jobs.sqlite", reason="full")


def test_a_form_that_cannot_be_read_now_is_told_and_asked_for_again(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    ui.call("form_find")
    defaults = ui.call("form_find")["form_defaults"]
    ui.call("form_keep", {"form_prompt": "kept", "form_defaults": defaults})
    with monkeypatch.context() as patch:
        for name in ("current", "keep"):
            patch.setattr(Forms, name, away)
        config = config_of(ui)
        assert asked_at_once(ui, config) == set()
        assert shown(config, "form_steps_run")
        assert shown(config, "form_faults")["retry"]
        assert "full" in shown(config, "form_live")["error"]
        assert ui.call("form_find_again")["form_faults"]["retry"]
        assert ui.call("form_keep", {"form_prompt": "typed", "form_defaults": defaults})["form_faults"]["retry"]
    found = ui.call("form_find_again")  # nothing was typed since
    assert found["form_prompt"]["value"] == "kept"
    assert not found["form_faults"].get("retry")
    ui.call("form_find_again", {"form_prompt": "typed meanwhile"})
    assert ui.call("form_find")["form_prompt"]["value"] == "typed meanwhile"


def test_a_bug_in_what_is_told_at_once_costs_that_alone(
    ui: Page, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Reader, "read", broken)
    config = config_of(ui)
    assert shown(config, "form_steps_run")
    assert asked_at_once(ui, config) == {"form_reading"}  # the browser asks, as if nothing had been written
    assert "ZeroDivisionError: a bug" in caplog.text


def test_what_one_page_changes_stays_when_another_changes_something_else(ui: Page) -> None:
    both = ui.call("form_find")
    base = {"form_defaults": both["form_defaults"], "form_faults": both["form_faults"]}
    prompt = both["form_faults"]["base"]["prompt"]
    ui.call("form_keep", {**base, "form_prompt": "of the first page"})
    second = {**base, "form_steps": 9, "form_prompt": prompt}
    told = ui.call("form_keep", second)["form_faults"]
    found = ui.call("form_find")
    assert (found["form_prompt"]["value"], found["form_steps"]["value"]) == ("of the first page", 9)
    ui.call("form_keep", {**second, "form_faults": told, "form_prompt": "of the second"})
    assert ui.call("form_find")["form_prompt"]["value"] == "of the second"


def test_what_is_held_back_holds_nothing_else_back(ui: Page) -> None:
    """Gradio begins all events of a trigger again once one that was held back is over: two of them would never end."""
    of = defaultdict[tuple[int, str], list[dict[str, Any]]](list)
    for event in ui.config["dependencies"]:
        for component, name in event["targets"]:
            # one after another event is begun by that alone, and a page is opened once
            if event["backend_fn"] and component is not None and name != "load":
                of[component, name].append(event)
    held = [one for one in of.values() if any(event["trigger_mode"] == "always_last" for event in one)]
    assert len(held) > 5
    assert [[event["api_name"] for event in one] for one in held if len(one) > 1] == []


def test_what_a_constructor_takes_is_looked_up_once(ui: Page) -> None:
    kinds = (gr.Row, gr.Image, gr.Dropdown, gr.HTML, Slider, Picture)
    for constructor in [kind.__init__ for kind in kinds]:
        assert inspect.signature(constructor) is inspect.signature(constructor)
