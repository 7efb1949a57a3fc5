"""Our versioned JSON of how an image was made, both ways.

The JSON is described in docs/metadata.md. Everything read is data from strangers: capped, checked, never evaluated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.types import GenerationRequest, GenerationResult, InitImage, Inpaint
from webui.archive import VERSION
from webui.archive.inputs import InputStore, pixels_sha256
from webui.archive.readers.values import check_depth

SCHEMA = 1
JSON_LIMIT = 1024 * 1024  # bytes of UTF-8
DEPTH_LIMIT = 40  # objects within objects
ORIGIN_TEXT_LIMIT = 64 * 1024  # characters of a first picture's own text; longer ones stay in the note

_WHOLE_END = 2**63

_PLAIN = tuple(item.name for item in fields(GenerationRequest) if item.name not in ("init", "inpaint"))
_TEMPLATES = ("template", "negative_template")
_OF_MODEL = ("prediction_type", "zero_terminal_snr", "image_guidance")  # null: as the model's files say or is usual
_INIT = ("strength", "resize_mode", "image_guidance")
_INPAINT = ("mask_blur", "mask_grow", "invert", "masked_content", "only_masked", "padding")
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("prompt", "negative_prompt", "model", "vae", "sampler", "schedule", "dialect"), (str,)),
    **dict.fromkeys(("steps", "width", "height", "batch_size", "batches", "clip_skip"), (int,)),
    **dict.fromkeys(("mask_blur", "mask_grow", "padding"), (int,)),
    **dict.fromkeys(("guidance", "strength"), (int, float)),
    **dict.fromkeys(("resize_mode", "masked_content", "image", "mask"), (str,)),
    **dict.fromkeys(("invert", "only_masked"), (bool,)),
    **dict.fromkeys(_TEMPLATES, (str, type(None))),
    "prediction_type": (str, type(None)),
    "image_guidance": (int, float, type(None)),
    "zero_terminal_snr": (bool, type(None)),
    "seed": (int, type(None)),
}


def request_to_json(request: GenerationRequest, inputs: InputStore) -> dict[str, Any]:
    """The request as JSON values; its pictures go into `inputs` and are named by hash. Raises StorageError."""
    data: dict[str, Any] = {name: getattr(request, name) for name in _PLAIN}
    data["init"] = data["inpaint"] = None
    if request.init is not None:
        data["init"] = {"image": inputs.put(request.init.image)} | {n: getattr(request.init, n) for n in _INIT}
    if request.inpaint is not None:
        data["inpaint"] = {"mask": inputs.put(request.inpaint.mask)} | {
            name: getattr(request.inpaint, name) for name in _INPAINT
        }
    return data


def request_from_json(data: Mapping[str, Any], inputs: InputStore) -> GenerationRequest:
    """The request again, without unknown fields. Raises InvalidRequest, or StorageError without its pictures."""
    _check_request(data)
    plain = {name: data[name] for name in _PLAIN if name in data}
    init, inpaint = data.get("init"), data.get("inpaint")
    return GenerationRequest(
        **plain,
        init=InitImage(image=inputs.get(init["image"]), **_chosen(init, _INIT)) if init else None,
        inpaint=Inpaint(mask=inputs.get(inpaint["mask"]), **_chosen(inpaint, _INPAINT)) if inpaint else None,
    )


def _chosen(data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: data[name] for name in names if name in data}


def _check_request(data: Mapping[str, Any]) -> None:
    """Types only: whether the values can be run is the request's own business when it is built."""
    for name, value in data.items():
        if name in ("init", "inpaint"):
            if value is not None and not isinstance(value, Mapping):
                raise InvalidRequest(name, f"must be an object or null, got {value!r:.80}")
            if value is not None:
                _check_request(value)
                picture = "image" if name == "init" else "mask"
                if picture not in value:
                    raise InvalidRequest(name, f"must name its {picture} by hash, got none")
        elif name in _KINDS and (
            not isinstance(value, _KINDS[name]) or (isinstance(value, bool) and bool not in _KINDS[name])
        ):
            raise InvalidRequest(name, f"must be {_KINDS[name][0].__name__}, got {value!r:.80}")
        elif name in _KINDS and isinstance(value, int) and abs(value) >= _WHOLE_END:
            raise InvalidRequest(name, f"must be less than 2^63, got {str(value)[:40]}…")


