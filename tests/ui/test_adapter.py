"""The form and the request: every control is a field, every value arrives, faults name their field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines.errors import InvalidRequest, Note
from pipelines.fields import Field, flat
from pipelines.kinds import Choice, Flag, Number, Whole
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS, GenerationRequest, InitImage, Inpaint, ModelInfo, Task
from webui.jobs.defaults import program_defaults
from webui.ui.generate.controls import Form, schedule_update
from webui.ui.generate.form import build_mask, build_prompts, build_settings, build_start, image_guidance_for, rest_of

BUILTIN = ModelInfo(name="builtin", family="builtin", path="", native_size=128)
SWITCHED = {one.group for one in REQUEST_FIELDS if one.switch}  # the groups that every tab has
REAL = ModelInfo(name="dream.safetensors", family="sd1", path="", native_size=512)


def form(task: Task) -> Form:
    with gr.Blocks():
        start = build_start(task) if task != "txt2img" else {}
        mask = build_mask(task) if task == "inpaint" else {}
        settings, _ = build_settings(task, build_prompts(task, BUILTIN), (BUILTIN, REAL))
    return Form(task=task, named=start | mask | settings)


def values(of: Form, **given: Any) -> dict[Any, Any]:
    return {component: given.get(name, component.value) for name, component in of.named.items()}


@pytest.mark.parametrize(
    ("task", "groups"), [("txt2img", {""}), ("img2img", {"", "init"}), ("inpaint", {"", "init", "inpaint"})]
)
def test_every_field_of_the_page_has_a_control_and_no_other(task: Task, groups: set[str]) -> None:
    there = groups | SWITCHED
    wanted = {one.name for one in REQUEST_FIELDS if one.setting.page and not one.is_picture and one.group in there}
    assert set(form(task).named) == wanted


@pytest.mark.parametrize("group", ["init", "inpaint"])
def test_a_field_without_a_place_of_its_own_has_a_control(group: str) -> None:
    wanted = {one.name for one in REQUEST_FIELDS if one.group == group and one.setting.page and not one.is_picture}
    with gr.Blocks():
        last = wanted.pop()
        assert set(rest_of("inpaint", group, dict.fromkeys(wanted, gr.Textbox()))) == {last}


def test_a_slider_ends_where_the_field_ends() -> None:
    for name, component in form("inpaint").named.items():
        kind = next(one.kind for one in REQUEST_FIELDS if one.name == name)
        if isinstance(component, gr.Slider):
            assert isinstance(kind, Whole | Number)
            assert (component.minimum, component.maximum, component.step) == (kind.low, kind.high, kind.step)


def test_the_untouched_form_is_a_valid_request_that_fits_the_model() -> None:
    shown = form("txt2img")
    request = shown.request(values(shown))
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
}
CHANGED = changed("", *SWITCHED, **GIVEN)


@pytest.mark.parametrize("name", CHANGED)
def test_each_value_arrives_under_its_own_name(name: str) -> None:
    shown = form("txt2img")
    assert CHANGED.keys() == set(shown.named)
    assert flat(shown.request(values(shown, **CHANGED)))[name] == CHANGED[name]


def test_pictures_and_their_settings_arrive() -> None:
    shown = form("inpaint")
    image, mask = Image.new("RGB", (64, 64)), Image.new("L", (64, 64), 255)
    start = changed("init", strength=0.5, resize_mode="pad", image_guidance=2.5)
    area = changed("inpaint", mask_blur=7, mask_grow=-3, invert=False, masked_content="latent noise", padding=16)
    request = shown.request(values(shown, **start, **area), image, mask)
    assert request.init == InitImage(image=image, **start)
    assert request.inpaint == Inpaint(mask=mask, **area)


def test_the_picture_guidance_shows_for_models_that_edit_and_counts_for_no_other() -> None:
    assert image_guidance_for(replace(REAL, variant="pix2pix"))["visible"] is True
    hidden = image_guidance_for(REAL)
    assert (hidden["visible"], hidden["value"]) == (False, None)


@pytest.mark.fault(27)
@pytest.mark.parametrize(("shown", "wanted"), [(-1, None), (7.0, 7), (0, 0)])
def test_a_seed_as_the_browser_sends_it(shown: Any, wanted: int | None) -> None:
    tab = form("txt2img")
    assert tab.request(values(tab, seed=shown)).seed == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 513), ("width", None), ("steps", 1.5), ("seed", 2**32), ("seed", -2), ("guidance", float("nan"))],
)
def test_what_breaks_a_rule_names_its_field(name: str, value: Any) -> None:
    tab = form("txt2img")
    with pytest.raises(InvalidRequest) as caught:
        tab.request(values(tab, **{name: value}))
    assert caught.value.field == name
    marked = tab.mark(caught.value.told, "en")
    assert list(marked) == [tab[name]]


def test_a_fault_of_no_control_marks_none() -> None:
    assert form("txt2img").mark(Note("mask_needed", field="mask"), "en") == {}
    assert form("txt2img").mark(Note("bug"), "en") == {}
    assert form("txt2img").mark(None, "en") == {}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_only_schedules_that_work_are_offered(sampler: str) -> None:
    update = schedule_update(sampler, "karras")
    offered = [value for _, value in update["choices"]]
    assert tuple(offered) == SAMPLERS[sampler].schedules
    assert update["value"] in offered
    for schedule in offered:
        GenerationRequest(sampler=sampler, schedule=schedule)


def test_apply_shows_what_it_knows_and_passes_over_the_rest() -> None:
    tab = form("txt2img")
    updates = tab.apply({"prompt": "a cat", "seed": None, "strength": 0.5, "sampler": "no such", "colour": 1})
    assert {component: update["value"] for component, update in updates.items()} == {
        tab["prompt"]: "a cat",
        tab["seed"]: -1,
    }


def test_apply_a_sampler_keeps_the_schedule_it_comes_with() -> None:
    tab = form("txt2img")
    updates = tab.apply({"schedule": "beta", "sampler": "Euler"})
    assert updates[tab["schedule"]]["value"] == "beta"


def test_sizes_fit_the_model() -> None:
    assert program_defaults(BUILTIN, "txt2img")["width"] == 128
    assert program_defaults(REAL, "txt2img")["width"] == 512
