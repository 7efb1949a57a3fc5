"""Several pictures to start from: a run each, all queued or none."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from webui.archive import metadata
from webui.archive.inputs import pixels_sha256

from .conftest import Page
from .test_events import SMALL
from .test_given_pictures import upload

pytestmark = pytest.mark.lengthy

FORM = {f"form_{name}": value for name, value in SMALL.items()} | {"form_prompt": "a cat", "form_seed": 5}
COLOURS = ("teal", "navy", "olive")


def file(ui: Page, name: str, image: Image.Image) -> dict[str, Any]:
    data = BytesIO()
    image.save(data, "PNG")
    return {"path": upload(ui, name, data.getvalue()), "orig_name": name}


def mask(side: int) -> Image.Image:
    found = Image.new("L", (64, 64))
    found.paste(255, (0, 0, side, side))
    return found


@pytest.fixture(scope="module")
def given(ui: Page) -> list[dict[str, Any]]:
    return [file(ui, f"{colour}.png", Image.new("RGB", (64, 64), colour)) for colour in COLOURS]


def submitted(ui: Page, task: str, **values: Any) -> Any:
    return ui.call("form_submit", {"task": task, **FORM, **values})


def records(ui: Page, answer: Any) -> list[Any]:
    jobs = [ui.finished(job) for job in answer["seedprint-jobs"]]
    assert [(job.state, len(job.saved)) for job in jobs] == [("done", 1)] * len(jobs)
    return [metadata.read(job.saved[0].path).record for job in jobs]


def test_each_picture_is_a_run_of_its_own(ui: Page, given: Any) -> None:
    found = records(ui, submitted(ui, "img2img", form_many_pictures=given))
    starts = [one.settings["init"]["image"] for one in found]
    assert starts == [pixels_sha256(Image.new("RGB", (64, 64), colour)) for colour in COLOURS]
    assert {(one.settings["prompt"], one.settings["seed"]) for one in found} == {("a cat", 5)}


def test_each_has_the_mask_of_its_name(ui: Page, given: Any) -> None:
    sides = dict(zip(COLOURS, (16, 32, 48), strict=True))
    masks = [file(ui, f"{colour}.png", mask(side)) for colour, side in sides.items()]
    found = records(ui, submitted(ui, "inpaint", form_many_pictures=given, form_many_masks=masks[::-1]))
    assert [one.settings["inpaint"]["mask"] for one in found] == [pixels_sha256(mask(side)) for side in sides.values()]


def test_all_or_none_are_queued(ui: Page, given: Any) -> None:
    before = len(ui.parts.service.unfinished())
    broken = {"path": upload(ui, "broken.png", b"no picture at all")}
    told = json.dumps(submitted(ui, "img2img", form_many_pictures=[*given, broken])["form_live"])
    assert "broken.png" in told
    told = submitted(ui, "inpaint", form_many_pictures=given, form_many_masks=[file(ui, "teal.png", mask(16))])
    assert told["form_live"]["faults"]["mask"] == "No mask has the name of navy.png, olive.png."
    elsewhere = [{"path": "/etc/passwd"}]
    assert "uploaded here" in json.dumps(submitted(ui, "img2img", form_many_pictures=elsewhere)["form_live"])
    assert len(ui.parts.service.unfinished()) == before


def test_txt2img_begins_with_none_of_them(ui: Page, given: Any) -> None:
    (found,) = records(ui, submitted(ui, "txt2img", form_many_pictures=given))
    assert found.settings["init"] is None
