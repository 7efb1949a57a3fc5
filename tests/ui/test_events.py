"""Every event of the page runs on the fake engine, says the right thing, and trusts no browser."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.fields import field_of, switch_of
from pipelines.types import GenerationRequest
from webui.archive import metadata
from webui.jobs.status import JobStatus
from webui.ui.generate.controls import shown_in

from .conftest import Page

pytestmark = pytest.mark.lengthy

SHOWN = [one.name for one in shown_in("txt2img")]

TASKS = ("txt2img", "img2img", "inpaint")
SMALL = {"steps": 4, "width": 64, "height": 64, "batch_size": 1}


def small(task: str, **more: Any) -> dict[str, Any]:
    return {f"{task}_{name}": value for name, value in {**SMALL, **more}.items()}


def uploaded(ui: Page, image: Image.Image, name: str = "a.png") -> str:
    """A file as the browser uploads it."""
    from io import BytesIO

    data = BytesIO()
    image.save(data, "PNG")
    answer = ui.client.post("/gradio_api/upload", files={"files": (name, data.getvalue(), "image/png")})
    return str(answer.json()[0])


def picture(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def painted(ui: Page) -> dict[str, Any]:
    """The painter's value after a picture was given and a mask drawn."""
    path = uploaded(ui, Image.new("RGB", (64, 64), "blue"))
    value = dict(ui.call("inpaint_upload", {"inpaint_painter": {"uploaded": path}})["inpaint_painter"])
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (8, 8, 40, 40))
    return {**value, "mask": uploaded(ui, mask, "mask.png")}


def run(ui: Page, task: str, **more: Any) -> JobStatus:
    values = small(task, **more)
    if task == "img2img":
        values["img2img_image"] = picture(uploaded(ui, Image.new("RGB", (80, 64), "red")))
    if task == "inpaint":
        values["inpaint_painter"] = painted(ui)
    return ui.generate(task, values)


def item(ui: Page, status: JobStatus, place: int = 0) -> dict[str, Any]:
    """The value of a row of pictures with one of them selected."""
    paths = [saved.path.relative_to(ui.outputs).as_posix() for saved in status.saved]
    return {"items": [{"id": one} for one in paths], "selected": place}


def value_of(update: Any) -> Any:
    return update["value"] if isinstance(update, dict) and "value" in update else update


@pytest.mark.parametrize("task", TASKS)
def test_each_tab_generates(ui: Page, task: str) -> None:
    status = run(ui, task, prompt="a red star", seed=7)
    assert status.state == "done"
    (saved,) = status.saved
    assert (saved.task, saved.seed, saved.width) == (task, 7, 64)
    assert saved.path.is_file()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("width", 513, "Width must be a multiple of 8, got 513."),
        ("width", None, "Width must be a whole number from 64 to 4,096, got nothing."),
        ("steps", None, "Steps must be a whole number from 1 to 150, got nothing."),
        ("clip_skip", 13, "CLIP skip must be a whole number from 1 to 12, got 13."),
        ("batch_size", 1.5, "Batch size must be a whole number from 1 to 16, got 1.5."),
    ],
)
def test_a_fault_is_told_beside_its_field_and_nothing_is_lost(ui: Page, name: str, value: Any, words: str) -> None:
    before = len(ui.engine.batches)
    answer = ui.call("txt2img_submit", small("txt2img", prompt="kept", **{name: value}))
    fault = answer[f"txt2img_{name}"]
    assert (fault["info"], fault["elem_classes"]) == (words, ["field-error"])
    assert all("value" not in answer[f"txt2img_{field}"] for field in ("prompt", "steps", name))
    assert len(ui.engine.batches) == before


def test_a_fault_is_told_in_chinese(ui: Page) -> None:
    answer = ui.call("txt2img_submit", small("txt2img", width=513), language="zh-CN")
    assert answer["txt2img_width"]["info"] == "宽度必须是 8 的倍数，现为 513。"


def test_the_next_good_wish_takes_the_fault_away(ui: Page) -> None:
    answer = ui.call("txt2img_submit", small("txt2img"))
    ui.finished(answer["seedprint-jobs-txt2img"][-1])
    assert answer["txt2img_width"]["elem_classes"] == []
    assert not answer["txt2img_width"]["info"]


@pytest.mark.parametrize("task", ["img2img", "inpaint"])
def test_without_a_picture_the_picture_is_asked_for(ui: Page, task: str) -> None:
    answer = ui.call(f"{task}_submit", small(task))
    assert "Choose a picture" in answer[f"{task}_source_error"]["value"]


