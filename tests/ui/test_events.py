"""Every event of the page runs on the fake engine, says the right thing, and trusts no browser."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.fields import field_of, switch_of
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from webui.archive import metadata
from webui.jobs.maps import PICTURES
from webui.jobs.status import JobStatus
from webui.ui.generate.controls import shown_in

from .conftest import Page, is_skipped

pytestmark = pytest.mark.lengthy

SHOWN = [one.name for one in shown_in("txt2img")]

TASKS = ("txt2img", "img2img", "inpaint")
WAYS = ("img2img", "inpaint", "again", "run", "seed")  # of the picture that is shown
SMALL = {"steps": 4, "width": 64, "height": 64, "batch_size": 1}


def small(task: str, **more: Any) -> dict[str, Any]:
    return {"task": task, **{f"form_{name}": value for name, value in {**SMALL, **more}.items()}}


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
    value = dict(ui.call("form_upload", {"form_painter": {"uploaded": path}})["form_painter"])
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (8, 8, 40, 40))
    return {**value, "mask": uploaded(ui, mask, "mask.png")}


def run(ui: Page, task: str, **more: Any) -> JobStatus:
    values = small(task, **more)
    if task == "img2img":
        values["form_image"] = picture(uploaded(ui, Image.new("RGB", (80, 64), "red")))
    if task == "inpaint":
        values["form_painter"] = painted(ui)
    return ui.generate(task, values)


def item(ui: Page, status: JobStatus, place: int = 0) -> dict[str, Any]:
    """The value of a row of pictures with one of them selected."""
    paths = [saved.path.relative_to(ui.outputs).as_posix() for saved in status.saved]
    return {"items": [{"id": one} for one in paths], "selected": place}


def large(ui: Page, status: JobStatus, way: str = "", place: int = 0) -> dict[str, Any]:
    """The value of the canvas that shows one of them, on its `way`."""
    return {"items": [], "place": item(ui, status)["items"][place]["id"], "send": way}


def faults(answer: dict[str, Any]) -> dict[str, str]:
    """Field -> what was wrong with a wish that was refused."""
    assert answer["form_live"]["state"] == "refused"
    return dict(answer["form_live"]["faults"])


def untouched(answer: dict[str, Any], *besides: str) -> bool:
    """Whether an answer leaves everything as it is, `besides` these."""
    return all(is_skipped(one) for name, one in answer.items() if name not in besides)


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
    answer = ui.call("form_submit", small("txt2img", prompt="kept", **{name: value}))
    assert faults(answer) == {name: words}
    assert not answer["form_live"].get("error")  # it is said once
    assert untouched(answer, "form_live")
    assert len(ui.engine.batches) == before


def test_a_fault_is_told_in_chinese(ui: Page) -> None:
    answer = ui.call("form_submit", small("txt2img", width=513), language="zh-CN")
    assert faults(answer) == {"width": "宽度必须是 8 的倍数，现为 513。"}


def test_the_next_good_wish_takes_the_fault_away(ui: Page) -> None:
    answer = ui.call("form_submit", small("txt2img"))
    ui.finished(answer["seedprint-jobs"][-1])
    assert answer["form_live"] == {"state": "queued"}


def test_a_fault_that_only_the_run_could_find_is_told_beside_its_field_too(
    ui: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(*_: Any) -> Any:
        raise InvalidRequest("width", "multiple", value=513, step=8)

    monkeypatch.setattr(ui.engine, "generate", generate)
    status = ui.generate(values=small("txt2img"))
    assert status.state == "failed"
    live = ui.watch("form_watch", {"seedprint-jobs": [status.id]}, "zh")["form_live"]
    assert (live["state"], live["job"]) == ("failed", status.id)
    assert live["faults"] == {"width": live["error"]}
    assert "宽度" in live["error"]


@pytest.mark.parametrize("task", [None, "", "again", "TXT2IMG", 7, ["inpaint"], {"task": "inpaint"}], ids=str)
def test_a_task_that_the_page_does_not_have_counts_as_txt2img(ui: Page, task: Any) -> None:
    status = run(ui, "txt2img", seed=7, strength=7)  # and what that has not is left out
    values = {**small("txt2img", seed=7, strength=0.5), "form_painter": {"source": "x"}, "task": task}
    other = ui.finished(ui.call("form_submit", values)["seedprint-jobs"][-1])
    first, second = (metadata.read(one.saved[0].path).record for one in (status, other))
    assert first is not None
    assert second is not None
    assert first.settings == second.settings
    assert first.settings["init"] is None


def test_on_another_tab_the_same_form_starts_from_its_picture(ui: Page) -> None:
    values = {**small("img2img", strength=0.5), "form_image": picture(uploaded(ui, Image.new("RGB", (64, 64), "red")))}
    first = ui.generate("txt2img", {**values, "task": "txt2img"})
    second = ui.generate("img2img", values)
    assert [one.saved[0].task for one in (first, second)] == ["txt2img", "img2img"]
    assert "strength" not in metadata.read(first.saved[0].path).fields
    assert metadata.read(second.saved[0].path).fields["strength"] == 0.5


def test_what_a_task_has_not_stands_in_a_part_that_the_page_hides_there(ui: Page) -> None:
    classes: dict[str, list[str]] = {}

    def walk(node: dict[str, Any], above: list[str]) -> None:
        properties = ui.components[node["id"]]["props"] if node["id"] in ui.components else {}
        here = [one for one in properties.get("elem_classes") or [] if one.startswith("for-")]
        classes[str(properties.get("elem_id"))] = [*above, *here]
        for child in node.get("children") or []:
            walk(child, [*above, *here])

    walk(ui.config["layout"], [])
    for one in REQUEST_FIELDS:
        if one.setting.page and not one.is_picture:
            hides = [set(name.split("-")[1:]) for name in classes[f"form_{one.name}"]]
            shown = {task for task in TASKS if all(task in names for names in hides)}
            assert shown == {task for task in TASKS if one in shown_in(task)}, one.name  # type: ignore[arg-type]
    assert (classes["form_image"], classes["form_painter"]) == (["for-img2img"], ["for-inpaint"])


@pytest.mark.parametrize("task", ["img2img", "inpaint"])
def test_without_a_picture_the_picture_is_asked_for(ui: Page, task: str) -> None:
    told = faults(ui.call("form_submit", small(task)))
    assert "Choose a picture" in told["init_image"]


@pytest.mark.fault(26)
def test_without_a_mask_the_mask_is_asked_for(ui: Page) -> None:
    value = painted(ui)
    del value["mask"]
    assert "the mask is empty" in faults(ui.call("form_submit", small("inpaint", painter=value)))["mask"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.png", "C:\\secret.png", "a\0b", 7, {}])
def test_a_mask_from_elsewhere_is_refused(ui: Page, path: Any) -> None:
    answer = ui.call("form_submit", small("inpaint", painter={**painted(ui), "mask": path}))
    assert "drawn or uploaded on this page" in faults(answer)["mask"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../../secret.png", None, 7])
def test_a_picture_for_the_painter_from_elsewhere_is_refused(ui: Page, path: Any) -> None:
    answer = ui.call("form_upload", {"form_painter": {"uploaded": path}})
    assert "Choose a picture" in faults(answer)["init_image"]
    assert untouched(answer, "form_live")


@pytest.mark.parametrize("source", ["../../x", "0" * 64, 7])
def test_a_source_that_was_never_given_is_refused(ui: Page, source: Any) -> None:
    answer = ui.call("form_submit", small("inpaint", painter={**painted(ui), "source": source}))
    assert answer["form_live"]["state"] == "refused"


def test_a_file_that_is_no_picture_is_told(ui: Page) -> None:
    answer = ui.client.post("/gradio_api/upload", files={"files": ("a.png", b"no picture", "image/png")})
    told = ui.call("form_upload", {"form_painter": {"uploaded": answer.json()[0]}})
    assert "picture" in faults(told)["init_image"]


@pytest.mark.parametrize("identity", ["../jobs.sqlite", "/etc/passwd", "a\\b", "a\0b", None, 3, ["x"], "no/such.png"])
def test_a_chosen_picture_counts_only_in_the_outputs(ui: Page, identity: Any) -> None:
    for way in WAYS:
        answer = ui.call("form_send", {"canvas": {"place": identity, "send": way}})
        assert "path" not in json.dumps(answer)
        assert untouched(answer, "form_live")
        told = "no longer in the output folder" if identity else "Select a picture"
        assert told in answer["form_live"]["error"]


@pytest.mark.parametrize("value", [None, {}, {"items": []}, {"items": [{}], "selected": 5}, "x", {"send": ["run"]}])
def test_odd_values_choose_nothing(ui: Page, value: Any) -> None:
    place = item(ui, run(ui, "txt2img", seed=3))["items"][0]["id"]
    for event in ("form_send", "form_reuse_seed"):
        for sent in (value, {**(value if isinstance(value, dict) else {}), "send": "fly", "place": place}):
            answer = ui.call(event, {"canvas": sent})
            assert untouched(answer, "form_live")
            assert answer["form_live"]["error"]


@pytest.mark.parametrize("ids", [None, [], ["no such"], "x", [3], ["' OR 1=1 --"], {"a": 1}])
def test_odd_job_ids_do_nothing(ui: Page, ids: Any) -> None:
    assert untouched(ui.watch("form_watch", {"seedprint-jobs": ids}))


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
    answer = ui.call("form_send", {"canvas": large(ui, status, target)})
    assert answer["way"] == target
    assert value_of(answer["form_prompt"]) == "a blue fish"
    assert value_of(answer["form_steps"]) == 6
    assert "value" not in answer["form_seed"]
    if target == "img2img":
        assert Path(answer["form_image"]["path"]).name == status.saved[0].path.name
    else:
        assert set(answer["form_painter"]) == {"source", "url"}


def test_reuse_seed_is_the_chosen_pictures_own(ui: Page) -> None:
    status = run(ui, "txt2img", seed=100, batch_size=3)
    answer = ui.call("form_reuse_seed", {"canvas": large(ui, status, "seed", 2)})
    assert value_of(answer["form_seed"]) == 102
    assert untouched(answer, "form_seed")


def test_the_picture_that_is_shown_goes_to_make_again(ui: Page) -> None:
    status = run(ui, "txt2img", seed=100, batch_size=3)
    answer = ui.call("form_send", {"canvas": large(ui, status, "again", 1)})
    assert answer["way"] == "again"
    assert Path(answer["again_image"]["path"]).name == status.saved[1].path.name
    assert untouched(answer, "way", "again_image")


def test_what_is_not_as_it_was_is_told_with_the_form(ui: Page) -> None:
    status = run(ui, "txt2img", seed=100, batch_size=3)
    answer = ui.call("form_send", {"canvas": large(ui, status, "run", 1)}, "zh")
    assert answer["form_live"]["state"] == "told"
    assert "3" in answer["form_live"]["line"]
    alone = run(ui, "txt2img", seed=100)
    assert ui.call("form_send", {"canvas": large(ui, alone, "run")})["form_live"] == {}


def test_reuse_all_makes_the_same_picture_again(ui: Page) -> None:
    status = run(ui, "inpaint", prompt="a cat", seed=2**32 - 1, batch_size=2, mask_blur=9, masked_content="fill")
    answer = ui.call("form_send", {"canvas": large(ui, status, "run", 1)})
    assert answer["way"] == "inpaint"
    values = {
        name: value_of(update)
        for name, update in answer.items()
        if name.startswith("form_")
        and name != "form_live"
        and (not isinstance(update, dict) or update.get("__type__") != "update" or "value" in update)
    }
    assert (values["form_seed"], values["form_batch_size"]) == (0, 1)  # its own: the run began at 2^32 - 1
    assert set(values["form_painter"]) == {"source", "url", "mask_url"}
    # the browser draws the mask again from `mask_url` and uploads it
    mask_hash = Path(values["form_painter"]["mask_url"]).stem
    mask = ui.parts.store.inputs.get(mask_hash)
    values["form_painter"] = {**values["form_painter"], "mask": uploaded(ui, mask, "mask.png")}
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
    report = ui.watch("again_watch", {"seedprint-jobs-again": [done.id]})["again_report"]
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
    report = ui.watch("again_watch", {"seedprint-jobs-again": [done.id]})["again_report"]["value"]
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
    assert value_of(sent["form_sampler"]) == "Euler"


def test_a_preset_shows_in_the_form_and_another_replaces_it(ui: Page) -> None:
    first = ui.call("form_preset", {"form_preset": "Pixel art", "form_prompt": "a cat", "form_negative_prompt": ""})
    shown = value_of(first["form_prompt"])
    assert "a cat" in shown
    assert "pixel art" in shown
    second = ui.call("form_preset", {"form_preset": "Cartoon", "form_prompt": shown, "form_negative_prompt": ""})
    assert "a cat" in value_of(second["form_prompt"])
    assert "pixel" not in value_of(second["form_prompt"])
    none = ui.call("form_preset", {"form_preset": "", "form_prompt": shown, "form_negative_prompt": ""})
    assert value_of(none["form_prompt"]) == "a cat"


def test_after_undo_and_defaults_no_preset_is_named(ui: Page) -> None:
    """The form is no longer that preset's."""
    ui.parts.forms.keep("form", {"prompt": "before", "steps": 33})
    ui.parts.forms.keep("form", {"prompt": "after", "steps": 34})
    for event in ("form_undo", "form_reset"):
        answer = ui.call(event)
        assert "value" in answer["form_steps"]
        assert answer["form_preset"] == ""
    assert is_skipped(ui.call("form_model")["form_preset"])


