"""The files a picture was made with: still there, under another name, replaced by another file, or gone.

A name says little: people rename files and reuse names. The hash in the picture's record says which file it was.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.engine import Engine
from pipelines.errors import Note
from pipelines.fields import changed, flat
from pipelines.types import GenerationRequest, ModelInfo, OnProgress, Progress
from webui.jobs.maps import REFERENCES, SLOTS

PATIENCE = 30.0  # seconds that a picture waits for hashes which are being computed
PAUSE = 0.1
SHORT = 10  # digits of a hash that people are shown
_KINDS = {
    "model": ("checkpoint", "unknown"),
    "refiner": ("checkpoint", "unknown"),
    "lora": ("lora", "lycoris"),
    "vae": ("vae",),
    "embedding": ("embedding",),
    "upscaler": ("upscaler", "unknown"),
    "control": ("controlnet", "unknown"),
    "reference": ("ip-adapter",),
    "encoder": ("image-encoder",),
}
# role -> the fields that name it, the first that is there
_FIELDS = {
    "model": ("model",),
    "refiner": ("refiner_model",),
    "vae": ("vae",),
    "upscaler": ("upscaler", "hires_upscaler"),
}
_PROMPTS = tuple(f"{of}{name}" for of in ("", "hires_", "detail_") for name in ("prompt", "negative_prompt"))
_SLOTS = {  # likewise, where each field may name another file
    "control": tuple(f"{slot}_model" for slot in SLOTS),
    "reference": tuple(f"{slot}_model" for slot in REFERENCES),
    "encoder": tuple(f"{slot}_encoder" for slot in REFERENCES),
}
_NAMING = (*(name for names in (*_FIELDS.values(), *_SLOTS.values()) for name in names), *_PROMPTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A file as a picture's record names it. `role`: of `_KINDS`."""

    role: str
    name: str
    sha256: str

    def may_be(self, info: ModelInfo) -> bool:
        return info.problem is None and info.kind in _KINDS[self.role]

    def bears_name(self, info: ModelInfo) -> bool:
        return self.may_be(info) and self.name.casefold() in (info.name.casefold(), Path(info.path).stem.casefold())


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """`now`: what the file is called today, where that changed. `note`: what is not as it was. `gone`: neither the
    file nor one of its name is there."""

    named: Named
    now: str | None = None
    note: Note | None = None
    gone: bool = False


def named_in(facts: Mapping[str, Any]) -> Iterator[Named]:
    """Every file whose hash is recorded; the record is data from strangers."""
    roles: list[tuple[str, Any]] = [(role, [facts.get(role)]) for role in _FIELDS]
    several = {"lora": "loras", "embedding": "embeddings", "control": "controls"}
    several |= {"reference": "references", "encoder": "image_encoders"}
    roles += [(role, facts.get(key)) for role, key in several.items()]
    for role, entries in roles:
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, Mapping):
                name, sha256 = entry.get("name"), entry.get("sha256")
                if isinstance(name, str) and isinstance(sha256, str):
                    yield Named(role=role, name=name, sha256=sha256)


def match(named: Named, files: Sequence[ModelInfo]) -> Match:
    """What became of it, as far as the hashes of `files` are known."""
    bearer = next((info for info in files if named.bears_name(info)), None)
    if bearer is not None and bearer.sha256 in (None, named.sha256):
        return Match(named=named)
    same = next((info for info in files if named.may_be(info) and info.sha256 == named.sha256), None)
    what: dict[str, Any] = {"what": Note(f"role_{named.role}"), "name": named.name, "sha256": named.sha256[:SHORT]}
    if same is not None:
        return Match(named=named, now=same.name, note=Note("file_renamed", **what, now=same.name))
    if bearer is not None and bearer.altered is not None and bearer.altered[0] == named.sha256:
        return Match(named=named, note=altered(bearer))
    if bearer is not None:
        return Match(named=named, note=Note("file_replaced", **what))
    return Match(named=named, note=Note("file_not_found", **what), gone=True)


