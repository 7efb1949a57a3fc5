"""ControlNets on the page: a picture becomes a map, which is shown, run, kept, and comes back."""

from __future__ import annotations

import base64
import io
from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.control.preprocessing import map_of
from pipelines.images import fit
from webui.archive import metadata

from .conftest import Page, is_skipped
from .test_events import faults, large, painted, picture, small, uploaded, value_of
from .test_lab import run as in_lab

pytestmark = pytest.mark.lengthy


def drawing() -> Image.Image:
    image = Image.new("RGB", (160, 120), "white")
    ImageDraw.Draw(image).rectangle((50, 30, 110, 90), fill="navy")
    return image


def shown(answer: Any) -> Image.Image:
    """The map in what an event gives."""
    text = str(value_of(answer)).partition("base64,")[2].partition('"')[0]
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def test_the_map_is_shown_before_the_run_and_is_what_is_run(ui: Page) -> None:
    given = picture(uploaded(ui, drawing()))
    asked = {"form_control_2_map": given, "form_control_2_preprocessor": "canny", "form_control_2_low": 50}
    look = ui.call("form_control_2_look", {**asked, "form_width": 64, "form_height": 64})["form_control_2_look"]
    status = ui.generate("txt2img", small("txt2img", control_2_weight=0.5) | asked)
    request = ui.engine.batches[-1].request
    assert request.control_1 is None
    assert request.control_2 is not None
    assert (request.control_2.weight, request.control_2.preprocessor) == (0.5, "canny")
    wanted = map_of(fit(drawing(), (64, 64), "crop"), "canny", 50, 200)
    assert request.control_2.map.tobytes() == wanted.tobytes() == shown(look).tobytes()
    assert np.asarray(wanted).max() == 255
    record = metadata.read(status.saved[0].path).record
    assert record is not None
    assert ui.parts.store.inputs.get(record.settings["control_2"]["map"]).tobytes() == wanted.tobytes()


GRID = {"lab_kind": "grid", "lab_prompt": "a red star", "lab_seeds": "1-2", "lab_z_field": ""}
GRID |= {"lab_x_field": "control_1_weight", "lab_x_values": "0.2, 0.6"}
GRID |= {"lab_y_field": "control_1_end", "lab_y_values": "0.5, 1"}
GRID |= {"lab_steps": 3, "lab_width": 64, "lab_height": 64}  # type: ignore[dict-item]


def test_its_numbers_are_axes_of_the_lab(ui: Page) -> None:
    """Which makes nothing twice, and whose form shows the map, made already."""
    given = {"lab_control_1_map": picture(uploaded(ui, drawing())), "lab_control_1_preprocessor": "canny"}
    identity = in_lab(ui, {**GRID, **given})
    experiment = ui.parts.lab.experiment(identity)
    assert experiment is not None
    asked = [cell.request.control_1 for cell in experiment.cells()]
    assert [(one.weight, one.end) for one in asked if one is not None] == list(product((0.2, 0.6), (0.5, 1.0))) * 2
    wanted = map_of(fit(drawing(), (64, 64), "crop"), "canny", 100, 200)
    assert {one.map.tobytes() for one in asked if one is not None} == {wanted.tobytes()}
    shown = ui.call("lab_choose", {"lab_chosen": identity})
    assert value_of(shown["lab_control_1_preprocessor"]) == "none"
    back = {**GRID, "lab_control_1_map": picture(value_of(shown["lab_control_1_map"])["path"])}
    assert "8 of them there already" in str(value_of(ui.call("lab_plan", back)["lab_estimate"]))
    assert "map for the ControlNet" in str(value_of(ui.call("lab_plan", GRID)["lab_fault"]))


def test_the_form_hands_it_to_the_lab(ui: Page) -> None:
    path = uploaded(ui, drawing())
    shown = {"task": "txt2img", "form_control_1_map": picture(path), "form_control_1_preprocessor": "invert"}
    sent = ui.call("form_to_lab", {**shown, "form_control_1_weight": 0.3, "form_control_1_model": "gone"})
    assert value_of(sent["lab_control_1_map"])["path"] == path
    told = [value_of(sent[f"lab_control_1_{name}"]) for name in ("preprocessor", "weight", "model")]
    assert told == ["invert", 0.3, "builtin-outlines"]


