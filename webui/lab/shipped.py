"""Ready-made experiments from `presets/experiments/*.yaml`: named, in both languages, checked when read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.kinds import shown
from pipelines.types import GenerationRequest
from webui.lab.experiments import Experiment
from webui.library.files import children, place, read_yaml
from webui.library.presets import PresetError

_WORDS = ("name", "name_zh", "about", "about_zh")
_KNOWN = (*_WORDS, "base", "seeds", "question")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyMade:
    """One click. `about` says in a sentence what it asks."""

    name: str
    name_zh: str
    about: str
    about_zh: str
    experiment: Experiment


def load(folder: Path) -> tuple[ReadyMade, ...]:
    """Every experiment of `folder`, file by file in order of name. Raises PresetError."""
    return tuple(one for file in sorted(folder.glob("*.yaml")) for one in read(file))


def read(file: Path) -> tuple[ReadyMade, ...]:
    """The experiments of one file: a list of mappings. Raises PresetError with file and line."""
    data, root = read_yaml(file)
    if not isinstance(data, list):
        raise PresetError("library_experiments", at=file.name)
    return tuple(_ready_made(item, place(file, node)) for item, node in zip(data, children(root), strict=True))


def _ready_made(data: Any, at: str) -> ReadyMade:
    if not isinstance(data, Mapping):
        raise PresetError("library_experiment", at=at, value=shown(data))
    for key in _WORDS:
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise PresetError("library_text", at=at, key=key, value=shown(data.get(key)))
    if strangers := set(map(str, data)) - set(_KNOWN):
        raise PresetError("library_unknown", at=at, key=tuple(sorted(strangers)), known=_KNOWN)
    base = data.get("base")
    if not isinstance(base, Mapping):
        raise PresetError("library_settings", at=at, key="base", value=shown(base))
    try:
        experiment = Experiment.from_data(data, GenerationRequest(**base))
    except InvalidRequest as error:
        raise PresetError("library_place", at=at, problem=error.told) from error
    except TypeError as error:
        raise PresetError("library_settings", at=at, key="base", value=tuple(sorted(map(str, base)))) from error
    return ReadyMade(**{key: data[key].strip() for key in _WORDS}, experiment=experiment)