def altered(info: ModelInfo) -> Note | None:
    """That the file's bytes are others, where its size and time do not tell."""
    if info.altered is None:
        return None
    return Note("file_altered", name=info.name, since=date.fromtimestamp(info.altered[1]).isoformat())


def matched(facts: Mapping[str, Any], files: Sequence[ModelInfo]) -> list[Match]:
    return [match(named, files) for named in named_in(facts)]


def naming(request: GenerationRequest) -> dict[str, Any]:
    """Its fields that name files, as far as they are there."""
    found = flat(request)
    return {name: found[name] for name in _NAMING if name in found}


def renamed(request: GenerationRequest, matches: Iterable[Match]) -> GenerationRequest:
    """The request with the names that its files have today."""
    before = naming(request)
    for name, now in renamed_fields(before, matches).items():
        if now != before[name]:
            request = changed(request, name, now)
    return request


def renamed_fields(fields: Mapping[str, Any], matches: Iterable[Match]) -> dict[str, Any]:
    """Likewise for a request's fields by name."""
    found = dict(fields)
    for one in matches:
        role, name, now = one.named.role, re.escape(one.named.name), one.now
        if now is None:
            continue
        if role in _FIELDS:
            # a picture that was made larger tells in its other fields how it was made
            field = next((field for field in _FIELDS[role] if field in found), _FIELDS[role][0])
            found[field] = now
            continue
        if role in _SLOTS:
            found |= {field: now for field in _SLOTS[role] if fields.get(field) == one.named.name}
            continue
        pattern = rf"(?<=<lora:){name}(?=[:>])" if role == "lora" else rf"(?<![\w-]){name}(?![\w-])"
        for prompt in _PROMPTS:
            if isinstance(found.get(prompt), str):
                found[prompt] = re.sub(pattern, now.replace("\\", r"\\"), found[prompt], flags=re.IGNORECASE)
    return found


class Finder:
    """Looks files up for one sweep over many pictures: each file once, waiting for its hash if need be."""

    def __init__(self, engine: Engine, on_progress: OnProgress, patience: float = PATIENCE) -> None:
        self._engine, self._on_progress, self._patience = engine, on_progress, patience
        self._known: dict[Named, Match] = {}
        self._read: dict[str, tuple[Note, ...]] = {}  # by path

    def find(self, facts: Mapping[str, Any]) -> list[Match]:
        """Raises `Stopped`."""
        return [self._find(named) for named in named_in(facts)]

    def altered(self, facts: Mapping[str, Any]) -> tuple[Note, ...]:
        """Which files hold other bytes than when they were read before; each is read again, once. Raises `Stopped`."""
        files = self._engine.shelf()
        bearers = {info.path: info for named in named_in(facts) for info in files if named.bears_name(info)}
        for path, info in bearers.items():
            if path not in self._read:
                self._engine.read_again(info, self._wanted)
                now = next((one for one in self._engine.shelf() if one.path == path), info)
                self._read[path] = tuple(note for note in (altered(now),) if note is not None)
        return tuple(note for path in bearers for note in self._read[path])

    def _wanted(self) -> bool:
        self._on_progress(Progress(stage="finding"))
        return True

    def _find(self, named: Named) -> Match:
        if named not in self._known:
            self._known[named] = match(named, self._hashed(named))
        return self._known[named]

    def _hashed(self, named: Named) -> Sequence[ModelInfo]:
        """All files, once enough hashes are there to tell."""
        end = time.monotonic() + self._patience
        while True:
            files = self._engine.shelf()
            bearer = next((info for info in files if named.bears_name(info)), None)
            if any(named.may_be(info) and info.sha256 == named.sha256 for info in files):
                return files
            waited = [bearer] if bearer is not None and bearer.sha256 is None else filter(named.may_be, files)
            if all(info.sha256 is not None for info in waited) or time.monotonic() > end:
                return files
            self._on_progress(Progress(stage="finding"))
            time.sleep(PAUSE)
