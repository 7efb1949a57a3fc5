"""Words on memory: the line under the sizes, whether they fit and how long they take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pipelines import families
from pipelines.errors import InvalidRequest, Note
from pipelines.fields import build, flat
from pipelines.groups import Hires
from pipelines.leading import AUTOMATIC
from pipelines.models.memory import FAMILIES, Calibration, Means, Plan, Size, plan, rows_of, shape_of, upscaler_bytes
from pipelines.prompts.grammar import prompts_in
from pipelines.steps import PassSize, work_of
from pipelines.types import REQUEST_FIELDS, EngineState, GenerationRequest, ModelInfo
from webui.jobs.durations import Durations
from webui.jobs.maps import PICTURES, REFERENCES, SLOTS
from webui.ui.generate.controls import accepted
from webui.ui.house import House
from webui.words import Language, say

_BYTES = {"float16": 2, "bfloat16": 2}  # of a number in a file; of others four
_COUNTS = ("steps", "sampler", "schedule", "width", "height")  # what a picture's work goes by, and what hires needs


def teller(house: House) -> Callable[[GenerationRequest, Language], str]:
    """Of a request that is not in the form."""

    def tell(request: GenerationRequest, language: Language) -> str:
        files = files_of(house)
        fields = flat(request)
        pace = house.durations.refreshed()
        return told(house.service.engine_state(), house.model(request.model), fields, language, pace, files)

    return tell


def files_of(house: House) -> Sequence[ModelInfo]:
    """All that works beside models."""
    service = house.service
    models = families.refiners(service.models())
    return (*service.upscaler_files(), *models, *service.controls(), *service.references())


def told(
    state: EngineState,
    model: ModelInfo | None,
    fields: Mapping[str, Any],
    language: Language,
    durations: Durations | None = None,
    files: Sequence[ModelInfo] = (),
) -> str:
    """`fields`: what the form holds, checked by nobody yet, and true for each picture that is given to follow; `files`:
    all that works beside models. "" when nothing is known of the model or the memory."""
    free = state.memory_free_bytes
    if free is None or model is None:
        return ""
    if model.sampler is not None and not model.builtin:
        return say(Note("fit_unknown"), language)
    if model.family not in FAMILIES:
        return ""
    width, height, batch = (_within(fields[name]) for name in ("width", "height", "batch_size"))
    fields = {**fields, "detail_side": fields.get("detail_size") or model.native_size}
    passes = _passes(fields)
    if passes:
        largest = max(passes, key=lambda one: one.width * one.height)
        width, height = largest.width, largest.height
    guidance = fields["guidance"]
    if not (width and height and batch) or not isinstance(guidance, (int, float)):
        return ""
    prompts = prompts_in(str(fields.get("prompt") or ""), str(fields.get("dialect")))
    rows = rows_of(guidance, editing=model.variant == "pix2pix", prompts=prompts) + prompts * _spoilt(fields)
    second, shares = fields.get("hires") is True and len(passes) > 1, fields.get("reuse") is True
    enlarging = _upscaler(fields, files) if second else 0
    sees = _sees(fields, passes, second=second)
    size = Size(width=width, height=height, batch=batch, rows=rows, shares=shares, sees=sees, upscaler=enlarging)
    made = _plan(state, (model, *_refiner(fields, files)), size, free, _beside(model, fields, files))
    return say(made.told(None if durations is None else _seconds(durations, model, fields)), language)


def _sees(fields: Mapping[str, Any], passes: Sequence[PassSize], *, second: bool) -> int:
    """Pixels that the network sees at once, where a pass is in tiles: the `second`, if there is one; 0: none is."""
    side = _within(fields.get("tiles_side")) if fields.get("tiles") is True else 0
    if not side or not passes:
        return 0
    seen = [(one.width, one.height) for one in passes]
    width, height = seen[second]
    seen[second] = min(side, width), min(side, height)
    return max(width * height for width, height in seen)


class _Beside(NamedTuple):
    """Numbers of the networks that work with a model: with its UNet, and while its text is encoded."""

    unet: int = 0
    text: int = 0


def _beside(model: ModelInfo, fields: Mapping[str, Any], files: Sequence[ModelInfo]) -> _Beside:
    """Those that the form names and gives a picture; each counts once."""

    def chosen(slots: Sequence[str], kind: str) -> int:
        names = {fields.get(f"{slot}_model") for slot in slots if fields.get(PICTURES[slot])}
        mine = [one for one in files if one.kind == kind and one.family == model.family]
        settled = {one.name for one in mine[:1]} if AUTOMATIC in names else set()
        return sum(one.bytes // _BYTES.get(one.dtype, 4) for one in mine if one.name in names | settled)

    return _Beside(unet=chosen(SLOTS, "controlnet"), text=chosen(REFERENCES, "ip-adapter"))


def _plan(state: EngineState, models: Sequence[ModelInfo], size: Size, free: int, beside: _Beside) -> Plan:
    """Of the one that takes most. On a card they take turns; in main memory all lie beside each other. `beside`: what
    works with the first."""
    width = 4 if state.dtype == "float32" else 2
    shapes = {one.family: shape_of(one.family, bytes_per_number=width) for one in models}
    first = shapes[models[0].family]
    shapes[models[0].family] = replace(first, beside=width * beside.unet, text=first.text + width * beside.text)
    weights = 0 if state.memory_moves else sum(shapes[one.family].weights for one in models)
    plans = [
        plan(
            (shape := shapes[one.family]),
            size,
            free - max(0, weights - shape.weights),
            calibration=Calibration(**state.memory_learned.get(one.family, {})),
            means=Means(moving=state.memory_moves, narrowing=state.memory_moves),
        )
        for one in models
    ]
    return max(plans, key=lambda one: (one.ways is None, one.bytes))


def _refiner(fields: Mapping[str, Any], files: Sequence[ModelInfo]) -> list[ModelInfo]:
    """The model that runs the last steps, where there is one."""
    wanted = fields.get("refiner_model") if fields.get("refiner") is True else None
    return [one for one in files if one.name == wanted and one.family in FAMILIES][:1]


def _upscaler(fields: Mapping[str, Any], upscalers: Sequence[ModelInfo]) -> int:
    """Bytes of the one that is chosen for the second pass, as if in 32 bits; 0: it is no file's."""
    info = next((one for one in upscalers if one.name == fields.get("hires_upscaler")), None)
    sides = (min(_within(fields[name]), Hires().tile) for name in ("width", "height"))
    return 0 if info is None else upscaler_bytes(info.bytes, (next(sides), next(sides)), 4)


