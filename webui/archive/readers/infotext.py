"""The `parameters` text that other programs of this field read and write ("infotext"), as data, never evaluated."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.fields import Field
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS
from webui.archive import VERSION

TEXT_LIMIT = 256 * 1024  # bytes of UTF-8

Fields = dict[str, Any]

_NEGATIVE = "Negative prompt:"
# a key has at least two characters; 80 at most here, so that no text makes the search slow
_PAIR = re.compile(r'(\w[\w \-/]{1,79}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
_LEAST_PAIRS = 3  # fewer on the last line: it belongs to the prompt


def _lowered(key: str) -> dict[str, Any]:
    return {text.lower(): value for text, value in _BY_KEY[key].setting.words.items()}


_SAMPLERS = {name.lower(): name for name in SAMPLERS}
# its key in the text -> the field
_BY_KEY = {one.setting.infotext: one for one in REQUEST_FIELDS if one.setting.infotext}
_SCHEDULES = _lowered("Schedule type")
_SILENT = {"Version", "User", "Model hash"}  # they tell about the image, not how to make it


def quote(value: object) -> str:
    """A value that would break the line is written as JSON text."""
    text = str(value)
    breaks = any(mark in text for mark in ",\n:") or (len(text) > 1 and text[0] == text[-1] == '"')
    return json.dumps(text, ensure_ascii=False) if breaks else text


def write(settings: Mapping[str, Any], *, model_sha256: str | None = None) -> str:
    """The text for one image. `settings`: the flat fields of `metadata.flat_fields`."""
    pairs: dict[str, str] = {}
    for one in REQUEST_FIELDS:
        if one.name == "width":
            pairs["Size"] = f"{settings['width']}x{settings['height']}"
        elif one.name == "model" and model_sha256:
            pairs["Model hash"] = model_sha256[:10]
        if one.setting.infotext and _told(one, settings):
            pairs[one.setting.infotext] = _text_of(one, settings[one.name])
    pairs |= {"RNG": "CPU", "Version": f"seedprint {VERSION}"}
    line = ", ".join(f"{key}: {quote(value)}" for key, value in pairs.items())
    negative = f"\n{_NEGATIVE} {settings['negative_prompt']}" if settings["negative_prompt"] else ""
    return f"{settings['prompt']}{negative}\n{line}".strip()


def _told(one: Field, settings: Mapping[str, Any]) -> bool:
    if one.name not in settings or (one.setting.sparse and settings[one.name] == one.default):
        return False
    return not one.setting.needs or bool(settings.get(one.setting.needs))


def _text_of(one: Field, value: Any) -> str:
    return next((text for text, meant in one.setting.words.items() if meant == value), None) or one.kind.write(value)


def holds(prompt: str, negative_prompt: str) -> bool:
    """Whether the format can carry the two prompts unchanged (our own JSON always can)."""
    if prompt[:1].isspace() or "\r" in prompt + negative_prompt:
        return False
    return not any(line.startswith(_NEGATIVE) for line in f"{prompt}\n{negative_prompt}".split("\n"))


def read(text: str) -> tuple[Fields, list[str]]:
    """The fields a text sets, and what of it was not understood. Raises InvalidRequest when it is too long."""
    if len(text) > TEXT_LIMIT or len(text.encode(errors="replace")) > TEXT_LIMIT:
        raise InvalidRequest("parameters", "record_too_long", limit=TEXT_LIMIT // 1024, value=len(text))
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
    if any(_BY_KEY[key].group == "inpaint" for key in given if key in _BY_KEY):
        fields |= {one.name: one.default for one in _BY_KEY.values() if one.group == "inpaint" and one.setting.sparse}
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
    one = _BY_KEY.get(key)
    if one is None:
        return None
    if one.setting.words:
        words = _lowered(key)
        return {one.name: words[value.lower()]} if value.lower() in words else None
    try:
        return accepted({one.name: one.kind.read(value)})
    except ValueError:
        return None


def sampler_fields(value: str) -> Fields | None:
    """A sampler's name; programs before 2024 wrote the schedule behind it: `DPM++ 2M Karras`."""
    if value.lower() in _SAMPLERS:
        return {"sampler": _SAMPLERS[value.lower()]}
    name, _, schedule = value.lower().rpartition(" ")
    if name in _SAMPLERS and schedule in _SCHEDULES:
        return {"sampler": _SAMPLERS[name], "schedule": _SCHEDULES[schedule]}
    return None


def accepted(fields: Fields) -> Fields | None:
    """The fields if a request may hold each of them, else None. What goes with what is the request's own business."""
    known = {one.name: one for one in REQUEST_FIELDS if not one.is_picture}
    return fields if all(name in known and known[name].accepts(value) for name, value in fields.items()) else None
