"""Whatever a browser sends for an input of an event, the answer is the handler's own: never a fault of the server, and
never gradio's English."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest

from webui.jobs.defaults import FOUND

from .conftest import Page
from .test_events import SMALL, _until_idle

pytestmark = pytest.mark.lengthy

FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
WRONG: dict[str, Any] = {
    "nothing": None,
    "text": "no such thing",
    "negative": -5,
    "part": 0.5,
    "huge": 10**400,
    "truth": True,
    "infinite": float("inf"),
    "no number": float("nan"),
    "list": ["a", 1, None, ["b"]],
    "object": {"a": {"b": []}},
    "numbers for texts": {"items": 3, "selected": "x", "path": 7, "uploaded": {}, "source": ["a"], "mask": 2},
    "a file from elsewhere": FILE,
    "files from elsewhere": [{"items": [FILE], "selected": 0}],
    "an odd file": {"path": "a.png", "meta": "x"},
    "half a character": "\ud800",
}


def start(ui: Page, component: int) -> Any:
    name = ui.name_of(component)
    small = {f"form_{field}": value for field, value in SMALL.items()}
    small |= {"form_defaults": {FOUND: True}}  # a form that was shown: it is kept
    return small.get(name, ui.components[component]["props"].get("value"))


def sent(ui: Page, event: str, data: list[Any], language: str = "zh-CN") -> Any:
    return ui.client.post(
        f"/gradio_api/run/{event}",
        content=json.dumps({"data": data}),
        headers={"accept-language": language, "content-type": "application/json"},
    )


def odd_calls(ui: Page) -> Iterator[tuple[str, str, list[Any]]]:
    """Every input of every event with a wrong value, the others as the page opens: of all kinds where the handler
    has few, and for the others by turns."""
    turns = cycle(WRONG)
    for event, known in ui.events.items():
        inputs, again = known["inputs"], re.sub(r"(_ready)?_\d+$|_(after|kind|warm)$", "", event)
        if again != event and ui.events.get(again, {}).get("inputs") == inputs:
            continue  # the same handler, called by another event
        for place, component in enumerate(inputs):
            kinds = WRONG if len(inputs) <= 2 else [next(turns)]
            for kind in kinds:
                data = [start(ui, one) for one in inputs]
                data[place] = WRONG[kind]
                yield f"{event}: {kind} for {ui.name_of(component)}", event, data
        for kind in WRONG if 1 < len(inputs) <= 5 else ():
            yield f"{event}: {kind} for all", event, [WRONG[kind]] * len(inputs)


@pytest.mark.fault(18, 19, 27, 28, 29)
@pytest.mark.attack(25)
def test_no_value_of_any_input_is_a_fault_of_the_server(ui: Page) -> None:
    faults = []
    for name, event, data in odd_calls(ui):
        answer = sent(ui, event, data)
        if answer.status_code != 200:
            faults.append(f"{name}: {answer.text[:200]}")
    _until_idle(ui)
    assert faults == []


LAB = {
    "lab_width": 64,
    "lab_height": 64,
    "lab_prompt": "a red star, a blue fish",
    "lab_phrases": "a red star\na blue fish",
}


@pytest.mark.parametrize(
    ("given", "english", "chinese"),
    [
        (
            {"lab_kind": "order", "lab_sample": -5},
            "How many orders must be a whole number from 1 to 500, got -5.",
            "抽取的顺序数必须是 1 到 500 之间的整数，现为 -5。",
        ),
        (
            {"lab_kind": "order", "lab_sample": "many"},
            "How many orders must be a whole number from 1 to 500, got many.",
            "抽取的顺序数必须是 1 到 500 之间的整数，现为 many。",
        ),
        (
            {"lab_kind": "isolation", "lab_separators": ["/"]},
            "Separators must be one of ;, ,, ., BREAK, got /.",
            "分隔符必须是以下之一：;、,、.、BREAK，现为 /。",
        ),
        (
            {"lab_kind": "isolation", "lab_alone": "perhaps"},
            "Each phrase alone must be true or false, got perhaps.",
            "单独生成每个短语必须为 true 或 false，现为 perhaps。",
        ),
        (
            {"lab_kind": "symbols", "lab_places": ["within"]},
            "Where must be one of before the phrase, after the phrase, got within.",
            "位置必须是以下之一：短语之前、短语之后，现为 within。",
        ),
        ({"lab_sampler": ["Euler"]}, "got ['Euler'].", "现为 ['Euler']。"),
        ({"lab_model": "gone.safetensors"}, "got gone.safetensors.", "现为 gone.safetensors。"),
        ({"lab_kind": "grid", "lab_x_field": "colour"}, "got colour.", "现为 colour。"),
        (
            {"lab_image": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}},
            "Choose a picture on this page: /etc/passwd was not uploaded here and is no picture of the outputs folder.",
            "请在本页选择图片：/etc/passwd 既不是在此上传的，也不是输出文件夹中的图片。",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("event", ["lab_submit", "lab_plan"])
def test_the_lab_says_what_is_wrong(ui: Page, event: str, given: dict[str, Any], english: str, chinese: str) -> None:
    for language, words in (("en", english), ("zh", chinese)):
        told = ui.call(event, {**LAB, **given}, language)["lab_fault"]
        assert told["visible"] is True
        assert told["value"].endswith(words)


NO_TEXTS = (["a red star"], {"text": "a red star"}, 7, True)


@pytest.mark.parametrize("value", NO_TEXTS, ids=str)
def test_what_is_no_text_is_refused_and_not_made_into_one(ui: Page, value: Any) -> None:
    """Each box of text of a form, one after the other; nothing is queued."""
    before = len(ui.parts.service.unfinished())
    for box in ("prompt", "negative_prompt"):
        for event in ("form_submit", "form_preset"):
            told = ui.call(event, {f"form_{box}": value})["form_live"]
            assert "must be text, got" in told["faults"][box], event
    boxes = [name for name in map(ui.name_of, ui.events["lab_submit"]["inputs"]) if name.startswith("lab_")]
    texts = [name for name in boxes if isinstance(ui.components[ui.identity(name)]["props"].get("value"), str)]
    texts = [name for name in texts if ui.components[ui.identity(name)]["type"] == "textbox"]
    assert len(texts) >= 9
    for name in texts:
        told = ui.call("lab_submit", {**LAB, name: value})["lab_fault"]
        assert "must be text, got" in told["value"], name
    told = ui.call("saving_save", {"saving_pattern": value})
    assert "must be text, got" in told["saving_example"]
    assert len(ui.parts.service.unfinished()) == before


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("run/form_submit", {"data": []}),
    ("run/form_submit", {"data": [None] * 200}),
    ("run/form_submit", {"data": ["a"], "fn_index": 99_999}),
    ("run/form_submit", {"data": [], "fn_index": -1}),
    ("run/no_such_function", {"data": []}),
    ("run/form_submit", {"data": [[1]], "batched": True}),
    ("api/form_submit", {"data": []}),
    ("call/form_submit", {"data": []}),
    ("call/no_such_function", {"data": []}),
    ("call/v2/no_such_function", {}),
    ("call/v2/form_submit", {"no_such_argument": 1}),
    ("queue/join", {"data": [], "session_hash": "s"}),
    ("queue/join", {"data": [], "session_hash": "s", "fn_index": 99_999}),
    ("queue/join", {"data": [1], "session_hash": "s", "fn_index": 0}),
    ("component_server", {"session_hash": "s", "component_id": 99_999, "fn_name": "read", "data": []}),
    ("component_server", {"session_hash": "s"}),
    ("component_server", {"session_hash": ["s"], "component_id": {}, "fn_name": 1, "data": 1}),
    ("cancel", {"session_hash": "s", "fn_index": 99_999, "event_id": "e"}),
    ("reset", {"event_id": "e"}),
]


@pytest.mark.parametrize(("place", "body"), CALLS, ids=str)
def test_a_call_that_no_page_makes_is_no_fault_of_the_server(ui: Page, place: str, body: dict[str, Any]) -> None:
    answer = ui.client.post(f"/gradio_api/{place}", json=body, headers={"accept-language": "zh-CN"})
    assert answer.status_code < 500
    if answer.status_code == 422:
        assert "无法理解该请求" in answer.json()["detail"]
    if place.startswith(("run", "api", "queue")):
        assert answer.status_code == 422


@pytest.mark.parametrize("event", ["form_submit", "again_submit", "again_show", "again_send", "lab_submit"])
def test_a_file_that_is_no_picture_is_told_whoever_gets_it(ui: Page, event: str) -> None:
    answer = ui.client.post("/gradio_api/upload", files={"files": ("a.png", b"no picture", "image/png")})
    box = next(name for name in map(ui.name_of, ui.events[event]["inputs"]) if name.endswith("_image"))
    task = {"task": "img2img"} if event == "form_submit" else {}
    told = json.dumps(ui.call(event, {**task, box: {**FILE, "path": answer.json()[0]}}, "zh"), ensure_ascii=False)
    if event == "again_submit":  # its job tells
        told = str(ui.finished(json.loads(told)["seedprint-jobs-again"][0]).again)
        assert "unreadable" in told or "picture" in told
    else:
        assert "图片" in told


def test_a_settled_value_that_is_no_choice_is_told(ui: Page) -> None:
    models = ui.call("models")["models_list"]
    chosen = {**models, "selected": models["items"][0]["id"]}
    told = ui.call("models_save", {"models_list": chosen, "models_sampler": "of tomorrow"})["models_sampler"]
    assert told["elem_classes"] == ["field-error"]
    assert told["info"].endswith("got of tomorrow.")


def test_no_component_judges_a_value(ui: Page) -> None:
    """Each input with each value: a form's many are sent by turns alone."""
    mounted = (getattr(route, "app", None) for route in ui.client.app.routes)  # type: ignore[attr-defined]
    blocks = next(one.get_blocks() for one in mounted if hasattr(one, "get_blocks"))
    inputs = {one for event in ui.events.values() for one in event["inputs"]}
    assert len(inputs) > 80
    for component in inputs:
        for value in WRONG.values():
            if not (isinstance(value, dict) and "meta" in value):  # as the page hands them on: without files
                blocks.blocks[component].preprocess(value)