def _spoilt(fields: Mapping[str, Any]) -> int:
    """So many more times the network is asked of each prompt; 0 where the form holds what no request may."""
    there = {one.name: fields[one.name] for one in REQUEST_FIELDS if one.group == "guiding" and one.name in fields}
    try:
        guiding = build(GenerationRequest, there).guiding
    except InvalidRequest:
        return 0
    return 0 if guiding is None else guiding.spoilt


def _seconds(durations: Durations, model: ModelInfo, fields: Mapping[str, Any]) -> float | None:
    """Of the whole run, as far as the form is filled in."""
    counts = {name: fields.get(name) for name in ("batch_size", "batches")}
    passes, strength = _passes(fields), fields.get("strength", 1)
    if not passes or not all(accepted(name, value) for name, value in {**counts, "strength": strength}.items()):
        return None
    one = durations.seconds(model.name, work_of(passes, strength))
    return None if one is None else one * math.prod(int(count) for count in counts.values() if count is not None)


def _passes(fields: Mapping[str, Any]) -> tuple[PassSize, ...]:
    """Of one image without a start picture; none where the form holds what no request may."""
    there = (one.name for one in REQUEST_FIELDS if one.name in _COUNTS or one.group in ("hires", "detail"))
    try:
        return build(GenerationRequest, {name: fields[name] for name in there if name in fields}).passes
    except InvalidRequest:
        return ()


def _within(value: object) -> int:
    """0 for what is no size at all: the request says so when it is sent."""
    return value if isinstance(value, int) and 0 < value <= 4096 else 0
