"""The form: one component for each request field, under its own name, and the one way from values to request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL.Image import Image

from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import (
    MASKED_CONTENTS,
    RESIZE_MODES,
    GenerationRequest,
    InitImage,
    Inpaint,
    ModelInfo,
    Task,
)
from webui.ui.adapters import lora_choices, vae_choices
from webui.ui.words import Language, sentence, word

Values = Mapping[Any, Any]  # what gradio hands a handler whose inputs are a set: component -> value
Updates = dict[Any, Any]  # component -> update

_WHOLE = {"steps", "width", "height", "batch_size", "batches", "seed", "clip_skip", "mask_blur", "mask_grow", "padding"}
_SIZES = (128, 256, 384, 512, 768, 1024)


class Slider(gr.Slider):
    """Hands on what it gets: what is wrong with it the request says, beside the field and in both languages."""

    is_template = True  # to the browser this is gradio's own

    def preprocess(self, payload: float) -> float:
        return payload


class Choice(gr.Dropdown):
    """Hands on what it gets, likewise: what it offers changes with the models folder, and a page that was open before
    must get a sentence, not a fault."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return payload


@dataclass(frozen=True, kw_only=True)
class Controls:
    """The fields of `GenerationRequest` that every tab has."""

    prompt: gr.Textbox
    negative_prompt: gr.Textbox
    model: gr.Dropdown
    sampler: gr.Dropdown
    schedule: gr.Dropdown
    steps: gr.Slider
    guidance: gr.Slider
    width: gr.Number
    height: gr.Number
    batch_size: gr.Slider
    batches: gr.Slider
    seed: gr.Number
    clip_skip: gr.Slider
    vae: gr.Dropdown


@dataclass(frozen=True, kw_only=True)
class StartControls:
    """The fields of `InitImage` but the picture."""

    strength: gr.Slider
    resize_mode: gr.Dropdown


@dataclass(frozen=True, kw_only=True)
class MaskControls:
    """The fields of `Inpaint` but the mask."""

    mask_blur: gr.Slider
    mask_grow: gr.Slider
    invert: gr.Checkbox
    masked_content: gr.Dropdown
    only_masked: gr.Checkbox
    padding: gr.Slider


@dataclass(frozen=True, kw_only=True)
class Form:
    """All controls of one tab."""

    task: Task
    controls: Controls
    start: StartControls | None = None
    mask: MaskControls | None = None

    def by_name(self) -> dict[str, Component]:
        """Field name -> component."""
        groups = (group for group in (self.controls, self.start, self.mask) if group is not None)
        return {item.name: getattr(group, item.name) for group in groups for item in fields(group)}

    def components(self) -> set[Component]:
        return set(self.by_name().values())

    def read(self, values: Values) -> dict[str, Any]:
        """Field name -> value, as the request wants it."""
        return {name: _value(name, values[component]) for name, component in self.by_name().items()}

    def request(self, values: Values, image: Image | None = None, mask: Image | None = None) -> GenerationRequest:
        """The adapter. Raises InvalidRequest."""
        given = self.read(values)
        common = {item.name: given[item.name] for item in fields(Controls)}
        if common["seed"] == -1:  # how the page says "any"
            common["seed"] = None
        init = inpaint = None
        if self.start is not None and image is not None:
            init = InitImage(image=image, **{item.name: given[item.name] for item in fields(StartControls)})
        if self.mask is not None and mask is not None:
            inpaint = Inpaint(mask=mask, **{item.name: given[item.name] for item in fields(MaskControls)})
        return GenerationRequest(**common, init=init, inpaint=inpaint)

    def apply(self, wanted: Mapping[str, Any]) -> Updates:
        """Updates that show `wanted` (field name -> value) in the form; unknown names are left out."""
        updates: Updates = {}
        for name, component in self.by_name().items():
            if name not in wanted:
                continue
            value = -1 if name == "seed" and wanted[name] is None else wanted[name]
            if name == "sampler" and value not in SAMPLERS:
                continue
            updates[component] = gr.update(value=value)
        if (sampler := wanted.get("sampler")) in SAMPLERS:
            schedule = wanted.get("schedule", "automatic")
            updates[self.controls.schedule] = schedule_update(str(sampler), schedule)
        return updates

    def mark(self, field: str | None, rule: str, language: Language) -> Updates:
        """Shows a broken rule beside its field."""
        component = self.by_name().get(field or "")
        if component is None:
            return {}
        return {component: gr.update(info=sentence(None, rule, language), elem_classes=["field-error"])}

    def unmark(self) -> Updates:
        """Takes every shown fault away."""
        infos = {"seed": word("seed_info"), "clip_skip": word("clip_skip_info")}
        return {
            component: gr.update(info=infos.get(name, ""), elem_classes=[])
            for name, component in self.by_name().items()
        }


