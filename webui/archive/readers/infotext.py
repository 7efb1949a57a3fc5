"""The `parameters` text that other programs of this field read and write ("infotext"), as data, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.fields import Field
from pipelines.kinds import Flag
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS, TILINGS
from webui.archive import VERSION
from webui.archive.readers import controls
from webui.archive.readers.grammar import NEGATIVE, holds, parts_of, quote
from webui.archive.readers.names import SDCPP_SAMPLERS, SDCPP_SCHEDULES, is_file, sdcpp_fields, short, stem

__all__ = ["accepted", "holds", "model_hash", "quote", "read", "sampler_fields", "write"]

TEXT_LIMIT = 256 * 1024  # bytes of UTF-8

Fields = dict[str, Any]

_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")
_HASH = re.compile(r"[0-9a-f]{8,64}")
_SECOND_PASS = "Hires "
_THRESHOLDED = "Dynamic thresholding enabled"  # as an extension of A1111 writes
_FIRST_PASS = "First pass size"  # as A1111 wrote before 2023, when there was a second
# our name of a pair -> what it is written as, which a start picture has as well; the two never stand together
_WRITTEN = {"Hires denoising strength": "Denoising strength"}
_SIZES = {  # pairs that tell of two fields
    "Size": ("width", "height"),
    "Hires resize": ("hires_width", "hires_height"),
    "Seed resize from": ("from_width", "from_height"),
}
_FIRST_SIDES = {names[0]: key for key, names in _SIZES.items()}
_SIDES = {name for names in _SIZES.values() for name in names}
_BY_STEPS = "Refiner switch by sampling steps"  # else A1111 counts the model's timesteps
_SHORT_HASH = re.compile(r" \[[0-9a-f]{8,10}\]$")  # A1111 writes it behind a refiner's name
_BEHIND_LIMIT = 20  # lines behind the settings that are told


def _lowered(key: str) -> dict[str, Any]:
    return {text.lower(): value for text, value in _BY_KEY[key].setting.words.items()}


_SAMPLERS = {name.lower(): name for name in SAMPLERS}
# its key in the text -> the field
_BY_KEY = {one.setting.infotext: one for one in REQUEST_FIELDS if one.setting.infotext}
_GROUP_OF = {key: one.group for key, one in _BY_KEY.items()} | {
    key: one.group for key, names in _SIZES.items() for one in REQUEST_FIELDS if one.name == names[0]
}
_UNSAID = {"variation_strength": 0.0}  # what a group's key means where that text leaves it out
_SPOKEN = {one.group for one in _BY_KEY.values()}  # the groups that the text has words for
_SCHEDULES = _lowered("Schedule type")
# what ADetailer writes where another of its pairs counts, or where it works as we always do
_WITH = {"ADetailer steps": "ADetailer use separate steps", "ADetailer CFG scale": "ADetailer use separate CFG scale"}
_AS_EVER = {*_WITH.values(), "ADetailer inpaint only masked"}
_SILENT = {"Version", "User", "Model hash", "ADetailer version"}  # they tell about the image, not how to make it


def write(
    settings: Mapping[str, Any], *, model_sha256: str | None = None, besides: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The text for one image. `settings`: the flat fields of `metadata.flat_fields`; `besides`: pairs that are none."""
    pairs: dict[str, str] = {}
    for one in REQUEST_FIELDS:
        if one.name in _FIRST_SIDES:
            pairs |= _size_of(_FIRST_SIDES[one.name], settings)
        elif one.name == "model" and model_sha256:
            pairs["Model hash"] = model_sha256[:10]
        if one.setting.infotext and _told(one, settings):
            key = one.setting.infotext
            pairs |= {_WITH[key]: "True"} if key in _WITH else {}
            pairs[_WRITTEN.get(key, key)] = _text_of(one, settings[one.name])
    if settings.get("refiner"):
        pairs[_BY_STEPS] = "True"
    line = line_of({**pairs, **controls.write(settings), "RNG": "CPU", **besides})
    negative = f"\n{NEGATIVE} {settings['negative_prompt']}" if settings["negative_prompt"] else ""
    return f"{settings['prompt']}{negative}\n{line}".strip()


def line_of(pairs: Mapping[str, str]) -> str:
    """The last line of such a text; what it says alone where nothing else is known."""
    told = {**pairs, "Version": f"seedprint {VERSION}"}
    return ", ".join(f"{key}: {quote(value)}" for key, value in told.items())


def _told(one: Field, settings: Mapping[str, Any]) -> bool:
    if one.name not in settings or (one.setting.sparse and settings[one.name] == one.default):
        return False
    return not one.setting.needs or bool(settings.get(one.setting.needs))


