"""The form and the request: every control is a field, every value arrives, faults name their field."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import GenerationRequest, InitImage, Inpaint, ModelInfo, Task
from webui.jobs.defaults import program_defaults
from webui.ui.generate.controls import (
    Controls,
    Form,
    MaskControls,
    StartControls,
    schedule_update,
)
from webui.ui.generate.form import build_mask, build_prompts, build_settings, build_start, image_guidance_for

BUILTIN = ModelInfo(name="builtin", family="builtin", path="", native_size=128)
REAL = ModelInfo(name="dream.safetensors", family="sd1", path="", native_size=512)


def form(task: Task) -> Form:
    with gr.Blocks():
        start = build_start(task) if task != "txt2img" else None
        mask = build_mask(task) if task == "inpaint" else None
        controls, _ = build_settings(task, build_prompts(task, BUILTIN), (BUILTIN, REAL))
    return Form(task=task, controls=controls, start=start, mask=mask)


def values(of: Form, **given: Any) -> dict[Any, Any]:
    return {component: given.get(name, component.value) for name, component in of.by_name().items()}


def names(of: type[Any]) -> set[str]:
    return {item.name for item in fields(of)}


def test_every_control_is_a_field_and_every_field_has_a_control() -> None:
    drawn = {"template", "negative_template"}  # written by the service, from the prompt that was typed
    settled = {"prediction_type", "zero_terminal_snr"}  # with the model, on the Models tab
    assert names(Controls) == names(GenerationRequest) - {"init", "inpaint"} - drawn - settled
    assert names(StartControls) == names(InitImage) - {"image"}
    assert names(MaskControls) == names(Inpaint) - {"mask"}


def test_the_untouched_form_is_a_valid_request_that_fits_the_model() -> None:
    shown = form("txt2img")
    request = shown.request(values(shown))
    assert (request.width, request.height, request.model, request.seed) == (128, 128, "builtin", None)


CHANGED: dict[str, Any] = {
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


@pytest.mark.parametrize("name", CHANGED)
def test_each_value_arrives_under_its_own_name(name: str) -> None:
    shown = form("txt2img")
    assert CHANGED.keys() == names(Controls)
    assert getattr(shown.request(values(shown, **CHANGED)), name) == CHANGED[name]


def test_pictures_and_their_settings_arrive() -> None:
    shown = form("inpaint")
    image, mask = Image.new("RGB", (64, 64)), Image.new("L", (64, 64), 255)
    given = {
        "strength": 0.5,
        "resize_mode": "pad",
        "image_guidance": 2.5,
        "mask_blur": 7,
        "mask_grow": -3,
        "invert": False,
    }
    given |= {"masked_content": "latent noise", "only_masked": True, "padding": 16}
    request = shown.request(values(shown, **given), image, mask)
    assert request.init == InitImage(image=image, strength=0.5, resize_mode="pad", image_guidance=2.5)
    assert request.inpaint is not None
    assert {name: getattr(request.inpaint, name) for name in names(MaskControls)} == {
        name: given[name] for name in names(MaskControls)
    }


def test_the_picture_guidance_shows_for_models_that_edit_and_counts_for_no_other() -> None:
    assert image_guidance_for(replace(REAL, variant="pix2pix"))["visible"] is True
    hidden = image_guidance_for(REAL)
    assert (hidden["visible"], hidden["value"]) == (False, None)


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
    marked = tab.mark(name, caught.value.rule, "en")
    assert list(marked) == [getattr(tab.controls, name)]


def test_a_fault_of_no_control_marks_none() -> None:
    assert form("txt2img").mark("mask", "must be drawn", "en") == {}
    assert form("txt2img").mark(None, "out of memory", "en") == {}


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
        tab.controls.prompt: "a cat",
        tab.controls.seed: -1,
    }


def test_apply_a_sampler_keeps_the_schedule_it_comes_with() -> None:
    tab = form("txt2img")
    updates = tab.apply({"schedule": "beta", "sampler": "Euler"})
    assert updates[tab.controls.schedule]["value"] == "beta"


def test_sizes_fit_the_model() -> None:
    assert program_defaults(BUILTIN, "txt2img")["width"] == 128
    assert program_defaults(REAL, "txt2img")["width"] == 512
