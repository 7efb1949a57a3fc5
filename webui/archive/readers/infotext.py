"""The `parameters` text that other programs of this field read and write ("infotext"), as data, never evaluated."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.sampling.samplers import SAMPLERS, SCHEDULES
from pipelines.types import DIALECTS, MASKED_CONTENTS, RESIZE_MODES, GenerationRequest
from webui.archive import VERSION

TEXT_LIMIT = 256 * 1024  # bytes of UTF-8

Fields = dict[str, Any]

_NEGATIVE = "Negative prompt:"
# a key has at least two characters; 80 at most here, so that no text makes the search slow
_PAIR = re.compile(r'(\w[\w \-/]{1,79}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
_LEAST_PAIRS = 3  # fewer on the last line: it belongs to the prompt

SCHEDULE_LABELS = {name: "SGM Uniform" if name == "sgm uniform" else name.capitalize() for name in SCHEDULES}
_SCHEDULES = {label.lower(): name for name, label in SCHEDULE_LABELS.items()}
_SAMPLERS = {name.lower(): name for name in SAMPLERS}
_AREAS = {"whole picture": False, "only masked": True}
_MODES = {"inpaint masked": False, "inpaint not masked": True}
_INPAINT_KEYS = {"Mask mode", "Mask blur", "Inpaint area", "Masked area padding", "Masked content"}
_SILENT = {"Version", "User", "Model hash"}  # they tell about the image, not how to make it


def number_text(value: float) -> str:
    """7.0 -> "7", 7.5 -> "7.5"; reads back to the same number."""
    return str(int(value)) if value == int(value) else repr(value)


def quote(value: object) -> str:
    """A value that would break the line is written as JSON text."""
    text = str(value)
    breaks = any(mark in text for mark in ",\n:") or (len(text) > 1 and text[0] == text[-1] == '"')
    return json.dumps(text, ensure_ascii=False) if breaks else text


def write(settings: Mapping[str, Any], *, model_sha256: str | None = None) -> str:
    """The text for one image. `settings`: the flat fields of `metadata.flat_fields`."""
    inpaint = "mask_blur" in settings
    only_masked = settings.get("only_masked", False)
    content = settings.get("masked_content")
    pairs = {
        "Steps": settings["steps"],
        "Sampler": settings["sampler"],
        "Schedule type": SCHEDULE_LABELS.get(settings["schedule"], settings["schedule"]),
        "CFG scale": number_text(settings["guidance"]),
        "Seed": settings["seed"],
        "Size": f"{settings['width']}x{settings['height']}",
        "Model hash": model_sha256[:10] if model_sha256 else None,
        "Model": settings["model"],
        "Denoising strength": number_text(settings["strength"]) if "strength" in settings else None,
        "Clip skip": settings["clip_skip"] if settings["clip_skip"] > 1 else None,
        "Prompt dialect": settings["dialect"] if settings.get("dialect", DIALECTS[0]) != DIALECTS[0] else None,
        "RNG": "CPU",
        "Mask mode": "Inpaint not masked" if settings.get("invert") else None,
        "Mask blur": settings["mask_blur"] if inpaint else None,
        "Inpaint area": "Only masked" if only_masked else None,
        "Masked area padding": settings.get("padding") if only_masked else None,
        "Masked content": content if content != "original" else None,
        "Version": f"seedprint {VERSION}",
    }
    line = ", ".join(f"{key}: {quote(value)}" for key, value in pairs.items() if value is not None)
    negative = f"\n{_NEGATIVE} {settings['negative_prompt']}" if settings["negative_prompt"] else ""
    return f"{settings['prompt']}{negative}\n{line}".strip()


def holds(prompt: str, negative_prompt: str) -> bool:
    """Whether the format can carry the two prompts unchanged (our own JSON always can)."""
    if prompt[:1].isspace() or "\r" in prompt + negative_prompt:
        return False
    return not any(line.startswith(_NEGATIVE) for line in f"{prompt}\n{negative_prompt}".split("\n"))


def read(text: str) -> tuple[Fields, list[str]]:
    """The fields a text sets, and what of it was not understood. Raises InvalidRequest when it is too long."""
    if len(text) > TEXT_LIMIT or len(text.encode(errors="replace")) > TEXT_LIMIT:
        raise InvalidRequest("parameters", f"must have at most {TEXT_LIMIT // 1024} kB, got {len(text):,} characters")
    lines = text.replace("\r\n", "\n").strip().split("\n")
    pairs = _PAIR.findall(lines[-1])
    if len(pairs) < _LEAST_PAIRS:
        pairs = []
    else:
        lines.pop()
    fields = _prompts(lines)
    return _settings(fields, pairs) if pairs else (fields, [])


def model_hash(text: str) -> str | None:
    """The short model hash a text names."""
    found = re.search(r"Model hash: ([0-9a-f]{8,64})(?:,|$)", text.rstrip().rpartition("\n")[2])
    return found[1] if found else None


def _prompts(lines: list[str]) -> Fields:
    start = next((place for place, line in enumerate(lines) if line.startswith(_NEGATIVE)), len(lines))
    negative = []
    for line in lines[start:]:
        # the reference cuts the words off every such line, so a negative prompt cannot hold them
        negative.append(line[len(_NEGATIVE) :].removeprefix(" ") if line.startswith(_NEGATIVE) else line)
    return {"prompt": "\n".join(lines[:start]), "negative_prompt": "\n".join(negative)}


def _settings(fields: Fields, pairs: list[tuple[str, str]]) -> tuple[Fields, list[str]]:
    given = {key: _unquote(value.strip()) for key, value in pairs if value.strip()}
    fields |= {"clip_skip": 1, "schedule": "automatic"}
    if _INPAINT_KEYS & set(given):
        fields |= {"masked_content": "original", "only_masked": False, "invert": False}
    unknown = []
    for key, value in given.items():
        found = _field(key, value)
        if found is None:
            unknown.append(f"{key}: {value}")
        else:
            fields |= found
    return fields, unknown


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        with contextlib.suppress(ValueError, RecursionError):
            inner = json.loads(value)
            return inner if isinstance(inner, str) else value
    return value


def _field(key: str, value: str) -> Fields | None:
    """One pair as fields; {} when it needs none, None when it is not understood."""
    if key in _SILENT:
        return {}
    if key == "RNG":
        return {} if value == "CPU" else None
    if key == "Size":
        size = _SIZE.fullmatch(value)
        return accepted({"width": int(size[1]), "height": int(size[2])}) if size else None
    if key == "Sampler":
        return sampler_fields(value)
    if key in _CHOICES:
        name, choices = _CHOICES[key]
        return {name: choices[value.lower()]} if value.lower() in choices else None
    if key in _NUMBERS:
        name, kind = _NUMBERS[key]
        try:
            return accepted({name: kind(value)})
        except ValueError:
            return None
    return accepted({"model": value}) if key == "Model" else None


def sampler_fields(value: str) -> Fields | None:
    """A sampler's name; programs before 2024 wrote the schedule behind it: `DPM++ 2M Karras`."""
    if value.lower() in _SAMPLERS:
        return {"sampler": _SAMPLERS[value.lower()]}
    name, _, schedule = value.lower().rpartition(" ")
    if name in _SAMPLERS and schedule in _SCHEDULES:
        return {"sampler": _SAMPLERS[name], "schedule": _SCHEDULES[schedule]}
    return None


