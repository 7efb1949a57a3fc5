"""The form and the request: every control is a field, every value arrives, faults name their field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines.errors import InvalidRequest, StorageError
from pipelines.fields import Field, flat, groups_of
from pipelines.groups import InitImage, Inpaint
from pipelines.kinds import Choice, Flag, Number, Whole
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS, GenerationRequest, ModelInfo, Task
from webui.jobs.defaults import program_defaults
from webui.jobs.maps import PICTURES, REFERENCES, SLOTS
from webui.ui.generate.controls import PLACE, Form, schedule_update, shown_in
from webui.ui.generate.form import image_guidance_for, rest_of
from webui.ui.generate.handlers import refused
from webui.words import fault

from .forms import build_form, values

BUILTIN = ModelInfo(name="builtin", family="builtin", path="", native_size=128)
FULL = StorageError("folder_gone", folder="D:/out")
GROUPS = groups_of(GenerationRequest)
EVERYWHERE = {name for name, group in GROUPS.items() if not group.tasks}  # that every task has
REAL = ModelInfo(name="dream.safetensors", family="sd1", path="", native_size=512)


@pytest.fixture(scope="module")
def form() -> Form:
    return build_form(BUILTIN, REAL)


@pytest.mark.parametrize(
    ("task", "groups"),
    [("txt2img", {"", "hires"}), ("img2img", {"", "init", "edit"}), ("inpaint", {"", "init", "inpaint"})],
)
def test_every_field_of_the_page_has_a_control_and_a_task_those_of_its_groups(
    form: Form, task: Task, groups: set[str]
) -> None:
    page = [one for one in REQUEST_FIELDS if one.setting.page and not one.is_picture]
    assert set(form.named) == {one.name for one in page}
    assert [one.name for one in shown_in(task)] == [one.name for one in page if one.group in groups | EVERYWHERE]


@pytest.mark.parametrize("group", ["init", "inpaint"])
def test_a_field_without_a_place_of_its_own_has_a_control(group: str) -> None:
    wanted = {one.name for one in REQUEST_FIELDS if one.group == group and one.setting.page and not one.is_picture}
    with gr.Blocks():
        last = wanted.pop()
        assert set(rest_of(PLACE, group, dict.fromkeys(wanted, gr.Textbox()))) == {last}


def test_a_slider_ends_where_the_field_ends(form: Form) -> None:
    for name, component in form.named.items():
        kind = next(one.kind for one in REQUEST_FIELDS if one.name == name)
        if isinstance(component, gr.Slider):
            assert isinstance(kind, Whole | Number)
            assert (component.minimum, component.maximum, component.step) == (kind.low, kind.high, kind.step)


def test_the_untouched_form_is_a_valid_request_that_fits_the_model(form: Form) -> None:
    request = form.request(values(form), "txt2img")
    assert (request.width, request.height, request.model, request.seed) == (128, 128, "builtin", None)


def unlike(one: Field) -> Any:
    """A value that is not the field's default."""
    match one.kind:
        case Flag():
            return not one.default
        case Choice(choices=choices):
            return next(choice for choice in choices if choice != one.default)
        case Whole(low=low, high=high) | Number(low=low, high=high):
            return low if one.default == high else high
        case _:
            return f"another {one.name}"


def changed(*groups: str, **given: Any) -> dict[str, Any]:
    """Every field of the page in these groups: as `given`, else unlike its default."""
    own = [one for one in REQUEST_FIELDS if one.group in groups and one.setting.page and not one.is_picture]
    return {one.name: unlike(one) for one in own} | given


PART = (("start", 0.25), ("end", 0.75))  # of the steps
GIVEN: dict[str, Any] = {  # no two alike, and such as go together
    "prompt": "a red star",
    "negative_prompt": "blurry",
    "model": "dream.safetensors",
    "sampler": "Euler",
    "schedule": "karras",
    "steps": 33,
    "guidance": 3.5,
    "width": 192,
    "height": 256,
    "batch_size": 3,
    "batches": 2,
    "seed": 4_294_967_295,
    "clip_skip": 2,
    "vae": "kl.safetensors",
    "dialect": "compel",
    "detail_boxes": "8,8,32,32",
    "regions_ratios": "1:2",
    **{f"{slot}_{name}": value for slot in (*SLOTS, *REFERENCES) for name, value in PART},
}
CHANGED = changed("", "hires", *EVERYWHERE, **GIVEN)