def test_a_sampler_brings_its_schedules(ui: Page) -> None:
    answer = ui.call("form_sampler", {"form_sampler": "PLMS", "form_schedule": "karras"})
    assert answer["form_schedule"]["value"] == "automatic"
    assert [value for _, value in answer["form_schedule"]["choices"]] == ["automatic"]


@pytest.mark.parametrize(
    ("steps", "strength", "words"),
    [(20, 0.75, "15 of 20 steps"), (100, 0.29, "29 of 100 steps"), (3, 0.2, "No step would run"), (None, 0.5, "")],
)
def test_the_steps_that_really_run(ui: Page, steps: Any, strength: float, words: str) -> None:
    answer = ui.call("form_steps_run", {"form_steps": steps, "form_strength": strength})
    assert answer["form_steps_run"].startswith(words)


def test_recent_pictures_are_newest_first_and_without_grids(ui: Page) -> None:
    ui.parts.history.refresh()  # finds a file that another test put there before
    status = run(ui, "txt2img", seed=300, batch_size=2)
    assert status.grid is not None
    strip = ui.call("again_recent")["again_recent"]["items"]
    assert [one["label"] for one in strip[:2]] == ["301", "300"]
    assert all("grid" not in one["id"].rpartition("/")[2][:4] for one in strip)
    page = ui.client.get("/history/page", params={"kind": "image", "limit": 24}).json()["items"]  # the canvas' own
    made = item(ui, status)["items"]
    assert [one["place"] for one in page[:2]] == [made[1]["id"], made[0]["id"]]
    assert all("grid" not in one["place"].rpartition("/")[2][:4] for one in page)
    for shown in (strip[0], page[0]):
        assert ui.client.get(shown["url"]).content == status.saved[1].path.read_bytes()
        assert ui.client.get(shown["thumb"]).status_code == 200


