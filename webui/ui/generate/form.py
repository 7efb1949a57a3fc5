"""Lays a tab's form out: a control for each of its fields, and the buttons and lines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import IMAGE_GUIDANCE, REQUEST_FIELDS, ModelInfo, Task
from webui.jobs.defaults import program_defaults
from webui.ui.generate.adapters import lora_choices, vae_choices
from webui.ui.generate.controls import (
    Form,
    Updates,
    choice_label,
    control,
    model_choices,
    shown_in,
)
from webui.ui.inputs import Dropdown, Picture
from webui.ui.labels import word


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

    undo: gr.Button
    reset: gr.Button
    defaults: gr.JSON  # what the model chosen last brought: a field that shows it still was not changed
    refresh: gr.Button
    swap: gr.Button
    seed_random: gr.Button
    seed_reuse: gr.Button
    advanced: gr.Accordion
    folded: frozenset[str]  # the fields in it
    model_note: gr.Markdown
    memory: gr.HTML  # whether the chosen size fits
    lora: gr.Dropdown  # writes the chosen one into the prompt

    def offer(self, form: Form, models: tuple[ModelInfo, ...], adapters: tuple[ModelInfo, ...]) -> Updates:
        """What lies in the models folder now; what is chosen stays."""
        loras = lora_choices(adapters)
        return {
            form["model"]: gr.update(choices=model_choices(models)),
            form["vae"]: gr.update(choices=vae_choices(adapters)),
            self.lora: gr.update(choices=loras, visible=bool(loras)),
        }


def build_prompts(task: Task, model: ModelInfo | None) -> dict[str, Component]:
    """The two prompt boxes. Call inside a Blocks context."""
    placeholder = prompt_placeholder(model)
    return {
        "prompt": control("prompt", task, placeholder=placeholder, lines=3, max_lines=10, min_width=160),
        "negative_prompt": control(
            "negative_prompt", task, placeholder=word("negative_placeholder"), lines=1, max_lines=6, min_width=160
        ),
    }


def prompt_placeholder(model: ModelInfo | None) -> Any:
    builtin = model is not None and model.builtin
    return word("prompt_placeholder_builtin" if builtin else "prompt_placeholder_real")


def build_settings(
    task: Task,
    prompts: Mapping[str, Component],
    models: tuple[ModelInfo, ...],
    adapters: tuple[ModelInfo, ...] = (),
    defaults: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Component], Extras]:
    """Everything under the prompt, as `defaults` have it; what has no place of its own is folded under "More
    settings". Call inside a Blocks context."""
    model = models[0] if models else None
    start = program_defaults(model, task) | dict(defaults or {})
    made = dict(prompts)
    with gr.Row(elem_classes="actions form-actions"):
        undo = gr.Button(word("form_undo"), size="sm", elem_id=f"{task}_undo", min_width=60)
        reset = gr.Button(word("form_reset"), size="sm", elem_id=f"{task}_reset", min_width=60)
    with gr.Row(elem_classes="tight"):
        name = model.name if model else None
        made["model"] = control("model", task, name, choices=model_choices(models), min_width=200)
        refresh = _icon(task, "refresh", word("refresh"))
    note = gr.Markdown(word("builtin_note"), visible=bool(model and model.builtin), elem_classes="note")
    made |= _build_sampling(task, start)
    sizes, swap = _build_sizes(task, start)
    made |= sizes
    memory = gr.HTML(elem_id=f"{task}_memory", elem_classes="note", visible=False)
    with gr.Row(elem_classes="tight"):
        made["seed"] = control("seed", task, min_width=140)
        seed_random, seed_reuse = (_icon(task, name, word(name)) for name in ("seed_random", "seed_reuse"))
    with gr.Accordion(word("more"), open=False, elem_id=f"{task}_more") as advanced:
        folded = _build_folded(task, made, start, adapters)
        lora = _build_lora(task, adapters)
    extras = Extras(
        undo=undo,
        reset=reset,
        defaults=gr.JSON(start, visible=False, elem_id=f"{task}_defaults"),
        refresh=refresh,
        swap=swap,
        seed_random=seed_random,
        seed_reuse=seed_reuse,
        advanced=advanced,
        folded=frozenset(folded),
        model_note=note,
        memory=memory,
        lora=lora,
    )
    return made | folded, extras


def _icon(task: Task, name: str, label: Any) -> gr.Button:
    return gr.Button(label, elem_classes="icon-button", elem_id=f"{task}_{name}", min_width=42)


def _build_folded(
    task: Task, made: Mapping[str, Component], start: Mapping[str, Any], adapters: tuple[ModelInfo, ...]
) -> dict[str, Component]:
    """Every field of the tab that has no control yet: a new one lands here by itself."""
    options: dict[str, dict[str, Any]] = {"vae": {"choices": vae_choices(adapters)}}
    return {
        one.name: control(one.name, task, start.get(one.name), **options.get(one.name, {}))
        for one in shown_in(task)
        if one.name not in made and one.group not in BESIDE_PICTURES
    }


def _build_lora(task: Task, adapters: tuple[ModelInfo, ...]) -> Dropdown:
    loras = lora_choices(adapters)
    return Dropdown(
        loras,
        value=None,
        label=word("lora"),
        info=word("lora_info"),
        visible=bool(loras),
        elem_id=f"{task}_lora",
    )


def _build_sampling(task: Task, start: Mapping[str, Any]) -> dict[str, Component]:
    """Sampler, schedule, steps and guidance."""
    allowed = SAMPLERS[start["sampler"]].schedules
    with gr.Row(elem_classes="tight"):
        made = {
            "sampler": control("sampler", task, start["sampler"]),
            "schedule": control(
                "schedule",
                task,
                start["schedule"],
                choices=[(choice_label("schedule", name), name) for name in allowed],
                interactive=len(allowed) > 1,
            ),
        }
    with gr.Row(elem_classes="tight"):
        made |= {name: control(name, task, start[name], min_width=150) for name in ("steps", "guidance")}
    return made


def _build_sizes(task: Task, start: Mapping[str, Any]) -> tuple[dict[str, Component], gr.Button]:
    """Width, height and how many; the button that swaps the sides."""
    with gr.Row(elem_classes="tight"):
        width = control("width", task, start["width"], min_width=90)
        swap = _icon(task, "swap", "⇄")
        height = control("height", task, start["height"], min_width=90)
    with gr.Row(elem_classes="tight"):
        batch_size = control("batch_size", task, start["batch_size"], min_width=150)
        batches = control("batches", task, min_width=150)
    return {"width": width, "height": height, "batch_size": batch_size, "batches": batches}, swap
