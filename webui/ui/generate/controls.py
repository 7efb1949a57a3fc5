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
    GenerationRequest,
    InitImage,
    Inpaint,
    ModelInfo,
    Task,
)
from webui.ui.labels import word
from webui.words import Language, sentence

Values = Mapping[Any, Any]  # what gradio hands a handler whose inputs are a set: component -> value
Updates = dict[Any, Any]  # component -> update

_WHOLE = {"steps", "width", "height", "batch_size", "batches", "seed", "clip_skip", "mask_blur", "mask_grow", "padding"}


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
    dialect: gr.Dropdown


@dataclass(frozen=True, kw_only=True)
class StartControls:
    """The fields of `InitImage` but the picture."""

    strength: gr.Slider
    resize_mode: gr.Dropdown
    image_guidance: gr.Number  # shown for models that edit by instruction


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
        infos = {"seed": word("seed_info"), "clip_skip": word("clip_skip_info"), "dialect": word("dialect_info")}
        infos["image_guidance"] = word("image_guidance_info")
        return {
            component: gr.update(info=infos.get(name, ""), elem_classes=[])
            for name, component in self.by_name().items()
        }


def whole(value: Any) -> Any:
    """Browsers send whole numbers as 20.0 now and then."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _value(name: str, value: Any) -> Any:
    """As the request wants it; browsers send no text as nothing."""
    if name in _WHOLE:
        return whole(value)
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