_CHOICES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "Schedule type": ("schedule", _SCHEDULES),
    "Prompt dialect": ("dialect", {name: name for name in DIALECTS}),
    "Masked content": ("masked_content", {name: name for name in MASKED_CONTENTS}),
    "Inpaint area": ("only_masked", _AREAS),
    "Mask mode": ("invert", _MODES),
}
_NUMBERS: dict[str, tuple[str, type[int] | type[float]]] = {
    "Steps": ("steps", int),
    "CFG scale": ("guidance", float),
    "Seed": ("seed", int),
    "Denoising strength": ("strength", float),
    "Clip skip": ("clip_skip", int),
    "Mask blur": ("mask_blur", int),
    "Masked area padding": ("padding", int),
}
_OPTIONS: dict[str, tuple[Any, ...]] = {
    "resize_mode": RESIZE_MODES,
    "masked_content": MASKED_CONTENTS,
    "invert": (True, False),
    "only_masked": (True, False),
}
_RANGES = {"strength": (0, 1), "mask_blur": (0, 64), "mask_grow": (-64, 64), "padding": (0, 256)}


def accepted(fields: Fields) -> Fields | None:
    """The fields if a request may hold each of them, else None."""
    plain: Fields = {}
    for name, value in fields.items():
        if name in _RANGES:
            low, high = _RANGES[name]
            if not low <= value <= high:
                return None
        elif name in _OPTIONS or name == "schedule":  # which sampler that goes with is checked when a request is built
            if value not in _OPTIONS.get(name, SCHEDULES):
                return None
        else:
            plain[name] = value
    try:
        GenerationRequest(**plain)
    except (InvalidRequest, OverflowError):  # a whole number of 400 digits is no float
        return None
    return fields