def flat_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The request's JSON without pictures and templates, on one level: `init.strength` is just `strength`."""
    said = {**settings, **(settings.get("init") or {})}
    unsaid = {*_TEMPLATES, *(name for name in _OF_MODEL if said.get(name) is None)}
    flat = {name: settings[name] for name in _PLAIN if name in settings and name not in unsaid}
    for part, names in (("init", _INIT), ("inpaint", _INPAINT)):
        flat |= _chosen(settings.get(part) or {}, tuple(name for name in names if name not in unsaid))
    return flat


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """Everything our JSON holds of one image. `settings` is the request as run, as JSON values."""

    settings: Mapping[str, Any]
    position: int  # in its batch
    seconds: float  # of the whole batch
    pixels_sha256: str
    made_at: datetime  # with its UTC offset
    kind: str = "image"  # or "grid": `settings` are then those of its first image
    facts: Mapping[str, Any] = field(default_factory=dict)
    program: str = f"seedprint {VERSION}"
    schema: int = SCHEMA
    parent: Mapping[str, Any] | None = None  # what it was made from: pixels_sha256 and kind; `first_text` of the line
    extra: Mapping[str, Any] = field(default_factory=dict)  # fields of a later schema, kept as they are

    @classmethod
    def of(cls, result: GenerationResult, inputs: InputStore, made_at: datetime | None = None) -> Record:
        """The record of a fresh result; its input pictures are kept in `inputs`. Raises StorageError."""
        settings = request_to_json(result.request, inputs)
        return cls(
            settings=settings,
            position=result.position,
            seconds=result.seconds,
            pixels_sha256=pixels_sha256(result.image),
            made_at=made_at or datetime.now().astimezone(),
            facts=_plain(result.facts),
            parent=_parent(settings, result.request.task, inputs),
        )

    def request(self, inputs: InputStore) -> GenerationRequest:
        """The request as run: build its batch with `Batch.around(request, record.position)`.

        Raises InvalidRequest when this version cannot run it, StorageError when an input picture is missing."""
        return request_from_json(self.settings, inputs)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Settings a later version wrote that this one does not know, and so would not repeat."""
        known = {"init": (*_INIT, "image"), "inpaint": (*_INPAINT, "mask")}
        found = [name for name in self.settings if name not in (*_PLAIN, *known)]
        for part, names in known.items():
            found += [f"{part}.{name}" for name in self.settings.get(part) or {} if name not in names]
        return tuple(found)

    @property
    def model_sha256(self) -> str | None:
        model = self.facts.get("model")
        sha256 = model.get("sha256") if isinstance(model, Mapping) else None
        return sha256 if isinstance(sha256, str) else None

    def to_json(self) -> str:
        """One line of JSON, keys as in docs/metadata.md."""
        known = {
            "schema": self.schema,
            "program": self.program,
            "kind": self.kind,
            "made_at": self.made_at.isoformat(),
            "request": self.settings,
            "position": self.position,
            "seconds": self.seconds,
            "pixels_sha256": self.pixels_sha256,
            "facts": self.facts,
        }
        if self.parent is not None:
            known["parent"] = self.parent
        return json.dumps(_plain({**self.extra, **known}), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Checked: raises InvalidRequest with one sentence that names the field."""
        if len(text) > JSON_LIMIT or len(text.encode(errors="replace")) > JSON_LIMIT:
            raise InvalidRequest(
                "seedprint", f"must have at most {JSON_LIMIT // 1024} kB, got {len(text):,} characters"
            )
        try:
            data = json.loads(text)
            check_depth(data, DEPTH_LIMIT)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("seedprint", f"must be JSON, got {text[:40]!r}") from error
        if not isinstance(data, dict):
            raise InvalidRequest("seedprint", f"must be a JSON object, got {text[:40]!r}")
        for name, kinds in _RECORD_KINDS.items():
            value = data.get(name)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise InvalidRequest(name, f"must be {kinds[0].__name__}, got {value!r:.80}")
        _check_values(data)
        names = {*_RECORD_KINDS, "program", "kind", "facts"}
        parent = data.get("parent")
        if _is_parent(parent):
            names.add("parent")
        return cls(
            settings=data["request"],
            position=data["position"],
            seconds=float(data["seconds"]),
            pixels_sha256=data["pixels_sha256"],
            made_at=_moment(data["made_at"]),
            kind=data.get("kind", "image"),
            facts=data.get("facts", {}),
            program=str(data.get("program", ""))[:200],
            schema=data["schema"],
            parent=parent if _is_parent(parent) else None,
            extra={name: value for name, value in data.items() if name not in names},
        )