def test_a_picture_brings_its_map_back_which_is_made_no_second_time(ui: Page) -> None:
    given = picture(uploaded(ui, drawing()))
    asked = {"form_control_1_map": given, "form_control_1_preprocessor": "invert"}
    status = ui.generate("txt2img", small("txt2img") | asked)
    before = ui.engine.batches[-1].request.control_1
    sent = ui.call("form_send", {"canvas": large(ui, status, "run")})
    assert value_of(sent["form_control_1_preprocessor"]) == "none"
    assert value_of(sent["form_control_2_map"]) is None
    path = value_of(sent["form_control_1_map"])["path"]
    ui.generate("txt2img", small("txt2img") | {"form_control_1_map": picture(path)})
    after = ui.engine.batches[-1].request.control_1
    assert before is not None
    assert after is not None
    assert after.map.tobytes() == before.map.tobytes()


def test_make_again_takes_the_map_as_it_was(ui: Page) -> None:
    asked = {"form_control_3_map": picture(uploaded(ui, drawing())), "form_control_3_preprocessor": "lineart"}
    status = ui.generate("txt2img", small("txt2img") | asked)
    job = ui.parts.service.submit_again(status.saved[0].path)
    report = ui.finished(job).again
    assert report is not None
    assert report.identical


def test_the_start_picture_is_taken_for_it(ui: Page) -> None:
    path = uploaded(ui, drawing())
    taken = ui.call("form_control_1_take", {"task": "img2img", "form_image": picture(path)})["form_control_1_map"]
    assert value_of(taken)["path"].endswith("a.png")
    taken = ui.call("form_control_1_take", {"task": "inpaint", "form_painter": painted(ui)})["form_control_1_map"]
    assert value_of(taken)["path"].endswith(".png")
    assert is_skipped(ui.call("form_control_1_take", {"task": "img2img"})["form_control_1_map"])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"form_control_1_model": "gone"}, "control_1_model"),
        ({"form_control_1_preprocessor": "magic"}, "control_1_preprocessor"),
        ({"form_control_1_weight": 7}, "control_1_weight"),
        ({"form_control_1_start": 0.8, "form_control_1_end": 0.2}, "control_1_end"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(ui: Page, wrong: dict[str, Any], field: str) -> None:
    given = {"form_control_1_map": picture(uploaded(ui, drawing()))}
    answer = ui.call("form_submit", {"task": "txt2img", **small("txt2img"), **given, **wrong})
    assert list(faults(answer)) == [field]


def test_without_a_picture_its_fields_count_nothing(ui: Page) -> None:
    ui.generate("txt2img", small("txt2img", control_1_weight=0.2))
    assert ui.engine.batches[-1].request.control_1 is None
    look = ui.call("form_control_1_look", {"form_control_1_preprocessor": "canny"})["form_control_1_look"]
    assert value_of(look) == ""


def test_a_map_lies_over_the_whole_of_a_picture_of_which_a_part_is_repainted(ui: Page) -> None:
    values = small("inpaint", only_masked=True, control_1_map=picture(uploaded(ui, drawing())))
    ui.generate("inpaint", values | {"form_painter": painted(ui)})
    request = ui.engine.batches[-1].request
    assert request.init is not None
    assert request.control_1 is not None
    assert request.control_1.map.size == request.init.image.size


def test_a_picture_comes_to_the_size_as_the_one_that_is_started_from_does(ui: Page) -> None:
    start = picture(uploaded(ui, drawing()))
    values = small("img2img", resize_mode="stretch", control_1_map=start)
    ui.generate("img2img", values | {"form_image": start})
    control = ui.engine.batches[-1].request.control_1
    assert control is not None
    assert control.map.tobytes() == fit(drawing(), (64, 64), "stretch").tobytes()
