"""ControlNets and reference pictures in A1111's text, as its extension sd-webui-controlnet writes both:
`ControlNet 0: "Module: canny, …"`, `ControlNet 1: "Module: ip-adapter-auto, …"`.

The map or picture itself is no part of that text, nor the image encoder, which the module implies there.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

from pipelines.fields import field_of
from pipelines.types import GenerationRequest
from webui.jobs.maps import REFERENCES, SLOTS

_KEY = re.compile(r"ControlNet (\d)")
_PAIR = re.compile(r"\s*([A-Za-z ]+): ((?:(?!, [A-Z][A-Za-z ]*: ).)*),?")
_HASH = re.compile(r" \[[0-9a-f]{8,}\]$")
# ours -> theirs; ours that they have not are written as we call them
_MODULES = {
    "lineart": "lineart_standard (from white bg & black line)",
    "scribble": "scribble_xdog",
    "invert": "invert (from white bg & black line)",
    "tile": "tile_resample",
    "blur": "blur_gaussian",
    "colour grid": "t2ia_color_grid",
}
_BALANCES = {
    "balanced": "Balanced",
    "prompt": "My prompt is more important",
    "control": "ControlNet is more important",
}
_WORDS = {"preprocessor": _MODULES, "balance": _BALANCES}
_FIELDS = {
    "Module": "preprocessor",
    "Model": "model",
    "Weight": "weight",
    "Threshold A": "low",
    "Threshold B": "high",
    "Guidance Start": "start",
    "Guidance End": "end",
    "Control Mode": "balance",
}
_OF_CANNY = ("low", "high")
_REFERRING, _FACES = "ip-adapter", "face"  # what such modules are called, and what those of faces hold
_OF_REFERENCES = {"Model": "model", "Weight": "weight", "Guidance Start": "start", "Guidance End": "end"}


def write(settings: Mapping[str, Any]) -> dict[str, str]:
    """The pairs of a request's flat fields."""
    pairs = {}
    for number, slot in enumerate(SLOTS):
        if f"{slot}_model" in settings:
            there = {key: name for key, name in _FIELDS.items() if _tells(slot, name, settings)}
            told = (f"{key}: {_text(slot, name, settings)}" for key, name in there.items())
            pairs[f"ControlNet {number}"] = ", ".join(told)
    for number, slot in enumerate(REFERENCES, len(SLOTS)):  # behind those that follow maps
        if f"{slot}_model" in settings:
            told = (f"{key}: {_text(slot, name, settings)}" for key, name in _OF_REFERENCES.items())
            pairs[f"ControlNet {number}"] = ", ".join((f"Module: {_REFERRING}-auto", *told))
    return pairs


def read(key: str, text: str, before: Container[str] = ()) -> tuple[dict[str, Any], list[str]] | None:
    """The fields of one pair, and what of it was not understood; None: it is not about a ControlNet of ours. `before`:
    the fields that the pairs before it told."""
    found, pairs = _KEY.fullmatch(key), dict(_PAIR.findall(text))
    if found is not None and pairs.get("Module", "").lower().startswith(_REFERRING):
        return _reference(key, int(found[1]) - len(SLOTS), pairs, before)
    if found is None or int(found[1]) >= len(SLOTS):
        return None
    slot, fields, unknown = SLOTS[int(found[1])], dict[str, Any](), list[str]()
    if pairs.get("Module") != "canny":  # of others the thresholds are not these
        pairs = {name: value for name, value in pairs.items() if _FIELDS.get(name) not in _OF_CANNY}
    for theirs, value in pairs.items():
        if theirs not in _FIELDS:
            continue  # how it was prepared there: sizes, how it was laid into the picture
        name = _FIELDS[theirs]
        read_value = _value(slot, name, value)
        if read_value is None:
            unknown.append(f"{key} {theirs}: {value}")
        else:
            fields[f"{slot}_{name}"] = read_value
    return fields, unknown


def _reference(
    key: str, place: int, pairs: Mapping[str, str], before: Container[str]
) -> tuple[dict[str, Any], list[str]]:
    """`place`: where ours stand; else, as in texts of the extension, the next that is free is taken."""
    free = [one for one in REFERENCES if f"{one}_model" not in before]
    free.sort(key=lambda one: REFERENCES.index(one) != place)
    if not free or _FACES in pairs["Module"].lower():
        return {}, [f"{key} Module: {pairs['Module']}"]
    slot, fields = free[0], dict[str, Any]()
    mode = pairs.get("Control Mode", _BALANCES["balanced"])
    unknown = [] if mode == _BALANCES["balanced"] else [f"{key} Control Mode: {mode}"]
    for theirs, name in _OF_REFERENCES.items():
        value = _value(slot, name, pairs[theirs]) if theirs in pairs else None
        if value is not None:
            fields[f"{slot}_{name}"] = value
        elif theirs in pairs:
            unknown.append(f"{key} {theirs}: {pairs[theirs]}")
    return fields, unknown


def _tells(slot: str, name: str, settings: Mapping[str, Any]) -> bool:
    there = f"{slot}_{name}" in settings
    return there and (name not in _OF_CANNY or settings.get(f"{slot}_preprocessor") == "canny")


def _text(slot: str, name: str, settings: Mapping[str, Any]) -> str:
    one, value = field_of(GenerationRequest, f"{slot}_{name}"), settings[f"{slot}_{name}"]
    assert one is not None
    return _WORDS.get(name, {}).get(value) or one.kind.write(value)


def _value(slot: str, name: str, text: str) -> Any:
    """None: a request cannot hold it."""
    one = field_of(GenerationRequest, f"{slot}_{name}")
    assert one is not None
    ours = {theirs: own for own, theirs in _WORDS.get(name, {}).items()}
    try:
        value = ours[text] if text in ours else one.kind.read(_HASH.sub("", text) if name == "model" else text)
    except ValueError:
        try:
            value = int(float(text)) if name in _OF_CANNY else None
        except (ValueError, OverflowError):
            return None
    return value if value is not None and one.accepts(value) else None
