"""What the readers of other programs' texts share: JSON as data, values checked one by one, names of samplers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pipelines.sampling.samplers import SAMPLERS
from webui.archive.readers import infotext
from webui.archive.readers.names import short, stem

TEXT_LIMIT = 4 * 1024 * 1024  # characters of one text; workflows with many nodes have half a million
DEPTH_LIMIT = 40  # objects within objects

_UNKNOWN_LIMIT = 60  # values
_NUMBER_LIMIT = 30  # characters of a number written as text
_WHOLE = ("steps", "width", "height", "seed", "clip_skip")
_REAL = ("guidance", "strength")
_TEXT = ("prompt", "negative_prompt", "model")

# evenly spaced in time over the model's own noise levels: what "automatic" is for most samplers
_EVEN = ("normal", "native", "")
_SCHEDULES = {"karras": "karras", "exponential": "exponential", "beta": "beta", "sgm_uniform": "sgm uniform"}


def check_depth(value: Any, left: int = DEPTH_LIMIT) -> None:
    """Raises ValueError for a nest that would exhaust the stack of whoever walks it."""
    if left == 0:
        raise ValueError("too deep")
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            check_depth(item, left - 1)


def load_object(text: object) -> dict[str, Any] | None:
    """A JSON object, None when the text is none, is too long or too deep."""
    if not isinstance(text, str) or len(text) > TEXT_LIMIT or not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
        check_depth(data)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


class Findings:
    """Gathers what a text says: request fields that are surely meant, and everything else by its name."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.model_hash: str | None = None
        self._unknown: list[str] = []

    @property
    def unknown(self) -> tuple[str, ...]:
        kept = list(dict.fromkeys(self._unknown))
        rest = len(kept) - _UNKNOWN_LIMIT
        return tuple(kept if rest <= 0 else [*kept[:_UNKNOWN_LIMIT], f"and {rest} more"])

    def tell(self, label: str, value: object) -> None:
        """Notes what was not understood."""
        self._unknown.append(f"{label[:80]}: {short(value)}")

    def take(self, name: str, value: object, label: str) -> bool:
        """Sets a request's field when a request may hold the value, else notes it; whether it was set."""
        if value is None:
            return False
        checked = _number(name, value) if name in (*_WHOLE, *_REAL) else value
        usable = isinstance(checked, str) if name in _TEXT else checked is not None
        found = infotext.accepted({name: checked}) if usable else None
        if found is None:
            self.tell(label, value)
            return False
        self.fields |= found
        return True

    def take_model(self, value: object, label: str, sha256: object = None) -> None:
        """The model by its file's or its given name, and the beginning of its SHA-256 when that is what it is."""
        self.take("model", stem(value), label)
        if isinstance(sha256, str) and 8 <= len(sha256) <= 64 and not set(sha256) - set("0123456789abcdef"):
            self.model_hash = sha256

    def take_sampler(self, value: object, names: Mapping[str, str], label: str = "sampler") -> None:
        """A sampler by another program's name."""
        sampler = names.get(value) if isinstance(value, str) else None
        if sampler is not None:
            self.fields["sampler"] = sampler
        elif value is not None:
            self.tell(label, value)

    def take_schedule(self, value: object, label: str = "scheduler") -> None:
        """A schedule by another program's name. After `take_sampler`: not every sampler goes with every schedule."""
        spec = SAMPLERS.get(self.fields.get("sampler", ""))
        schedule = _SCHEDULES.get(value) if isinstance(value, str) else None
        if value in _EVEN and spec is not None and not spec.automatic:
            schedule = "automatic"
        if schedule is not None and (spec is None or schedule in spec.schedules):
            self.fields["schedule"] = schedule
        elif value is not None:
            self.tell(label, value)

    def take_size(self, width: object, height: object, label: str = "size") -> None:
        """Both sides or none: a picture of another shape is no help."""
        sides = {"width": _number("width", width), "height": _number("height", height)}
        found = infotext.accepted(sides) if None not in sides.values() else None
        if found is not None:
            self.fields |= found
        elif width is not None or height is not None:
            self.tell(label, f"{short(width)}x{short(height)}")

    def rest(self, data: Mapping[str, Any], known: frozenset[str]) -> None:
        """Notes every value that is neither known nor empty."""
        for name, value in data.items():
            if name not in known and value not in (None, "", False, 0, "None", "False") and value != [] and value != {}:
                self.tell(name, value)


def _number(name: str, value: object) -> int | float | None:
    """A finite number, also from text; whole where the field wants it."""
    if isinstance(value, str) and len(value) <= _NUMBER_LIMIT:
        try:
            value = float(value) if any(mark in value for mark in ".eE") else int(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if name in _WHOLE:
            return int(value) if value == int(value) else None
    return value
