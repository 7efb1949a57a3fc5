"""What a form begins with: the program's own values for a model, and over them what a person settled for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import DIALECTS, InitImage, Inpaint, ModelInfo, Task
from webui.kept.models import FORM_FIELDS, ModelSettings

FOUND = "found"  # beside the defaults a tab hides: the kept form has been shown, so from now on what is shown is kept


def program_defaults(model: ModelInfo | None, task: Task = "txt2img") -> dict[str, Any]:
    """Of the fields that suit a model."""
    side = model.native_size if model else 512
    small = model is not None and model.family == "builtin"
    return {
        "width": side,
        "height": side,
        "guidance": model.guidance if model else 7.0,
        "steps": model.steps if model and model.steps else 20 if small else 25,
        "batch_size": 4 if small and task == "txt2img" else 1,
        "sampler": model.sampler if model and model.sampler else next(iter(SAMPLERS)),
        "schedule": "automatic",
        "clip_skip": 1,
        "vae": "automatic",
    }


def model_defaults(model: ModelInfo | None, task: Task, settings: ModelSettings) -> dict[str, Any]:
    """The program's, and over them what is settled for this model."""
    found = program_defaults(model, task)
    settled = settings.get(model) if model is not None else {}
    if settled.get("schedule", "automatic") not in SAMPLERS[settled.get("sampler", found["sampler"])].schedules:
        settled.pop("schedule")
    return found | {name: settled[name] for name in FORM_FIELDS if name in settled}


def form_defaults(model: ModelInfo | None, task: Task, settings: ModelSettings) -> dict[str, Any]:
    """Of every field but the prompts and the model."""
    found: dict[str, Any] = {"seed": None, "batches": 1, "dialect": DIALECTS[0]}
    for kind in (InitImage, Inpaint):
        found |= {item.name: item.default for item in fields(kind) if item.default is not MISSING}
    return found | model_defaults(model, task, settings)


def fitted(
    shown: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any], model: ModelInfo | None
) -> dict[str, Any]:
    """Those of the new defaults whose field still shows the old one: what a person changed is theirs, but for a sampler
    that the model does not take."""
    kept = {name for name in now if name in before and shown.get(name) != before[name]}
    if model is not None and model.sampler is not None:
        kept -= {"sampler", "schedule"}
    elif kept & {"sampler", "schedule"}:
        kept |= {"sampler", "schedule"}  # one goes with the other
    return {name: value for name, value in now.items() if name not in kept}