@pytest.mark.parametrize("name", CHANGED)
def test_each_value_arrives_under_its_own_name(form: Form, name: str) -> None:
    assert CHANGED.keys() == {one.name for one in shown_in("txt2img")}
    assert (
        flat(form.request(values(form, **CHANGED), "txt2img", dict.fromkeys(PICTURES.values(), IMAGE)))[name]
        == CHANGED[name]
    )


IMAGE, MASK = Image.new("RGB", (64, 64)), Image.new("L", (64, 64), 255)
START = changed("init", strength=0.5, resize_mode="pad", image_guidance=2.5)
AREA = changed("inpaint", mask_blur=7, mask_grow=-3, invert=False, masked_content="latent noise", padding=16)


def test_pictures_and_their_settings_arrive(form: Form) -> None:
    request = form.request(values(form, **START, **AREA), "inpaint", {"init_image": IMAGE, "mask": MASK})
    assert request.init == InitImage(image=IMAGE, **START)
    assert request.inpaint == Inpaint(mask=MASK, **AREA)


def test_what_a_task_has_not_is_left_out_and_nobody_asks_whether_it_is_right(form: Form) -> None:
    """What was set on one tab stays in the form when another is opened."""
    wrong = {"strength": 7, "image_guidance": "x", "mask_blur": None}
    assert form.request(values(form, **wrong), "txt2img") == form.request(values(form), "txt2img")
    request = form.request(values(form, **START, **{**AREA, "mask_blur": None}), "img2img", {"init_image": IMAGE})
    assert request.init == InitImage(image=IMAGE, **START)
    assert request.inpaint is None


def test_the_picture_guidance_shows_for_models_that_edit_and_counts_for_no_other() -> None:
    assert image_guidance_for(replace(REAL, variant="pix2pix"))["visible"] is True
    hidden = image_guidance_for(REAL)
    assert (hidden["visible"], hidden["value"]) == (False, None)


@pytest.mark.fault(27)
@pytest.mark.parametrize(("shown", "wanted"), [(-1, None), (7.0, 7), (0, 0)])
def test_a_seed_as_the_browser_sends_it(form: Form, shown: Any, wanted: int | None) -> None:
    assert form.request(values(form, seed=shown), "txt2img").seed == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 513), ("width", None), ("steps", 1.5), ("seed", 2**32), ("seed", -2), ("guidance", float("nan"))],
)
def test_what_breaks_a_rule_names_its_field(form: Form, name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        form.request(values(form, **{name: value}), "txt2img")
    assert caught.value.field == name
    told, again = refused(caught.value, "en"), refused(caught.value, "en")
    assert (told["state"], told["faults"]) == ("refused", {name: fault(caught.value, "en")})
    assert told != again  # a page shows what is new to it


@pytest.mark.parametrize("picture", ["init_image", "mask"])
def test_a_fault_of_a_picture_is_told_where_it_is_given(picture: str) -> None:
    assert refused(InvalidRequest(picture, "picture_needed"), "en")["faults"].keys() == {picture}


def test_a_fault_of_nothing_that_is_shown_is_told_in_a_line() -> None:
    """A field without a control, as one that is settled for a model: nobody would see a sentence beside it."""
    hidden = next(one.name for one in REQUEST_FIELDS if not one.setting.page and not one.is_picture)
    for error in (InvalidRequest(hidden, "choice", value="x", choices=("y",)), FULL):
        told = refused(error, "en")
        assert (told["state"], told["error"], told.get("faults", {})) == ("refused", fault(error, "en"), {})
        assert told["line"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_only_schedules_that_work_are_offered(sampler: str) -> None:
    update = schedule_update(sampler, "karras")
    offered = [value for _, value in update["choices"]]
    assert tuple(offered) == SAMPLERS[sampler].schedules
    assert update["value"] in offered
    for schedule in offered:
        GenerationRequest(sampler=sampler, schedule=schedule)


def test_apply_shows_what_it_knows_and_passes_over_the_rest(form: Form) -> None:
    updates = form.apply({"prompt": "a cat", "seed": None, "sampler": "no such", "colour": 1})
    assert {component: update["value"] for component, update in updates.items()} == {
        form["prompt"]: "a cat",
        form["seed"]: -1,
    }


def test_apply_a_sampler_keeps_the_schedule_it_comes_with(form: Form) -> None:
    updates = form.apply({"schedule": "beta", "sampler": "Euler"})
    assert updates[form["schedule"]]["value"] == "beta"


def test_sizes_fit_the_model() -> None:
    assert program_defaults(BUILTIN)["width"] == 128
    assert program_defaults(REAL)["width"] == 512