def test_the_canvas_shows_the_run_with_its_grid(ui: Page) -> None:
    status = run(ui, "txt2img", seed=300, batch_size=2)
    shown = ui.watch("form_watch", {"seedprint-jobs": [status.id]})["canvas"]
    assert [one["label"] for one in shown["items"]] == ["300", "301", "grid"]
    assert shown["selected"] == 0
    for one in shown["items"]:
        assert ui.client.get(one["url"]).status_code == 200


def test_the_text_of_a_pictures_settings_is_that_in_its_file(ui: Page) -> None:
    saved = run(ui, "txt2img", prompt="a red star", seed=300).saved[0]
    assert ui.client.get(f"/history/picture/{saved.id}").json()["copied"] == metadata.read(saved.path).text
    assert ui.client.get("/history/picture/nothing").status_code == 404


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
    on: dict[str, Any] = {} if switch is None else {f"form_{switch.name}": True}
    if one.group in PICTURES:  # ... as in one without its picture
        on = {f"form_{PICTURES[one.group]}": picture(uploaded(ui, Image.new("RGB", (64, 64))))}
    told = faults(ui.call("form_submit", {"task": "txt2img", **on, f"form_{name}": "\ud800"}))
    assert list(told) == [name]
    assert r"\ud800" in told[name] or "half of a surrogate pair" in told[name]


@pytest.mark.parametrize("value", [None, "abc", [1], {"a": 1}], ids=repr)
def test_a_form_that_was_kept_damaged_is_shown(ui: Page, value: object) -> None:
    forms = ui.parts.forms
    for name in (one.name for one in shown_in("inpaint")):
        forms.keep("form", {"prompt": "kept", "steps": 33, name: value})
        shown = ui.call("form_find")
        assert name == "steps" or shown["form_steps"]["value"] == 33


@pytest.mark.attack(16)
def test_no_file_that_a_request_names_is_copied_to_where_files_are_served(ui: Page, tmp_path: Path) -> None:
    """Gradio would do that before any handler is called, for a value of any control."""
    outside = tmp_path / "secret of the house.png"
    Image.new("RGB", (64, 64)).save(outside)
    served = Path(os.environ["GRADIO_TEMP_DIR"])
    for event, control in (("form_submit", "form_image"), ("form_watch", "seedprint-jobs")):
        known = ui.events[event]["inputs"]
        data = [picture(str(outside)) if ui.name_of(one) == control else None for one in known]
        answer = ui.client.post(f"/gradio_api/run/{event}", json={"data": data})
        assert answer.status_code == 200
        assert not list(served.rglob(outside.name))
