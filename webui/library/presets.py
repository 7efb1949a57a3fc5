"""Presets: named, partial settings from `presets/*.yaml`. A preset changes only the fields it names.

The form of the files: docs/presets.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from pipelines.errors import InvalidRequest
from pipelines.fields import check_values
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from webui.library.files import FILE_LIMIT, LibraryError, children, place, read_yaml

__all__ = ["FILE_LIMIT", "SLOT", "Preset", "PresetError", "bare", "fill", "load", "load_all", "read", "stack"]

SLOT = "{prompt}"  # where the visitor's own words go
FOLDERS = ("", "styles")  # of the shipped ones, in the order they are offered

# what a form shows; those of a start picture or a mask are used where there is one
_FIELDS = {one.name: one for one in REQUEST_FIELDS if one.setting.page and not one.is_picture}
_HEAD = ("name", "name_zh", "for_builtin", "about", "about_zh")  # all that is no setting


PresetError = LibraryError


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """`fields` are request fields; a prompt in them may hold `{prompt}`. `for_builtin`: made for the built-in model.
    `about`: a sentence or two for people, in both languages or in neither."""

    name: str
    name_zh: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    for_builtin: bool = False
    source: str = ""  # file:line
    about: str = ""
    about_zh: str = ""
    group: str = ""  # the file's stem

    def apply(self, prompt: str, negative_prompt: str = "") -> dict[str, Any]:
        """The fields to set, with the visitor's words in the slots."""
        result = dict(self.fields)
        for key, words in (("prompt", prompt), ("negative_prompt", negative_prompt)):
            if key in result:
                result[key] = fill(str(result[key]), words)
        return result


def fill(template: str, words: str) -> str:
    """`words` in the template's slot; without words no doubled or dangling commas stay."""
    if SLOT not in template:
        return template
    text = template.replace(SLOT, words.strip())
    if not words.strip():
        text = re.sub(r"\s+,", ",", text)
    return re.sub(r"^[\s,]+|[\s,]+$", "", re.sub(r",(\s*,)+", ",", text))


def bare(text: str, presets: Iterable[Preset]) -> str:
    """The visitor's own words: `text` without the preset around them, if it is one's filled template."""
    for preset in presets:
        before, slot, after = str(preset.fields.get("prompt", "")).partition(SLOT)
        around = len(before) + len(after)
        if slot and around and len(text) >= around and text.startswith(before) and text.endswith(after):
            return text[len(before) : len(text) - len(after)]
    return text


def load(folder: Path) -> tuple[Preset, ...]:
    """Every preset of `folder`, file by file in order of name. Raises PresetError."""
    found: dict[str, Preset] = {}
    for file in sorted(folder.glob("*.yaml")):
        for preset in read(file):
            if preset.name in found:
                raise PresetError("library_twice", at=preset.source, name=preset.name, other=found[preset.name].source)
            found[preset.name] = preset
    return tuple(found.values())


def load_all(folder: Path, user: Path | None = None) -> tuple[Preset, ...]:
    """The shipped ones of `folder` and its styles, then a person's own of `user`. Raises PresetError."""
    groups = [load(folder / name) for name in FOLDERS] + ([load(user)] if user is not None else [])
    return tuple(preset for group in groups for preset in group)


def stack(presets: Iterable[Preset], fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` (of a request) with the presets laid over them in order: each later one wraps what is there by then.

    With "{prompt}, film" and "a portrait of {prompt}" upon "a cat" the prompt is "a portrait of a cat, film". A field
    that several name has the last one's value; a prompt without slot replaces all before it.
    """
    result = dict(fields)
    for preset in presets:
        result |= preset.apply(str(result.get("prompt", "")), str(result.get("negative_prompt", "")))
    return result


def read(file: Path) -> tuple[Preset, ...]:
    """The presets of one file: a list of mappings. Raises PresetError with file and line."""
    data, root = read_yaml(file)
    if root is None:
        return ()
    if not isinstance(root, yaml.SequenceNode):
        raise PresetError("library_presets", at=place(file, root))
    places = [place(file, node) for node in children(root)]
    return tuple(make(item, at, file.stem) for item, at in zip(data, places, strict=True))


def make(data: Any, at: str, group: str = "") -> Preset:
    """A preset from the mapping that a file holds. Raises PresetError; `at` says where."""
    if not isinstance(data, dict):
        raise PresetError("library_preset", at=at, value=repr(data))
    for key in ("name", "name_zh"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise PresetError("library_text", at=at, key=key, value=repr(data.get(key)))
    for_builtin = data.get("for_builtin", False)
    if not isinstance(for_builtin, bool):
        raise PresetError("library_flag", at=at, key="for_builtin", value=repr(for_builtin))
    settings = {key: value for key, value in data.items() if key not in _HEAD}
    for key in settings:
        if key not in _FIELDS:
            raise PresetError("library_setting", at=at, key=str(key), known=tuple(_FIELDS))
    _check(settings, at)
    return Preset(
        name=data["name"].strip(),
        name_zh=data["name_zh"].strip(),
        fields=MappingProxyType(settings),
        for_builtin=for_builtin,
        source=at,
        group=group,
        **_about(data, at),
    )


def _about(data: Mapping[str, Any], at: str) -> dict[str, str]:
    about = {key: data.get(key, "") for key in ("about", "about_zh")}
    for key, value in about.items():
        if not isinstance(value, str):
            raise PresetError("library_text", at=at, key=key, value=repr(value))
    if bool(about["about"]) != bool(about["about_zh"]):
        raise PresetError("library_about", at=at)
    return {key: " ".join(value.split()) for key, value in about.items()}


def _check(settings: Mapping[str, Any], at: str) -> None:
    """The request itself knows what is allowed."""
    try:
        check_values(GenerationRequest, settings)
        if settings.get("strength") == 0:
            raise InvalidRequest("strength", "no_step_runs", least=0.01, steps=100, value=0)
    except InvalidRequest as error:
        raise PresetError("library_place", at=at, problem=error.told) from error