_RECORD_KINDS: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "request": (dict,),
    "position": (int,),
    "seconds": (int, float),
    "pixels_sha256": (str,),
    "made_at": (str,),
}
_NEEDED = ("prompt", "negative_prompt", "model", "sampler", "schedule", "steps", "guidance", "width", "height")


def _check_values(data: Mapping[str, Any]) -> None:
    request = data["request"]
    _check_request(request)
    for name in (*_NEEDED, "batch_size", "seed", "clip_skip"):
        if request.get(name) is None:
            raise InvalidRequest(name, "must be given, got nothing")
    if not 0 <= data["position"] < request["batch_size"]:
        raise InvalidRequest("position", f"must be from 0 to {request['batch_size'] - 1}, got {data['position']}")
    if data["schema"] < 1:
        raise InvalidRequest("schema", f"must be at least 1, got {data['schema']}")
    if not _is_hash(data["pixels_sha256"]):
        raise InvalidRequest("pixels_sha256", f"must be 64 hexadecimal digits, got {data['pixels_sha256'][:80]!r}")
    if data.get("kind", "image") not in ("image", "grid"):
        raise InvalidRequest("kind", f"must be image or grid, got {data['kind']!r:.80}")
    if not isinstance(data.get("facts", {}), dict):
        raise InvalidRequest("facts", f"must be an object, got {data['facts']!r:.80}")


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def _is_parent(value: object) -> bool:
    return isinstance(value, dict) and _is_hash(value.get("pixels_sha256")) and isinstance(value.get("kind"), str)


def first_text(record: Record | None) -> dict[str, str] | None:
    """How the first picture of the line that this one comes from was made: `program` and `text`, as its file said."""
    parent = (record.parent if record is not None else None) or {}
    program, text = parent.get("program", ""), parent.get("text")
    return {"program": program, "text": text} if isinstance(text, str) and isinstance(program, str) and text else None


def _parent(settings: Mapping[str, Any], task: str, inputs: InputStore) -> dict[str, Any] | None:
    """The picture that an image was made from. By the hash its own file records, as a JPEG's pixels are others."""
    if settings["init"] is None:
        return None
    image = settings["init"]["image"]
    origin = inputs.origin(image)
    recorded = origin.get("pixels_sha256")
    parent = {"pixels_sha256": recorded if _is_hash(recorded) else image, "kind": task}
    for name in ("program", "text"):
        if 0 < len(origin.get(name, "")) <= ORIGIN_TEXT_LIMIT:
            parent[name] = origin[name]
    return parent


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 knows no Z
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidRequest("made_at", f"must be a date and time as ISO 8601, got {text[:80]!r}") from error


def _plain(value: Any) -> Any:
    """JSON values only: infinities become null, what JSON lacks becomes text, so that no odd fact costs an image."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