def _value(name: str, value: Any) -> Any:
    """Browsers send whole numbers as 20.0 now and then, and no text as nothing."""
    if name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    if name in {"prompt", "negative_prompt"} and value is None:
        return ""
    return value


def schedule_update(sampler: str, schedule: str) -> Any:
    """Offers the schedules that work with `sampler`; keeps `schedule` if it is one of them."""
    allowed = SAMPLERS[sampler].schedules
    kept = schedule if schedule in allowed else allowed[0]
    choices = [(word(f"schedule_{name}"), name) for name in allowed]
    return gr.update(choices=choices, value=kept, interactive=len(allowed) > 1)


def model_choices(models: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of every model that can be loaded."""
    return [
        (word("builtin_title") if model.family == "builtin" else model.name, model.name)
        for model in models
        if model.problem is None
    ]


def default_fields(model: ModelInfo | None, task: Task) -> dict[str, Any]:
    """What the form begins with for this model."""
    side = model.native_size if model else 512
    small = model is not None and model.family == "builtin"
    return {
        "width": side,
        "height": side,
        "guidance": model.guidance if model else 7.0,
        "steps": 20 if small else 25,
        "batch_size": 4 if small and task == "txt2img" else 1,
    }


def build_start(task: Task) -> StartControls:
    """Strength and resize mode. Call inside a Blocks context."""
    with gr.Row(elem_classes="tight"):
        return StartControls(
            strength=Slider(
                0, 1, 0.75, step=0.01, label=word("strength"), elem_id=f"{task}_strength", buttons=[], min_width=150
            ),
            resize_mode=gr.Dropdown(
                [(word(f"resize_{name}"), name) for name in RESIZE_MODES],
                value="crop",
                label=word("resize_mode"),
                elem_id=f"{task}_resize_mode",
                min_width=130,
            ),
        )


def build_mask(task: Task) -> MaskControls:
    """How the mask is used. Call inside a Blocks context."""

    def slider(name: str, low: int, high: int, value: int) -> Slider:
        return Slider(low, high, value, step=1, label=word(name), elem_id=f"{task}_{name}", buttons=[], min_width=150)

    with gr.Row(elem_classes="tight"):
        blur, grow = slider("mask_blur", 0, 64, 4), slider("mask_grow", -64, 64, 0)
    with gr.Row(elem_classes="tight"):
        content = gr.Dropdown(
            [(word(f"content_{name}"), name) for name in MASKED_CONTENTS],
            value="original",
            label=word("masked_content"),
            elem_id=f"{task}_masked_content",
            min_width=150,
        )
        padding = slider("padding", 0, 256, 32)
    with gr.Row(elem_classes="tight"):
        only = gr.Checkbox(label=word("only_masked"), elem_id=f"{task}_only_masked", min_width=150, container=False)
        invert = gr.Checkbox(label=word("invert"), elem_id=f"{task}_invert", min_width=150, container=False)
    return MaskControls(
        mask_blur=blur, mask_grow=grow, invert=invert, masked_content=content, only_masked=only, padding=padding
    )


@dataclass(frozen=True, kw_only=True)
class Extras:
    """Buttons and lines of the form that are no request fields."""

    refresh: gr.Button
    swap: gr.Button
    seed_random: gr.Button
    seed_reuse: gr.Button
    advanced: gr.Accordion
    model_note: gr.Markdown
    memory: gr.HTML  # whether the chosen size fits the card
    lora: gr.Dropdown  # writes the chosen one into the prompt

    def offer(self, controls: Controls, models: tuple[ModelInfo, ...], adapters: tuple[ModelInfo, ...]) -> Updates:
        """What lies in the models folder now; what is chosen stays."""
        loras = lora_choices(adapters)
        return {
            controls.model: gr.update(choices=model_choices(models)),
            controls.vae: gr.update(choices=vae_choices(adapters)),
            self.lora: gr.update(choices=loras, visible=bool(loras)),
        }


@dataclass(frozen=True, kw_only=True)
class Prompts:
    prompt: gr.Textbox
    negative_prompt: gr.Textbox


def build_prompts(task: Task, model: ModelInfo | None) -> Prompts:
    """The two prompt boxes. Call inside a Blocks context."""
    return Prompts(
        prompt=gr.Textbox(
            label=word("prompt"), placeholder=prompt_placeholder(model), lines=3, max_lines=10, elem_id=f"{task}_prompt"
        ),
        negative_prompt=gr.Textbox(
            label=word("negative_prompt"),
            placeholder=word("negative_placeholder"),
            lines=1,
            max_lines=6,
            elem_id=f"{task}_negative_prompt",
        ),
    )


def prompt_placeholder(model: ModelInfo | None) -> Any:
    builtin = model is not None and model.family == "builtin"
    return word("prompt_placeholder_builtin" if builtin else "prompt_placeholder_real")


def _build_model(task: Task, models: tuple[ModelInfo, ...]) -> tuple[Choice, gr.Button, gr.Markdown]:
    model = models[0] if models else None
    with gr.Row(elem_classes="tight"):
        box = Choice(
            model_choices(models),
            value=model.name if model else None,
            label=word("model"),
            elem_id=f"{task}_model",
            min_width=200,
        )
        refresh = gr.Button(word("refresh"), elem_classes="icon-button", elem_id=f"{task}_refresh", min_width=42)
    note = gr.Markdown(word("builtin_note"), visible=bool(model and model.family == "builtin"), elem_classes="note")
    return box, refresh, note


def _build_files(task: Task, adapters: tuple[ModelInfo, ...]) -> tuple[Choice, Choice]:
    """VAE and LoRA: files beside the model."""
    loras = lora_choices(adapters)
    vae = Choice(vae_choices(adapters), value="automatic", label=word("vae"), elem_id=f"{task}_vae")
    lora = Choice(
        loras,
        value=None,
        label=word("lora"),
        info=word("lora_info"),
        visible=bool(loras),
        elem_id=f"{task}_lora",
    )
    return vae, lora


def build_settings(
    task: Task, prompts: Prompts, models: tuple[ModelInfo, ...], adapters: tuple[ModelInfo, ...] = ()
) -> tuple[Controls, Extras]:
    """Everything under the prompt. Call inside a Blocks context."""
    model = models[0] if models else None
    start = default_fields(model, task)

    def slider(name: str, low: float, high: float, value: float, step: float = 1, info: str | None = None) -> Slider:
        label, elem_id = word(name), f"{task}_{name}"
        note = word(info) if info else None
        return Slider(low, high, value, step=step, label=label, elem_id=elem_id, buttons=[], info=note, min_width=150)

    model_box, refresh, note = _build_model(task, models)
    with gr.Row(elem_classes="tight"):
        first = next(iter(SAMPLERS))
        sampler = gr.Dropdown(
            list(SAMPLERS), value=first, label=word("sampler"), elem_id=f"{task}_sampler", min_width=130
        )
        schedule = gr.Dropdown(
            [(word(f"schedule_{name}"), name) for name in SAMPLERS[first].schedules],
            value="automatic",
            label=word("schedule"),
            elem_id=f"{task}_schedule",
            min_width=130,
        )
    with gr.Row(elem_classes="tight"):
        steps = slider("steps", 1, 150, start["steps"])
        guidance = slider("guidance", 0, 30, start["guidance"], 0.5)
    with gr.Row(elem_classes="tight"):
        width = gr.Number(start["width"], label=word("width"), step=8, elem_id=f"{task}_width", min_width=90)
        swap = gr.Button("⇄", elem_classes="icon-button", elem_id=f"{task}_swap", min_width=42)
        height = gr.Number(start["height"], label=word("height"), step=8, elem_id=f"{task}_height", min_width=90)
    with gr.Row(elem_classes="tight"):
        batch_size = slider("batch_size", 1, 16, start["batch_size"])
        batches = slider("batches", 1, 100, 1)
    memory = gr.HTML(elem_id=f"{task}_memory", elem_classes="note", visible=False)
    with gr.Row(elem_classes="tight"):
        seed = gr.Number(-1, label=word("seed"), info=word("seed_info"), elem_id=f"{task}_seed", min_width=140)
        seed_random = gr.Button(
            word("seed_random"), elem_classes="icon-button", elem_id=f"{task}_seed_random", min_width=42
        )
        seed_reuse = gr.Button(
            word("seed_reuse"), elem_classes="icon-button", elem_id=f"{task}_seed_reuse", min_width=42
        )
    with gr.Accordion(word("more"), open=False, elem_id=f"{task}_more") as advanced:
        clip_skip = slider("clip_skip", 1, 12, 1, info="clip_skip_info")
        vae, lora = _build_files(task, adapters)
    controls = Controls(
        prompt=prompts.prompt,
        negative_prompt=prompts.negative_prompt,
        model=model_box,
        sampler=sampler,
        schedule=schedule,
        steps=steps,
        guidance=guidance,
        width=width,
        height=height,
        batch_size=batch_size,
        batches=batches,
        seed=seed,
        clip_skip=clip_skip,
        vae=vae,
    )
    extras = Extras(
        refresh=refresh,
        swap=swap,
        seed_random=seed_random,
        seed_reuse=seed_reuse,
        advanced=advanced,
        model_note=note,
        memory=memory,
        lora=lora,
    )
    return controls, extras
