"""Lays the form out: a control for each of its fields, and the buttons and lines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.groups import IMAGE_GUIDANCE
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS, ModelInfo
from webui.jobs.defaults import program_defaults
from webui.jobs.maps import PICTURES, REFERENCES, SLOTS, VARIED
from webui.ui.generate import reference_form
from webui.ui.generate.adapters import Files, detector_choices, refiner_choices, upscaler_choices, vae_choices
from webui.ui.generate.control_form import ControlPart, build_controls, control_choices
from webui.ui.generate.controls import (
    PLACE,
    Form,
    Updates,
    choice_label,
    control,
    model_choices,
    tasks_class,
)
from webui.ui.inputs import Picture
from webui.ui.labels import word
from webui.ui.widgets.size_lock import SizeLock


def picture_box(elem_id: str, label: str, height: int) -> Picture:
    """Call inside a Blocks context."""
    return Picture(
        sources=["upload", "clipboard"],
        label=word(label),
        height=height,
        elem_id=elem_id,
        buttons=["fullscreen"],
    )


def build_start(place: str) -> dict[str, Component]:
    """Strength, resize mode and what some models want besides. Call inside a Blocks context."""
    with gr.Row(elem_classes="tight"):
        shown: dict[str, Any] = {"placeholder": str(IMAGE_GUIDANCE), "visible": False}
        made = {
            "strength": control("strength", place, min_width=150),
            "resize_mode": control("resize_mode", place),
            "image_guidance": control("image_guidance", place, **shown),
        }
    return made | rest_of(place, "init", made)


def image_guidance_for(model: ModelInfo | None) -> dict[str, Any]:
    """The field is there for a model that edits by instruction; another one would not heed it."""
    edits = model is not None and model.variant == "pix2pix"
    return gr.update(visible=True) if edits else gr.update(visible=False, value=None)


def build_mask(place: str) -> dict[str, Component]:
    """How the mask is used. Call inside a Blocks context."""
    made = _rows(place, ("mask_blur", "mask_grow"), ("masked_content", "padding"), ("only_masked", "invert"))
    return made | rest_of(place, "inpaint", made)


BESIDE_PICTURES = ("init", "inpaint")  # the groups that stand with their picture: build_start, build_mask
# what must be chosen, for the page to show a row, and its fields
GUIDING_ROWS = (
    ("", "guiding_method", "guiding_rescale"),
    ("zero-star", "guiding_zero_steps"),
    ("projected", "guiding_along", "guiding_longest"),
    ("projected", "guiding_momentum"),
    ("thresholded", "guiding_mimicked", "guiding_percentile"),
    ("", "guiding_start", "guiding_stop"),
    ("", "guiding_least_sigma"),
    ("", "guiding_all_steps"),
    ("", "guiding_attention", "guiding_layers"),
    ("", "guiding_smoothing", "guiding_blur"),
    ("", "guiding_classifier"),
    ("", "guiding_classifier_start", "guiding_classifier_stop"),
    ("", "guiding_freeu"),
    ("freeu", "guiding_inner_1", "guiding_inner_2"),
    ("freeu", "guiding_skip_1", "guiding_skip_2"),
)
# folded by themselves, each built below
FOLDS = ("edit", "variation", "hires", "refiner", "detail", "guiding", "regions", *PICTURES)


def rest_of(place: str, group: str, made: Mapping[str, Component]) -> dict[str, Component]:
    """Every field of the group that has no control yet, a row each: a new one lands here by itself."""
    own = [one for one in REQUEST_FIELDS if one.group == group and one.setting.page and not one.is_picture]
    return _rows(place, *((one.name,) for one in own if one.name not in made))


def _rows(place: str, *rows: tuple[str, ...]) -> dict[str, Component]:
    made: dict[str, Component] = {}
    for names in rows:
        with gr.Row(elem_classes="tight"):
            made |= {name: control(name, place, min_width=150) for name in names}
    return made


@dataclass(frozen=True, kw_only=True)
class Extras:
    """Buttons and lines of the form that are no request fields."""

    defaults: gr.JSON  # what the model chosen last brought: a field that shows it still was not changed
    shapes: Mapping[str, gr.Button]  # sides as "3:2" -> the button that takes them
    swap: gr.Button
    lock: SizeLock
    seed_random: gr.Button
    seed_reuse: gr.Button
    controls: Mapping[str, ControlPart]
    references: Mapping[str, Picture]  # ... and of the one that a model makes variations of

    def offer(self, form: Form, models: tuple[ModelInfo, ...], files: Files) -> Updates:
        """What lies in the models folder now; what is chosen stays."""
        return {
            form["model"]: gr.update(choices=model_choices(models)),
            form["refiner_model"]: gr.update(choices=refiner_choices(files.refiners)),
            form["vae"]: gr.update(choices=vae_choices(files.adapters)),
            form["hires_upscaler"]: gr.update(choices=upscaler_choices(files.upscalers)),
            form["detail_detector"]: gr.update(choices=detector_choices(files.detectors)),
            **{form[f"{slot}_model"]: gr.update(choices=control_choices(files.controls)) for slot in SLOTS},
            **{
                form[f"{slot}_{name}"]: gr.update(choices=reference_form.file_choices(name, there))
                for slot in REFERENCES
                for name, there in files.looking.items()
            },
        }


OWN = "own"  # the shape of the picture that is started from
SHAPES = ("1:1", "4:3", "3:4", "3:2", "2:3", "16:9", "9:16")  # width to height


def build_prompts(model: ModelInfo | None) -> dict[str, Component]:
    """The two prompt boxes. Call inside a Blocks context."""
    placeholder = prompt_placeholder(model)
    return {
        "prompt": control("prompt", PLACE, placeholder=placeholder, lines=3, max_lines=10, min_width=160),
        "negative_prompt": control(
            "negative_prompt", PLACE, placeholder=word("negative_placeholder"), lines=1, max_lines=6, min_width=160
        ),
    }


def prompt_placeholder(model: ModelInfo | None) -> Any:
    builtin = model is not None and model.builtin
    return word("prompt_placeholder_builtin" if builtin else "prompt_placeholder_real")


def build_model(models: tuple[ModelInfo, ...]) -> tuple[Component, gr.Button]:
    """Which model, and the button that looks into the folders again. Call inside a Blocks context."""
    name = models[0].name if models else None
    model = control("model", PLACE, name, choices=model_choices(models), min_width=160, container=False)
    return model, icon("refresh", "⟳")


def build_settings(
    made: Mapping[str, Component],
    model: ModelInfo | None,
    files: Files,
    defaults: Mapping[str, Any],
) -> tuple[dict[str, Component], Extras]:
    """Everything under the prompt but what `made` has, as `defaults` have it; what has no place of its own is folded
    under "More settings". Call inside a Blocks context."""
    start = program_defaults(model) | dict(defaults)
    sizes, (swap, lock), shapes = _build_sizes(start)
    settings = sizes | _row(start, "batch_size", "batches") | _row(start, "steps", "guidance")
    with gr.Row(elem_classes="tight"):
        settings["seed"] = control("seed", PLACE, min_width=140)
        seed_random, seed_reuse = (icon(name, word(name)) for name in ("seed_random", "seed_reuse"))
    with gr.Accordion(word("more"), open=False, elem_id=f"{PLACE}_more"):
        settings |= _build_sampling(start)
        settings |= _build_folded({**made, **settings}, start, vae_choices(files.adapters))
    with gr.Accordion(word("edit"), open=False, elem_id=f"{PLACE}_edit_fold", elem_classes=tasks_class("edit")):
        settings |= _build_edit(start)
    with gr.Accordion(word("variation"), open=False, elem_id=f"{PLACE}_variation_fold"):
        settings |= _build_variation(start)
    with gr.Accordion(word("hires"), open=False, elem_id=f"{PLACE}_hires_fold", elem_classes=tasks_class("hires")):
        settings |= _build_second(start, upscaler_choices(files.upscalers))
    with gr.Accordion(word("refiner"), open=False, elem_id=f"{PLACE}_refiner_fold"):
        settings |= _build_refiner(start, refiner_choices(files.refiners))
    with gr.Accordion(word("detail"), open=False, elem_id=f"{PLACE}_detail_fold"):
        settings |= _build_details(start, detector_choices(files.detectors))
    with gr.Accordion(word("guiding"), open=False, elem_id=f"{PLACE}_guiding_fold"):
        settings |= _build_guiding(start)
    with gr.Accordion(word("regions"), open=False, elem_id=f"{PLACE}_regions_fold"):
        settings |= _build_regions(start)
    with gr.Accordion(word("control"), open=False, elem_id=f"{PLACE}_control_fold"):
        made_controls, controls = build_controls(start, control_choices(files.controls))
    with gr.Accordion(word("reference"), open=False, elem_id=f"{PLACE}_reference_fold"):
        made_references, references = reference_form.build_references(start, files.looking)
    with gr.Accordion(word(VARIED), open=False, elem_id=f"{PLACE}_{VARIED}_fold"):
        varied, references[VARIED] = reference_form.build_varied(PLACE, start)
    return settings | made_controls | made_references | varied, Extras(
        controls=controls,
        references=references,
        defaults=gr.JSON(start, visible=False, elem_id=f"{PLACE}_defaults"),
        shapes=shapes,
        swap=swap,
        lock=lock,
        seed_random=seed_random,
        seed_reuse=seed_reuse,
    )


def icon(name: str, label: Any) -> gr.Button:
    return gr.Button(label, elem_classes="icon-button", elem_id=f"{PLACE}_{name}", min_width=42)


def _row(start: Mapping[str, Any], *names: str) -> dict[str, Component]:
    with gr.Row(elem_classes="tight"):
        return {name: control(name, PLACE, start.get(name), min_width=150) for name in names}


def _build_folded(
    made: Mapping[str, Component], start: Mapping[str, Any], vaes: list[tuple[Any, str]]
) -> dict[str, Component]:
    """Every field that has no control yet: a new one lands here by itself."""
    options: dict[str, dict[str, Any]] = {"vae": {"choices": vaes}}
    rest = [one for one in REQUEST_FIELDS if one.setting.page and not one.is_picture and one.name not in made]
    return {
        one.name: control(
            one.name,
            PLACE,
            start.get(one.name),
            **{"elem_classes": tasks_class(one.name), **options.get(one.name, {})},
        )
        for one in rest
        if one.group not in (*BESIDE_PICTURES, *FOLDS)
    }


def _build_edit(start: Mapping[str, Any]) -> dict[str, Component]:
    made = {"edit": control("edit", PLACE, start.get("edit"), label=word("edit_on"))}
    return made | rest_of(PLACE, "edit", made)


def _build_variation(start: Mapping[str, Any]) -> dict[str, Component]:
    made = {"variation": control("variation", PLACE, start.get("variation"), label=word("variation_on"))}
    for names in (("variation_seed", "variation_strength"), ("from_width", "from_height")):
        made |= _row(start, *names)
    return made | rest_of(PLACE, "variation", made)


_SHORT = ("strength", "steps", "sampler", "schedule", "guidance", "prompt", "negative_prompt")


def _short(name: str) -> dict[str, Any]:
    """Under the heading of a later pass a field is called as that of the first."""
    first = name.partition("_")[2]
    return {"label": word(first)} if first in _SHORT else {}


def _build_second(start: Mapping[str, Any], upscalers: list[tuple[Any, str]]) -> dict[str, Component]:
    """The second pass in high resolution: its switch, then its fields, those most used first."""
    made = {
        "hires": control("hires", PLACE, start.get("hires"), label=word("hires_on")),
        "hires_upscaler": control("hires_upscaler", PLACE, start.get("hires_upscaler"), choices=upscalers),
    }
    rows = (
        *(("hires_by", "hires_strength"), ("hires_width", "hires_height"), ("hires_steps", "hires_guidance")),
        *(("hires_sampler", "hires_schedule"), ("hires_prompt",), ("hires_negative_prompt",)),
    )
    for names in rows:
        with gr.Row(elem_classes="tight"):
            made |= {name: control(name, PLACE, start.get(name), min_width=150, **_short(name)) for name in names}
    return made | rest_of(PLACE, "hires", made)


def _build_refiner(start: Mapping[str, Any], refiners: list[tuple[Any, str]]) -> dict[str, Component]:
    """The model that runs the last steps: the switch, then its fields."""
    made = {
        "refiner": control("refiner", PLACE, start.get("refiner"), label=word("refiner_on")),
        "refiner_model": control("refiner_model", PLACE, start.get("refiner_model"), choices=refiners),
    }
    made |= _row(start, "refiner_switch_at")
    return made | rest_of(PLACE, "refiner", made)


def _build_details(start: Mapping[str, Any], detectors: list[tuple[Any, str]]) -> dict[str, Component]:
    """The pass over details: its switch, what is refined, then how."""
    made = {"detail": control("detail", PLACE, start.get("detail"), label=word("detail_on"))}
    rows = (
        *(("detail_boxes",), ("detail_detector",), ("detail_words",), ("detail_confidence", "detail_most")),
        *(("detail_prompt",), ("detail_negative_prompt",), ("detail_strength", "detail_steps")),
        *(("detail_guidance", "detail_size"), ("detail_grow", "detail_blur"), ("detail_padding",)),
    )
    # a name that is not here, as of a picture of another program, is shown, and told when it is asked for
    options: dict[str, dict[str, Any]] = {"detail_detector": {"choices": detectors, "allow_custom_value": True}}
    for names in rows:
        with gr.Row(elem_classes="tight"):
            for name in names:
                more = {**_short(name), **options.get(name, {})}
                made[name] = control(name, PLACE, start.get(name), min_width=150, **more)
    return made | rest_of(PLACE, "detail", made)


def _build_guiding(start: Mapping[str, Any]) -> dict[str, Component]:
    """How the prompts lead: the switch, then its fields."""
    made = {"guiding": control("guiding", PLACE, start.get("guiding"), label=word("guiding_on"))}
    for needed, *names in GUIDING_ROWS:
        with gr.Row(elem_classes=["tight", *([f"with-{needed}"] if needed else [])]):
            made |= {name: control(name, PLACE, start.get(name), min_width=150) for name in names}
    return made | rest_of(PLACE, "guiding", made)


def _build_regions(start: Mapping[str, Any]) -> dict[str, Component]:
    """A prompt for each region: the switch, then how the picture is shared out."""
    made = {"regions": control("regions", PLACE, start.get("regions"), label=word("regions_on"))}
    for names in (("regions_direction", "regions_ratios"), ("regions_common",), ("regions_blend", "regions_middle")):
        made |= _row(start, *names)
    return made | rest_of(PLACE, "regions", made)


def _build_sampling(start: Mapping[str, Any]) -> dict[str, Component]:
    allowed = SAMPLERS[start["sampler"]].schedules
    schedules = [(choice_label("schedule", name), name) for name in allowed]
    with gr.Row(elem_classes="tight"):
        return {
            "sampler": control("sampler", PLACE, start["sampler"]),
            "schedule": control("schedule", PLACE, start["schedule"], choices=schedules, interactive=len(allowed) > 1),
        }


def _build_sizes(
    start: Mapping[str, Any],
) -> tuple[dict[str, Component], tuple[gr.Button, SizeLock], dict[str, gr.Button]]:
    """Width and height, the buttons that swap and lock them, and shapes of the model's own area."""
    with gr.Row(elem_classes="tight"):
        width = control("width", PLACE, start["width"], min_width=90)
        swap = icon("swap", "⇄")
        lock = SizeLock(elem_id=f"{PLACE}_lock", elem_classes=["between-sides"], min_width=0)
        height = control("height", PLACE, start["height"], min_width=90)
    with gr.Row(elem_classes="shapes", elem_id=f"{PLACE}_shapes"):
        shapes = {one: gr.Button(one, size="sm", elem_classes="shape", min_width=0) for one in SHAPES}
        classes = ["shape", "for-img2img-inpaint"]
        shapes[OWN] = gr.Button(word("shape_own"), size="sm", min_width=0, elem_classes=classes)
    return {"width": width, "height": height}, (swap, lock), shapes
