"""The names people choose models by: short, unique, one line."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from pipelines.errors import Note
from pipelines.models.files.finding import Found
from pipelines.types import BUILT_IN, ModelInfo

RESERVED = BUILT_IN
# Files that hubs name all alike: the folder says what they are
_PLAIN_STEMS = re.compile(r"^(?:diffusion_pytorch_model|pytorch_model|model|pytorch_lora_weights)(?:\.fp16|\.bf16)?$")

_SECOND = re.compile(r"(.+?) ?\([1-9]\d?\)")


def name_models(found: Sequence[tuple[ModelInfo, Found]]) -> tuple[ModelInfo, ...]:
    """Gives each its stem; where two would be alike, the sub-folder too, then the suffix, then a number. Sorted."""
    choices = [_choices(item) for _, item in found]
    names = [options[0] for options in choices]
    for level in range(1, 4):
        counts = Counter(name.casefold() for name in names)
        names = [
            options[level] if counts[name.casefold()] > 1 or name.casefold() in RESERVED else name
            for name, options in zip(names, choices, strict=True)
        ]
    named: list[ModelInfo] = []
    taken: set[str] = set(RESERVED)
    for name, (info, _) in zip(names, found, strict=True):
        unique, number = name, 1
        while unique.casefold() in taken:
            number += 1
            unique = f"{name} ({number})"
        taken.add(unique.casefold())
        problem = info.problem and _clean_note(info.problem)  # may name a file, too
        named.append(replace(info, name=unique, problem=problem))
    return tuple(sorted(named, key=lambda info: info.name.casefold()))


def _choices(item: Found) -> tuple[str, str, str, str]:
    """From the shortest to the surest: stem, sub-folder/stem, sub-folder/file name, root's name/…/file name."""
    relative = PurePosixPath(clean(item.relative))
    stem = relative.name if item.is_folder else relative.stem
    folder = "" if str(relative.parent) == "." else f"{relative.parent}/"
    if not item.is_folder and folder and _PLAIN_STEMS.match(stem):
        stem = relative.parent.name
        folder = "" if str(relative.parent.parent) == "." else f"{relative.parent.parent}/"
    root = clean(item.path.parents[len(relative.parts) - 1].name)
    return stem, folder + stem, str(relative), f"{root}/{relative}"


def first_download(name: str) -> str | None:
    """What a file was called when it was downloaded first: browsers call the second `name (1)`."""
    match = _SECOND.fullmatch(name)
    return None if match is None else match[1]


def _clean_note(note: Note) -> Note:
    cleaners: dict[type, Callable[[Any], Any]] = {str: clean, Note: _clean_note}
    return Note(
        note.code, **{name: cleaners.get(type(one), lambda same: same)(one) for name, one in note.values.items()}
    )


def clean(text: str) -> str:
    """NFC, one line, no halves of surrogate pairs: what a page, JSON and a database can carry."""
    text = unicodedata.normalize("NFC", text)
    if text.isprintable():  # holds none of those below; asked first, for a shelf has thousands of names
        return text
    return "".join("?" if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter for letter in text)