def _size_of(key: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Nothing where it is left to other fields."""
    sides = [settings.get(name, 0) for name in _SIZES[key]]
    return {key: "{}x{}".format(*sides)} if any(sides) else {}


def _text_of(one: Field, value: Any) -> str:
    return next((text for text, meant in one.setting.words.items() if meant == value), None) or one.kind.write(value)


def read(text: str) -> tuple[Fields, list[str]]:
    """The fields a text sets, and what of it was not understood. Raises InvalidRequest when it is too long."""
    if len(text) > TEXT_LIMIT or len(text.encode(errors="replace")) > TEXT_LIMIT:
        raise InvalidRequest("parameters", "record_too_long", limit=TEXT_LIMIT // 1024, value=len(text))
    parts = parts_of(text)
    fields: Fields = {"prompt": parts.prompt, "negative_prompt": parts.negative_prompt}
    if not parts.pairs:
        return fields, []
    fields |= {"clip_skip": 1, "schedule": "automatic", "tiling": TILINGS[0]}
    pairs = _understood(parts.pairs)
    fields |= _groups({_GROUP_OF[key] for key in pairs if key in _GROUP_OF})
    unknown = []
    for key, value in pairs.items():
        if (control := controls.read(key, value, fields)) is not None:
            fields |= control[0]
            unknown += control[1]
            continue
        found = _field(key, value)
        if found is None:
            unknown.append(f"{key}: {value}")
        else:
            fields |= found
    return fields, unknown + [short(line) for line in parts.behind[:_BEHIND_LIMIT]]


def _groups(there: set[str]) -> Fields:
    """What keys of these groups tell of all: whether one with a switch is there, and of those that are, what the text
    leaves out at its default."""
    found: Fields = {}
    for one in REQUEST_FIELDS:
        if one.switch and one.group in _SPOKEN:
            found[one.name] = one.group in there
        elif one.group in there - {""} and ((one.setting.infotext and one.setting.sparse) or one.name in _SIDES):
            found[one.name] = one.default
        elif one.group in there and one.name in _UNSAID:
            found[one.name] = _UNSAID[one.name]
    return found


def _understood(pairs: Mapping[str, str]) -> dict[str, str]:
    """The pairs by the names they have with us. In texts of other programs a model may be a file's name, and the
    strength beside a second pass in high resolution is that pass's own."""
    found = dict(pairs)
    if not found.get("Version", "").startswith("seedprint"):
        if is_file(found.get("Model", "")):
            found["Model"] = str(stem(found["Model"]))
        if "Refiner" in found:
            name = _SHORT_HASH.sub("", found["Refiner"])
            found["Refiner"] = str(stem(name)) if is_file(name) else name
        if _FIRST_PASS in found and "Denoising strength" in found:
            found["Second pass denoising strength"] = found.pop("Denoising strength")
    if found.get(_THRESHOLDED) == "True":
        found["Guidance method"] = "thresholded"
        del found[_THRESHOLDED]
    if any(key.startswith(_SECOND_PASS) for key in found):
        found |= {ours: found.pop(theirs) for ours, theirs in _WRITTEN.items() if theirs in found}
    return found


def model_hash(text: str) -> str | None:
    """The short model hash a text names."""
    found = parts_of(text).pairs.get("Model hash", "")
    return found if _HASH.fullmatch(found) else None


def _field(key: str, value: str) -> Fields | None:
    """One pair as fields; {} when it needs none, None when it is not understood."""
    if key in _SILENT:
        return {}
    if key == _BY_STEPS or key in _AS_EVER:
        return {} if value == "True" else None
    if key == "RNG":
        return {} if value == "CPU" else None
    if key in _SIZES:
        size = _SIZE.fullmatch(value)
        return accepted(dict(zip(_SIZES[key], map(int, size.groups()), strict=True))) if size else None
    if key == "Sampler":
        return sampler_fields(value)
    one = _BY_KEY.get(key)
    if one is None:
        return None
    if one.setting.words and (value.lower() in (words := _lowered(key)) or isinstance(one.kind, Flag)):
        return {one.name: words[value.lower()]} if value.lower() in words else None
    if key == "Hires sampler":
        found = sampler_fields(value) or {}
        return {f"hires_{name}": told for name, told in found.items()} or None
    try:
        return accepted({one.name: one.kind.read(value)})
    except ValueError:
        return None


def sampler_fields(value: str) -> Fields | None:
    """A sampler's name; programs before 2024 wrote the schedule behind it: `DPM++ 2M Karras`, and so does
    stable-diffusion.cpp, by its own names: `euler_a karras`."""
    for sampler, schedule in ((value.lower(), ""), value.lower().rpartition(" ")[::2]):
        if sampler in _SAMPLERS and (not schedule or schedule in _SCHEDULES):
            fields = {"sampler": _SAMPLERS[sampler]}
            if schedule and _SCHEDULES[schedule] not in SAMPLERS[fields["sampler"]].schedules:
                return None
            return fields | {"schedule": _SCHEDULES[schedule]} if schedule else fields
        if sampler in SDCPP_SAMPLERS and (not schedule or schedule in SDCPP_SCHEDULES):
            return sdcpp_fields(sampler, schedule)
    return None


def accepted(fields: Fields) -> Fields | None:
    """The fields if a request may hold each of them, else None. What goes with what is the request's own business."""
    known = {one.name: one for one in REQUEST_FIELDS if not one.is_picture}
    return fields if all(name in known and known[name].accepts(value) for name, value in fields.items()) else None
