"""Our versioned JSON of how an image was made, both ways.

The JSON is described in docs/metadata.md. Everything read is data from strangers: capped, checked, never evaluated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from pipelines.errors import InvalidRequest, Note
from pipelines.fields import check_json, flat_json, packed, unknown_names, unpacked
from pipelines.kinds import shown
from pipelines.types import (
    FIRST_RULES,
    PROMPT_RULES,
    REQUEST_FIELDS,
    Batch,
    GenerationRequest,
    GenerationResult,
    Task,
    task_of,
)
from webui.archive import VERSION
from webui.archive.inputs import InputStore, pixels_sha256
from webui.archive.readers.values import check_depth

SCHEMA = 1
PROGRAM = f"seedprint {VERSION}"
KINDS = ("image", "grid")
JSON_LIMIT = 1024 * 1024  # bytes of UTF-8
DEPTH_LIMIT = 40  # objects within objects
MOST_THREADS = 1024  # CPU threads that a record may ask for
ORIGIN_TEXT_LIMIT = 64 * 1024  # characters of a first picture's own text; longer ones stay in the note

# of every picture, its own and those of another program: what goes with the request as it was drawn and settled
_FLAT = tuple(one.name for one in REQUEST_FIELDS if one.setting.page or one.setting.per_model)


def request_to_json(request: GenerationRequest, inputs: InputStore) -> dict[str, Any]:
    """The request as JSON values; its pictures go into `inputs` and are named by hash. Raises StorageError."""
    return packed(request, inputs.put)


def request_from_json(data: Mapping[str, Any], inputs: InputStore) -> GenerationRequest:
    """The request again, without unknown fields. Raises InvalidRequest, or StorageError without its pictures."""
    return unpacked(GenerationRequest, data, lambda sha256, _mode: inputs.get(sha256))


def flat_fields(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The request's JSON without pictures and templates, on one level: `init.strength` is just `strength`."""
    return {name: value for name, value in flat_json(GenerationRequest, settings).items() if name in _FLAT}


class Job(NamedTuple):
    """What a picture was made for: by this a run that was cut off knows its own files again."""

    id: str
    place: int  # among the job's pictures; -1: their grid


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
    program: str = PROGRAM
    schema: int = SCHEMA
    parent: Mapping[str, Any] | None = None  # what it was made from: pixels_sha256 and kind; `first_text` of the line
    job: Job | None = None  # what it was made for, where there was a queue
    extra: Mapping[str, Any] = field(default_factory=dict)  # fields of a later schema, kept as they are

    @classmethod
    def of(
        cls, result: GenerationResult, inputs: InputStore, made_at: datetime | None = None, job: Job | None = None
    ) -> Record:
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
            job=job,
        )

    def request(self, inputs: InputStore) -> GenerationRequest:
        """The request as run; `batch` makes it again.

        Raises InvalidRequest when this version cannot run it, StorageError when an input picture is missing."""
        return request_from_json(self.settings, inputs)

    def batch(self, request: GenerationRequest) -> Batch:
        """What made this image: `request`, as it was run, computed and read as then."""
        rules, threads = self.prompt_rules, self.facts.get("threads")
        return Batch.around(
            request,
            self.position,
            threads=threads if type(threads) is int and 0 < threads <= MOST_THREADS else None,
            prompt_rules=rules if type(rules) is int and 0 < rules <= PROMPT_RULES else PROMPT_RULES,
        )

    @property
    def prompt_rules(self) -> Any:
        """By which its prompts were read, as the record says; version 0.1.0 did not know of others."""
        return self.facts.get("prompt_rules", FIRST_RULES)

    @property
    def task(self) -> Task:
        return task_of(self.settings)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Settings a later version wrote that this one does not know, and so would not repeat."""
        return tuple(unknown_names(GenerationRequest, self.settings))

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
        if self.job is not None:
            known["job"] = self.job._asdict()
        return json.dumps(_plain({**self.extra, **known}), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Checked: raises InvalidRequest with one sentence that names the field."""
        if len(text) > JSON_LIMIT or len(text.encode(errors="replace")) > JSON_LIMIT:
            raise InvalidRequest("seedprint", "record_too_long", limit=JSON_LIMIT // 1024, value=len(text))
        try:
            data = json.loads(text)
            check_depth(data, DEPTH_LIMIT)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("seedprint", "not_json", value=shown(text)) from error
        if not isinstance(data, dict):
            raise InvalidRequest("seedprint", "wrong_type", wanted=Note("type_object"), value=shown(text))
        for name, kinds in _RECORD_KINDS.items():
            value = data.get(name)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise InvalidRequest(name, "wrong_type", wanted=Note(f"type_{kinds[0].__name__}"), value=shown(value))
        _check_values(data)
        names = {*_RECORD_KINDS, "program", "kind", "facts"}
        parent = data.get("parent")
        if _is_parent(parent):
            names.add("parent")
        job = _job(data.get("job"))
        if job is not None:
            names.add("job")
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
            job=job,
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
    check_json(GenerationRequest, request)
    for name in (*_NEEDED, "batch_size", "seed", "clip_skip"):
        if request.get(name) is None:
            raise InvalidRequest(name, "missing")
    if not 0 <= data["position"] < request["batch_size"]:
        most = max(0, request["batch_size"] - 1)
        raise InvalidRequest("position", "whole_number", low=0, high=most, value=shown(data["position"]))
    if data["schema"] < 1:
        raise InvalidRequest("schema", "at_least", low=1, value=shown(data["schema"]))
    if not _is_hash(data["pixels_sha256"]):
        raise InvalidRequest("pixels_sha256", "not_sha256", value=shown(data["pixels_sha256"]))
    if data.get("kind", "image") not in KINDS:
        raise InvalidRequest("kind", "choice", choices=KINDS, value=shown(data["kind"]))
    if not isinstance(data.get("facts", {}), dict):
        raise InvalidRequest("facts", "wrong_type", wanted=Note("type_object"), value=shown(data["facts"]))


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def _is_parent(value: object) -> bool:
    return isinstance(value, dict) and _is_hash(value.get("pixels_sha256")) and isinstance(value.get("kind"), str)


def _job(value: object) -> Job | None:
    """Nothing where it is not one: a picture needs none."""
    if not isinstance(value, dict) or value.keys() != {*Job._fields}:
        return None
    identity, place = value["id"], value["place"]
    is_place = isinstance(place, int) and not isinstance(place, bool) and -1 <= place < 2**31
    return Job(identity, place) if isinstance(identity, str) and 0 < len(identity) <= 64 and is_place else None


def first_text(record: Record | None) -> dict[str, str] | None:
    """How the first picture of the line that this one comes from was made: `program` and `text`, as its file said."""
    parent = (record.parent if record is not None else None) or {}
    program, text = parent.get("program", ""), parent.get("text")
    return {"program": program, "text": text} if isinstance(text, str) and isinstance(program, str) and text else None


def _parent(settings: Mapping[str, Any], task: str, inputs: InputStore) -> dict[str, Any] | None:
    """The picture that an image was made from. By the hash its own file records, as a JPEG's pixels are others."""
    source = settings["upscale"] or settings["init"]
    if source is None:
        return None
    image = source["image"]
    origin = inputs.origin(image)
    recorded = origin.get("pixels_sha256")
    parent = {"pixels_sha256": recorded if _is_hash(recorded) else image, "kind": task}
    for name in ("program", "text"):
        if 0 < len(origin.get(name, "")) <= ORIGIN_TEXT_LIMIT:
            parent[name] = origin[name]
    return parent


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidRequest("made_at", "not_a_moment", value=shown(text)) from error


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
