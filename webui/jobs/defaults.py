"""What a form begins with: the program's own values for a model, and over them what a person settled for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.kinds import several, shown
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS, GenerationRequest, ModelInfo
from webui.kept.models import FORM_FIELDS, ModelSettings

REAL_STEPS = 25  # of a real checkpoint that says nothing itself
_SETTLED = {one.name: one.default for one in REQUEST_FIELDS if one.setting.per_model == "form"}
FOUND = "found"  # beside the defaults a tab hides: the kept form has been shown, so from now on what is shown is kept


def program_defaults(model: ModelInfo | None) -> dict[str, Any]:
    """Of the fields that suit a model."""
    side = model.native_size if model else 512
    small = model is not None and model.builtin
    return {
        **_SETTLED,
        "width": side,
        "height": side,
        "guidance": model.guidance if model else _SETTLED["guidance"],
        "steps": model.steps if model and model.steps else _SETTLED["steps"] if small else REAL_STEPS,
        "batch_size": 4 if small else 1,
        "sampler": model.sampler if model and model.sampler else _SETTLED["sampler"],
    }


def model_defaults(model: ModelInfo | None, settings: ModelSettings) -> dict[str, Any]:
    """The program's, and over them what is settled for this model."""
    found = program_defaults(model)
    settled = settings.get(model) if model is not None else {}
    if settled.get("schedule", "automatic") not in SAMPLERS[settled.get("sampler", found["sampler"])].schedules:
        settled.pop("schedule")
    return found | {name: settled[name] for name in FORM_FIELDS if name in settled}


def form_defaults(model: ModelInfo | None, settings: ModelSettings) -> dict[str, Any]:
    """Of every field but the prompts and the model."""
    apart = ("prompt", "negative_prompt", "model")
    shown = (one for one in REQUEST_FIELDS if one.setting.page and not one.is_picture and one.name not in apart)
    return {one.name: one.default for one in shown} | model_defaults(model, settings)


def begun_with(model: ModelInfo, wanted: Mapping[str, Any], settings: ModelSettings) -> dict[str, Any]:
    """What a new form of the page begins with, where `wanted` says nothing; of one picture."""
    begun = form_defaults(model, settings) | {"batch_size": 1}
    if "sampler" in wanted:
        begun["schedule"] = GenerationRequest().schedule  # the settled one goes with the settled sampler
    return begun | {"model": model.name}


def model_of(models: Sequence[ModelInfo], name: object) -> ModelInfo:
    """The one of this name, or the first where none is named. Raises InvalidRequest."""
    for model in models:
        if name in (None, model.name):
            return model
    raise InvalidRequest("model", "model_unknown", known=several([model.name for model in models]), value=shown(name))


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
