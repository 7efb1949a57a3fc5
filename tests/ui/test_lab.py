"""The Lab tab on the fake engine: every question, its estimate, its run, its numbers; and no trust in browsers."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from webui.lab.runner import ExperimentStatus
from webui.ui.lab.tab import LabHandlers

from .conftest import Page
from .test_events import picture, uploaded

pytestmark = pytest.mark.lengthy

SMALL = {"lab_steps": 3, "lab_width": 64, "lab_height": 64, "lab_seeds": "1-3"}
PROMPT = "a red star and a blue heart"
BOTH = "a red star\na blue heart"
QUESTIONS: dict[str, tuple[dict[str, Any], int]] = {  # what is typed, how many variants it makes
    "ab": ({"lab_phrase": "red"}, 2),
    "ablation": ({"lab_phrases": BOTH}, 3),
    "order": ({"lab_phrases": BOTH}, 2),
    "symbols": ({"lab_phrase": "blue heart", "lab_symbols": "? !!", "lab_places": ["before", "after"]}, 5),
    "weights": ({"lab_phrase": "red", "lab_weights": "0.5, 1-1.5 [2]"}, 3),
    "isolation": ({"lab_phrases": BOTH, "lab_separators": [";", "BREAK"], "lab_alone": True}, 5),
    "grid": ({"lab_x_field": "steps", "lab_x_values": "2-4 (+2)", "lab_y_field": "", "lab_z_field": ""}, 2),
}


def typed(kind: str, **more: Any) -> dict[str, Any]:
    return {**SMALL, "lab_prompt": PROMPT, "lab_kind": kind, **QUESTIONS[kind][0], **more}


def text(update: Any) -> str:
    return str(update["value"] if isinstance(update, dict) and "value" in update else update)


def run(ui: Page, values: dict[str, Any], event: str = "lab_submit") -> str:
    """Starts it and waits until it is counted; its id."""
    identity = ui.call(event, values)["seedprint-lab"]
    over(ui, identity)
    return str(identity)


def over(ui: Page, identity: str) -> ExperimentStatus:
    lab = ui.parts.lab
    status = lab.status(identity)
    while status is not None and not status.over:
        status = lab.wait(identity, status.version, 5)
    assert status is not None
    return status


@pytest.mark.parametrize("kind", QUESTIONS)
def test_every_question_runs_and_is_counted(ui: Page, kind: str) -> None:
    cells = QUESTIONS[kind][1] * 3
    told = ui.call("lab_plan", typed(kind))
    assert text(told["lab_estimate"]).startswith(f"{cells} pictures")
    identity = run(ui, typed(kind))
    status = over(ui, identity)
    assert (status.state, status.done, status.cells) == ("done", cells, cells)
    shown = ui.call("lab_count", {"seedprint-lab": identity, "lab_metric": "pixels"})
    assert "moves the picture most" in text(shown["lab_verdict"])
    assert text(shown["lab_plot"]).startswith("<svg")
    rows = shown["lab_table"]["value"]["data"]
    assert len(rows) >= QUESTIONS[kind][1]  # the floor, and each variant but the reference
    assert rows[0][0] == "another seed"
    assert all(re.fullmatch(r"0\.\d{3}", row[2]) for row in rows)


def test_the_files_to_save(ui: Page) -> None:
    identity = run(ui, typed("ab"))
    shown = ui.call("lab_count", {"seedprint-lab": identity})
    table, report = (Path(shown[name]["value"]["path"]) for name in ("lab_csv", "lab_html"))
    rows = list(csv.reader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
    assert [row[1] for row in rows] == ["row", "same prompt, other seed", "with “red”"]
    assert report.read_text(encoding="utf-8").count("<img") == 6
    assert re.fullmatch(r"[\w-]+\.html", report.name)


def test_the_estimate_knows_what_is_there(ui: Page) -> None:
    run(ui, typed("ab"))
    told = text(ui.call("lab_plan", typed("ab", lab_seeds="1-4"))["lab_estimate"])
    assert told.startswith("8 pictures, 6 of them there already: 6 steps, about ")
    assert "8 张" in text(ui.call("lab_plan", typed("ab", lab_seeds="1-4"), "zh")["lab_estimate"])


@pytest.mark.parametrize(
    ("values", "english", "chinese"),
    [
        (typed("ab", lab_phrase=""), "Phrase: write the words that are asked about.", "请填写短语"),
        (typed("order", lab_phrases="a dog"), "“a dog” must stand in the prompt.", "“a dog”必须出现在提示词中。"),
        (typed("grid", lab_x_values="10-1 (+2)"), "Steps must step from 10 towards 1, got +2.", "步长应从 10 走向 1"),
        (typed("grid", lab_x_field="", lab_y_field=""), "Choose one to three axes", "一到三个"),
        (typed("ab", lab_seeds="1-900"), "at most 1,000 pictures; this one would make 1,800.", "最多 1,000 张"),
        (typed("ab", lab_width=65), "Width must be a multiple of 8, got 65", "宽度必须是 8 的倍数"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    ui: Page, values: dict[str, Any], english: str, chinese: str
) -> None:
    before = len(ui.parts.lab.recent(1000))
    for event in ("lab_plan", "lab_submit"):
        assert english in text(ui.call(event, values)["lab_fault"])
        assert chinese in text(ui.call(event, values, "zh")["lab_fault"])
    assert len(ui.parts.lab.recent(1000)) == before


def test_words_of_a_person_are_escaped(ui: Page) -> None:
    told = ui.call("lab_plan", typed("order", lab_phrases="<script>x"))
    assert "<script>" not in text(told["lab_fault"])
    assert "&lt;script&gt;" in text(told["lab_fault"])
    prompt = "a <script>alert(1)</script> star, red"
    identity = run(ui, typed("ablation", lab_prompt=prompt, lab_phrases=""))
    shown = ui.call("lab_count", {"seedprint-lab": identity})
    assert "<script" not in text(shown["lab_plot"]) + text(shown["lab_verdict"])


def test_the_ready_made_ones_run_in_one_click_and_fill_the_form(ui: Page) -> None:
    for place in range(3):
        answer = ui.call(f"lab_ready_{place}")
        if place < 2:
            ui.call("lab_cancel", {"seedprint-lab": answer["seedprint-lab"]})
        status = over(ui, answer["seedprint-lab"])
        assert (status.cells, answer["lab_seeds"]["value"]) == (24, "1, 2, 3, 4")
    assert (status.state, status.done) == ("done", 24)
    assert answer["lab_kind"]["value"] == "symbols"
    assert answer["lab_phrase"]["value"] == "blue heart"
    assert answer["lab_phrase"]["visible"]
    assert not answer["lab_phrases"]["visible"]


def test_each_question_shows_its_own_fields(ui: Page) -> None:
    shown = ui.call("lab_kind", {"lab_kind": "grid"})
    assert shown["lab_x_field"]["visible"]
    assert not shown["lab_phrase"]["visible"]
    assert ui.call("lab_kind", {"lab_kind": "weights"})["lab_weights"]["visible"]


def test_an_experiment_of_before_is_shown_again(ui: Page) -> None:
    identity = run(ui, typed("isolation"))
    run(ui, typed("ab"))
    answer = ui.call("lab_choose", {"lab_chosen": identity})
    assert answer["seedprint-lab"] == identity
    assert answer["lab_phrases"]["value"] == BOTH
    assert answer["lab_separators"]["value"] == [";", "BREAK"]
    again = {name: answer[name]["value"] for name in ("lab_kind", "lab_prompt", "lab_phrases", "lab_separators")}
    assert text(ui.call("lab_plan", {**SMALL, **again})["lab_estimate"]).startswith("15 pictures, 15 of them")


def test_a_start_picture(ui: Page) -> None:
    """Every variant begins with it; the form gets it back; strength is an axis; without it strength is refused."""
    start = Image.new("RGB", (80, 64), "orange")
    begun = typed("ab", lab_image=picture(uploaded(ui, start)), lab_strength=0.7)
    # int(3 x 0.7) = 2 steps for each of 6 pictures
    assert text(ui.call("lab_plan", begun)["lab_estimate"]).startswith("6 pictures, 0 of them there already: 12 steps")
    identity = run(ui, begun)
    experiment = ui.parts.lab.experiment(identity)
    assert experiment is not None
    for cell in experiment.cells():
        assert cell.request.init is not None
        assert (cell.request.init.strength, cell.request.init.image.tobytes()) == (0.7, start.tobytes())
    answer = ui.call("lab_choose", {"lab_chosen": identity})
    assert answer["lab_strength"]["value"] == 0.7
    back = {**begun, "lab_image": picture(answer["lab_image"]["value"]["path"])}
    assert text(ui.call("lab_plan", back)["lab_estimate"]).startswith("6 pictures, 6 of them there already")
    axis = {"lab_x_field": "strength", "lab_x_values": "0.4, 0.7"}
    grid = text(ui.call("lab_plan", typed("grid", lab_image=back["lab_image"], **axis))["lab_estimate"])
    assert grid.startswith("6 pictures, 3 of them there already: 3 steps")
    assert "Choose a picture to start from" in text(ui.call("lab_plan", typed("grid", **axis))["lab_fault"])
    assert ui.call("lab_ready_0")["lab_image"]["value"] is None


def test_a_new_browser_sees_the_newest(ui: Page) -> None:
    identity = run(ui, typed("ab"))
    answer = ui.call("lab_load", language="zh")
    assert answer["seedprint-lab"] == identity
    assert answer["lab_chosen"]["value"] == identity
    assert answer["lab_ready_0"]["value"] == "词序有影响吗？"


def test_results_in_chinese(ui: Page) -> None:
    identity = run(ui, typed("ab"))
    shown = ui.call("lab_count", {"seedprint-lab": identity}, "zh")
    assert "影响最大：带“red”" in text(shown["lab_verdict"])
    assert shown["lab_table"]["value"]["headers"][0] == "对象"


@pytest.mark.parametrize("identity", ["", "x", "../../etc/passwd", "0" * 32, 7, None, ["a"]])
def test_browsers_may_say_anything(ui: Page, identity: Any) -> None:
    assert ui.call("lab_count", {"seedprint-lab": identity})["lab_verdict"] == ""
    ui.call("lab_cancel", {"seedprint-lab": identity})
    ui.call("lab_go_on", {"seedprint-lab": identity})
    ui.call("lab_choose", {"lab_chosen": identity})


def test_a_page_that_looks_at_another_experiment_is_told_of_that_one_only() -> None:
    """Two running ones: the watcher of the first ends as soon as the same page watches the second."""
    running = ExperimentStatus(id="", name="", state="running", done=0, cells=2)
    lab: Any = SimpleNamespace(
        status=lambda identity: replace(running, id=identity),
        wait=lambda identity, version, timeout: replace(running, id=identity),
        pictures=lambda identity: [],
    )
    tab: Any = SimpleNamespace(form=None, house=None, lab=lab, live="live", pictures="pictures")
    handlers = LabHandlers(tab)
    page: Any = SimpleNamespace(session_hash="a", headers={}, cookies={})
    other: Any = SimpleNamespace(session_hash="b", headers={}, cookies={})
    first, elsewhere = handlers.watch("1" * 32, "pixels", page), handlers.watch("1" * 32, "pixels", other)
    assert "live" in next(first)
    assert "live" in next(elsewhere)
    second = handlers.watch("2" * 32, "pixels", page)
    assert "live" in next(second)
    assert list(first) == []
    assert "live" in next(second)
    assert "live" in next(elsewhere)


def test_an_axis_offers_every_field_once(ui: Page) -> None:
    (axis,) = (one for one in ui.components.values() if one["props"].get("elem_id") == "lab_x_field")
    offered = [value for _, value in axis["props"]["choices"]]
    assert len(set(offered)) == len(offered) > 10
