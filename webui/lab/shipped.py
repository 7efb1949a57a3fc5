"""Ready-made experiments from `presets/experiments/*.yaml`: named, in both languages, checked when read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import InvalidRequest
from pipelines.types import GenerationRequest
from webui.lab.experiments import Experiment
from webui.library.presets import PresetError

FILE_LIMIT = 256 * 1024  # bytes
_WORDS = ("name", "name_zh", "about", "about_zh")


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
    """The experiments of one file: a list of mappings. Raises PresetError with the file and which of them."""
    try:
        if file.stat().st_size > FILE_LIMIT:
            raise PresetError(f"{file.name}: must have at most {FILE_LIMIT // 1024} kB")
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise PresetError(f"{file.name}: cannot be read as YAML in UTF-8 ({error})") from error
    if not isinstance(data, list):
        raise PresetError(f"{file.name}: must be a list of experiments")
    return tuple(_ready_made(item, f"{file.name}, experiment {place}") for place, item in enumerate(data, 1))


def _ready_made(data: Any, place: str) -> ReadyMade:
    if not isinstance(data, Mapping):
        raise PresetError(f"{place}: must be a mapping, got {data!r:.80}")
    for key in _WORDS:
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise PresetError(f"{place}: {key} must be text, got {data.get(key)!r:.80}")
    strangers = set(data) - {*_WORDS, "base", "seeds", "question"}
    if strangers:
        raise PresetError(f"{place}: {', '.join(sorted(map(str, strangers)))} is no part of an experiment")
    base = data.get("base")
    if not isinstance(base, Mapping):
        raise PresetError(f"{place}: base must be a mapping, got {base!r:.80}")
    try:
        experiment = Experiment.from_data(data, GenerationRequest(**base))
    except InvalidRequest as error:
        raise PresetError(f"{place}: {error}") from error
    except TypeError as error:
        raise PresetError(f"{place}: base must hold settings of a request, got {sorted(map(str, base))}") from error
    return ReadyMade(**{key: data[key].strip() for key in _WORDS}, experiment=experiment)
