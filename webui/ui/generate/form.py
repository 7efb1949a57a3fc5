"""Lays a tab's form out: every control of `Controls`, and the buttons and lines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import DIALECTS, IMAGE_GUIDANCE, MASKED_CONTENTS, RESIZE_MODES, ModelInfo, Task
from webui.jobs.defaults import program_defaults
from webui.ui.generate.adapters import lora_choices, vae_choices
from webui.ui.generate.controls import (
    Choice,
    Controls,
    MaskControls,
    Slider,
    StartControls,
    Updates,
    model_choices,
)
from webui.ui.labels import word


def picture_box(elem_id: str, label: str, height: int) -> gr.Image:
    """A place for a picture file, kept as it comes. Call inside a Blocks context."""
    return gr.Image(
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        label=word(label),
        height=height,
        elem_id=elem_id,
        buttons=["fullscreen"],
    )


def build_start(task: Task | Literal["lab"]) -> StartControls:
    """Strength, resize mode and what some models want besides. Call inside a Blocks context."""
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
            image_guidance=gr.Number(
                None,
                label=word("image_guidance"),
                info=word("image_guidance_info"),
                step=0.1,
                placeholder=str(IMAGE_GUIDANCE),
                visible=False,
                elem_id=f"{task}_image_guidance",
                min_width=130,
            ),
        )


def image_guidance_for(model: ModelInfo | None) -> dict[str, Any]:
    """The field is there for a model that edits by instruction; another one would not heed it."""
    edits = model is not None and model.variant == "pix2pix"
    return gr.update(visible=True) if edits else gr.update(visible=False, value=None)


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

    undo: gr.Button
    reset: gr.Button
    defaults: gr.JSON  # what the model chosen last brought: a field that shows it still was not changed
    refresh: gr.Button
    swap: gr.Button
    seed_random: gr.Button
    seed_reuse: gr.Button
    advanced: gr.Accordion
    model_note: gr.Markdown
    memory: gr.HTML  # whether the chosen size fits
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


def _build_files(task: Task, adapters: tuple[ModelInfo, ...], chosen: str) -> tuple[Choice, Choice]:
    """VAE and LoRA: files beside the model."""
    loras = lora_choices(adapters)
    vae = Choice(vae_choices(adapters), value=chosen, label=word("vae"), elem_id=f"{task}_vae")
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
    task: Task,
    prompts: Prompts,
    models: tuple[ModelInfo, ...],
    adapters: tuple[ModelInfo, ...] = (),
    defaults: Mapping[str, Any] | None = None,
) -> tuple[Controls, Extras]:
    """Everything under the prompt, as `defaults` have it. Call inside a Blocks context."""
    model = models[0] if models else None
    start = program_defaults(model, task) | dict(defaults or {})
    with gr.Row(elem_classes="actions form-actions"):
        undo = gr.Button(word("form_undo"), size="sm", elem_id=f"{task}_undo", min_width=60)
        reset = gr.Button(word("form_reset"), size="sm", elem_id=f"{task}_reset", min_width=60)
    model_box, refresh, note = _build_model(task, models)
    sampling = _build_sampling(task, start)
    sizes, swap = _build_sizes(task, start)
    memory = gr.HTML(elem_id=f"{task}_memory", elem_classes="note", visible=False)
    seed, seed_random, seed_reuse = _build_seed(task)
    with gr.Accordion(word("more"), open=False, elem_id=f"{task}_more") as advanced:
        clip_skip = _slider(task, "clip_skip", (1, 12, start["clip_skip"]), info="clip_skip_info")
        vae, lora = _build_files(task, adapters, start["vae"])
        dialect = Choice(
            [(name.capitalize(), name) for name in DIALECTS],
            value=DIALECTS[0],
            label=word("dialect"),
            info=word("dialect_info"),
            elem_id=f"{task}_dialect",
        )
    controls = Controls(
        prompt=prompts.prompt,
        negative_prompt=prompts.negative_prompt,
        model=model_box,
        seed=seed,
        clip_skip=clip_skip,
        vae=vae,
        dialect=dialect,
        **sampling,
        **sizes,
    )
    extras = Extras(
        undo=undo,
        reset=reset,
        defaults=gr.JSON(start, visible=False, elem_id=f"{task}_defaults"),
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


def _slider(
    task: Task, name: str, bounds: tuple[float, float, float], step: float = 1, info: str | None = None
) -> Slider:
    """`bounds`: the least, the most and the value shown first."""
    low, high, value = bounds
    label, note = word(name), word(info) if info else None
    elem_id = f"{task}_{name}"
    return Slider(low, high, value, step=step, label=label, elem_id=elem_id, buttons=[], info=note, min_width=150)


def _build_sampling(task: Task, start: Mapping[str, Any]) -> dict[str, Any]:
    """Sampler, schedule, steps and guidance."""
    with gr.Row(elem_classes="tight"):
        sampler = gr.Dropdown(
            list(SAMPLERS), value=start["sampler"], label=word("sampler"), elem_id=f"{task}_sampler", min_width=130
        )
        allowed = SAMPLERS[start["sampler"]].schedules
        schedule = gr.Dropdown(
            [(word(f"schedule_{name}"), name) for name in allowed],
            value=start["schedule"],
            interactive=len(allowed) > 1,
            label=word("schedule"),
            elem_id=f"{task}_schedule",
            min_width=130,
        )
    with gr.Row(elem_classes="tight"):
        steps = _slider(task, "steps", (1, 150, start["steps"]))
        guidance = _slider(task, "guidance", (0, 30, start["guidance"]), 0.5)
    return {"sampler": sampler, "schedule": schedule, "steps": steps, "guidance": guidance}


def _build_sizes(task: Task, start: Mapping[str, Any]) -> tuple[dict[str, Any], gr.Button]:
    """Width, height and how many; the button that swaps the sides."""
    with gr.Row(elem_classes="tight"):
        width = gr.Number(start["width"], label=word("width"), step=8, elem_id=f"{task}_width", min_width=90)
        swap = gr.Button("⇄", elem_classes="icon-button", elem_id=f"{task}_swap", min_width=42)
        height = gr.Number(start["height"], label=word("height"), step=8, elem_id=f"{task}_height", min_width=90)
    with gr.Row(elem_classes="tight"):
        batch_size = _slider(task, "batch_size", (1, 16, start["batch_size"]))
        batches = _slider(task, "batches", (1, 100, 1))
    return {"width": width, "height": height, "batch_size": batch_size, "batches": batches}, swap


def _build_seed(task: Task) -> tuple[gr.Number, gr.Button, gr.Button]:
    with gr.Row(elem_classes="tight"):
        seed = gr.Number(-1, label=word("seed"), info=word("seed_info"), elem_id=f"{task}_seed", min_width=140)
        random, reuse = (
            gr.Button(word(name), elem_classes="icon-button", elem_id=f"{task}_{name}", min_width=42)
            for name in ("seed_random", "seed_reuse")
        )
    return seed, random, reuse