@pytest.mark.fault(26)
def test_without_a_mask_the_mask_is_asked_for(ui: Page) -> None:
    value = painted(ui)
    del value["mask"]
    answer = ui.call("inpaint_submit", small("inpaint", painter=value))
    assert "the mask is empty" in answer["inpaint_source_error"]["value"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.png", "C:\\secret.png", "a\0b", 7, {}])
def test_a_mask_from_elsewhere_is_refused(ui: Page, path: Any) -> None:
    answer = ui.call("inpaint_submit", small("inpaint", painter={**painted(ui), "mask": path}))
    assert "drawn or uploaded on this page" in answer["inpaint_source_error"]["value"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.png", None, 7])
def test_a_picture_for_the_painter_from_elsewhere_is_refused(ui: Page, path: Any) -> None:
    answer = ui.call("inpaint_upload", {"inpaint_painter": {"uploaded": path}})
    assert "Choose a picture" in answer["inpaint_source_error"]["value"]


@pytest.mark.parametrize("source", ["../../x", "0" * 64, 7])
def test_a_source_that_was_never_given_is_refused(ui: Page, source: Any) -> None:
    answer = ui.call("inpaint_submit", small("inpaint", painter={**painted(ui), "source": source}))
    assert answer["inpaint_live"]["state"] == "refused"


def test_a_file_that_is_no_picture_is_told(ui: Page) -> None:
    answer = ui.client.post("/gradio_api/upload", files={"files": ("a.png", b"no picture", "image/png")})
    told = ui.call("inpaint_upload", {"inpaint_painter": {"uploaded": answer.json()[0]}})
    assert "picture" in told["inpaint_source_error"]["value"]


@pytest.mark.parametrize("identity", ["../jobs.sqlite", "/etc/passwd", "a\\b", "a\0b", None, 3, ["x"], "no/such.png"])
def test_a_chosen_picture_counts_only_in_the_outputs(ui: Page, identity: Any) -> None:
    answer = ui.call("txt2img_to_again", {"txt2img_pictures": {"items": [{"id": identity}], "selected": 0}})
    assert "path" not in json.dumps(answer)


@pytest.mark.parametrize("value", [None, {}, {"items": []}, {"items": [{}], "selected": 5}, "x", {"items": [{}]}])
def test_odd_values_choose_nothing(ui: Page, value: Any) -> None:
    for event in ("to_img2img", "to_inpaint", "to_again", "reuse_all", "reuse_seed"):
        ui.call(f"txt2img_{event}", {"txt2img_pictures": value})


@pytest.mark.parametrize("ids", [None, [], ["no such"], "x", [3], ["' OR 1=1 --"], {"a": 1}])
def test_odd_job_ids_do_nothing(ui: Page, ids: Any) -> None:
    for task in TASKS:
        ui.call(f"{task}_told", {f"seedprint-jobs-{task}": ids})


def test_every_event_answers_to_the_page_as_it_opens(ui: Page) -> None:
    """Nothing is typed, nothing chosen: no event may fail."""
    assert len(ui.events) > 30
    for event in ui.events:
        ui.call(event)
    _until_idle(ui)  # some events began jobs and experiments, whose pictures would fall among the next test's


def _until_idle(ui: Page) -> None:
    lab, service = ui.parts.lab, ui.parts.service
    for row in lab.recent(50):
        lab.cancel(row.id)
        status = lab.status(row.id)
        while status is not None and not status.over:
            status = lab.wait(row.id, status.version, 5)
    for job in service.unfinished():
        service.cancel(job.id)
        ui.finished(job.id)


@pytest.mark.parametrize("target", ["img2img", "inpaint"])
def test_send_to_takes_picture_and_settings_along(ui: Page, target: str) -> None:
    status = run(ui, "txt2img", prompt="a blue fish", steps=6, seed=11)
    answer = ui.call(f"txt2img_to_{target}", {"txt2img_pictures": item(ui, status)})
    assert answer["way"] == target
    assert value_of(answer[f"{target}_prompt"]) == "a blue fish"
    assert value_of(answer[f"{target}_steps"]) == 6
    assert "value" not in answer[f"{target}_seed"]
    if target == "img2img":
        assert Path(answer["img2img_image"]["path"]).name == status.saved[0].path.name
    else:
        assert set(answer["inpaint_painter"]) == {"source", "url"}


def test_reuse_seed_is_the_chosen_pictures_own(ui: Page) -> None:
    status = run(ui, "txt2img", seed=100, batch_size=3)
    answer = ui.call("txt2img_reuse_seed", {"txt2img_pictures": item(ui, status, 2)})
    assert value_of(answer["txt2img_seed"]) == 102


def test_reuse_all_makes_the_same_picture_again(ui: Page) -> None:
    status = run(ui, "inpaint", prompt="a cat", seed=2**32 - 1, batch_size=2, mask_blur=9, masked_content="fill")
    answer = ui.call("txt2img_reuse_all", {"txt2img_pictures": item(ui, status, 1)})
    assert answer["way"] == "inpaint"
    values = {
        name: value_of(update)
        for name, update in answer.items()
        if name.startswith("inpaint_")
        and (not isinstance(update, dict) or update.get("__type__") != "update" or "value" in update)
    }
    assert (values["inpaint_seed"], values["inpaint_batch_size"]) == (0, 1)  # its own: the run began at 2^32 - 1
    assert set(values["inpaint_painter"]) == {"source", "url", "mask_url"}
    # the browser draws the mask again from `mask_url` and uploads it
    mask_hash = Path(values["inpaint_painter"]["mask_url"]).stem
    mask = ui.parts.store.inputs.get(mask_hash)
    values["inpaint_painter"] = {**values["inpaint_painter"], "mask": uploaded(ui, mask, "mask.png")}
    again = ui.generate("inpaint", values)
    first, second = (metadata.read(saved.path).record for saved in (status.saved[1], again.saved[0]))
    assert first is not None
    assert second is not None
    assert {**first.settings, "batch_size": 1} == second.settings
    assert first.pixels_sha256 == second.pixels_sha256


def test_make_again_is_identical(ui: Page) -> None:
    status = run(ui, "img2img", prompt="a cat", seed=5, batch_size=2)
    path = picture(str(status.saved[1].path))
    shown = ui.call("again_show", {"again_image": path})
    assert "<td>a cat</td>" in shown["again_settings"]
    assert "<td>img2img</td>" in shown["again_settings"]
    assert shown["again_send"]["interactive"] is True
    answer = ui.call("again_submit", {"again_image": path})
    done = ui.finished(answer["seedprint-jobs-again"][-1])
    assert done.again is not None
    assert done.again.identical
    report = ui.call("again_watch", {"seedprint-jobs-again": [done.id]})["again_report"]
    assert 'data-result="identical"' in report["value"]


def test_a_changed_picture_differs_and_the_page_says_how_far(ui: Page) -> None:
    status = run(ui, "txt2img", seed=5)
    with Image.open(status.saved[0].path) as image:
        image.load()
        info = {key: value for key, value in image.info.items() if isinstance(value, str)}
    image.putpixel((0, 0), tuple(255 - level for level in image.getpixel((0, 0))))  # type: ignore[union-attr, arg-type]
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    for key, value in info.items():
        texts.add_itxt(key, value)
    changed = status.saved[0].path.with_name("changed.png")
    image.save(changed, pnginfo=texts)
    answer = ui.call("again_submit", {"again_image": picture(str(changed))})
    done = ui.finished(answer["seedprint-jobs-again"][-1])
    report = ui.call("again_watch", {"seedprint-jobs-again": [done.id]})["again_report"]["value"]
    assert 'data-result="differs"' in report
    assert "differs in 1 pixels" in report
    assert "PSNR" in report
    assert "SSIM 1.0000" in report  # it leaves the edge out, and the pixel is a corner
    assert "pixels were changed" in report


def test_a_picture_without_settings_says_so(ui: Page) -> None:
    path = uploaded(ui, Image.new("RGB", (64, 64)))
    shown = ui.call("again_show", {"again_image": picture(path)})
    assert "does not hold settings" in shown["again_settings"]
    assert shown["again_send"]["interactive"] is False


@pytest.mark.attack(9)
def test_settings_from_a_stranger_are_escaped(ui: Page) -> None:
    from io import BytesIO

    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", "<img src=x onerror=alert(1)>\nSteps: 5, Sampler: Euler, Seed: 1, Odd: <b>")
    data = BytesIO()
    Image.new("RGB", (64, 64)).save(data, "PNG", pnginfo=texts)
    path = ui.client.post("/gradio_api/upload", files={"files": ("a.png", data.getvalue(), "image/png")}).json()[0]
    shown = ui.call("again_show", {"again_image": picture(path)})
    assert "<img" not in shown["again_settings"]
    assert "Odd: <b>" not in shown["again_settings"]
    assert "another program" in shown["again_settings"]
    sent = ui.call("again_send", {"again_image": picture(path)})
    assert sent["way"] == "txt2img"
    assert value_of(sent["txt2img_sampler"]) == "Euler"


def test_a_preset_shows_in_the_form_and_another_replaces_it(ui: Page) -> None:
    first = ui.call(
        "txt2img_preset", {"txt2img_preset": "Pixel art", "txt2img_prompt": "a cat", "txt2img_negative_prompt": ""}
    )
    shown = value_of(first["txt2img_prompt"])
    assert "a cat" in shown
    assert "pixel art" in shown
    second = ui.call(
        "txt2img_preset", {"txt2img_preset": "Cartoon", "txt2img_prompt": shown, "txt2img_negative_prompt": ""}
    )
    assert "a cat" in value_of(second["txt2img_prompt"])
    assert "pixel" not in value_of(second["txt2img_prompt"])
    none = ui.call("txt2img_preset", {"txt2img_preset": "", "txt2img_prompt": shown, "txt2img_negative_prompt": ""})
    assert value_of(none["txt2img_prompt"]) == "a cat"


def test_a_sampler_brings_its_schedules(ui: Page) -> None:
    answer = ui.call("txt2img_sampler", {"txt2img_sampler": "PLMS", "txt2img_schedule": "karras"})
    assert answer["txt2img_schedule"]["value"] == "automatic"
    assert [value for _, value in answer["txt2img_schedule"]["choices"]] == ["automatic"]


@pytest.mark.parametrize(
    ("steps", "strength", "words"),
    [(20, 0.75, "15 of 20 steps"), (100, 0.29, "29 of 100 steps"), (3, 0.2, "No step would run"), (None, 0.5, "")],
)
def test_the_steps_that_really_run(ui: Page, steps: Any, strength: float, words: str) -> None:
    answer = ui.call("img2img_steps_run", {"img2img_steps": steps, "img2img_strength": strength})
    assert answer["img2img_steps_run"].startswith(words)


def test_recent_pictures_are_newest_first_and_without_grids(ui: Page) -> None:
    ui.parts.history.refresh()  # finds a file that another test put there before
    status = run(ui, "txt2img", seed=300, batch_size=2)
    strip = ui.call("txt2img_load")["txt2img_recent"]["items"]
    assert [one["label"] for one in strip[:2]] == ["301", "300"]
    assert status.grid is not None
    assert all("grid" not in one["id"].rpartition("/")[2][:4] for one in strip)
    assert ui.client.get(strip[0]["url"]).content == status.saved[1].path.read_bytes()
    assert ui.client.get(strip[0]["thumb"]).status_code == 200


def test_no_component_keeps_a_connection_open(ui: Page) -> None:
    """gr.State would make every open page hold one of a browser's six connections."""
    assert "state" not in {one["type"] for one in ui.config["components"]}


@pytest.mark.attack(16)
@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.png", None, 7])
def test_a_dropped_file_from_elsewhere_is_refused(ui: Page, path: Any) -> None:
    answer = ui.call("drop_taken", {"drop_anywhere": {"uploaded": path}})
    assert "Choose a picture" in answer["drop_anywhere"]["error"]
    assert "path" not in json.dumps(answer["again_image"])


@pytest.mark.fault(19)
@pytest.mark.parametrize("name", [name for name in SHOWN if name not in ("prompt", "negative_prompt")])
def test_half_a_character_in_any_field_is_told_beside_it(ui: Page, name: str) -> None:
    one = field_of(GenerationRequest, name)
    assert one is not None
    switch = switch_of(GenerationRequest, one.group)  # what stands in a group that is off counts nothing
    on = {} if switch is None else {f"txt2img_{switch.name}": True}
    told = ui.call("txt2img_submit", {**on, f"txt2img_{name}": "\ud800"})[f"txt2img_{name}"]
    assert told["elem_classes"] == ["field-error"]
    assert r"\ud800" in told["info"]


@pytest.mark.parametrize("value", [None, "abc", [1], {"a": 1}], ids=repr)
def test_a_form_that_was_kept_damaged_is_shown(ui: Page, value: object) -> None:
    forms = ui.parts.forms
    for name in SHOWN:
        forms.keep("txt2img", {"prompt": "kept", "steps": 33, name: value})
        shown = ui.call("txt2img_find")
        assert name == "steps" or shown["txt2img_steps"]["value"] == 33


@pytest.mark.attack(16)
def test_no_file_that_a_request_names_is_copied_to_where_files_are_served(ui: Page, tmp_path: Path) -> None:
    """Gradio would do that before any handler is called, for a value of any control."""
    outside = tmp_path / "secret of the house.png"
    Image.new("RGB", (64, 64)).save(outside)
    served = Path(os.environ["GRADIO_TEMP_DIR"])
    for event, control in (("img2img_submit", "img2img_image"), ("txt2img_told", "seedprint-jobs-txt2img")):
        known = ui.events[event]["inputs"]
        data = [picture(str(outside)) if ui.name_of(one) == control else None for one in known]
        answer = ui.client.post(f"/gradio_api/run/{event}", json={"data": data})
        assert answer.status_code == 200
        assert not list(served.rglob(outside.name))
