"""The lists that `__name__` draws from: `presets/wildcards/**/*.txt` and `.yaml`, and the words of the library."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipelines.errors import Note
from webui.library.files import LibraryError, read_yaml
from webui.library.words import Category

FILE_LIMIT = 2 * 1024 * 1024  # bytes

_Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WildcardLists:
    """Name -> values, and a note for each file that cannot be read."""

    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[Note, ...] = ()


class WildcardFolder:
    """`colours.txt` is `colours`, `animals/wild.txt` is `animals/wild`; in YAML the keys say the name.

    `more`: lists without a file; a file of the same name goes before them. Safe to use from several threads.
    """

    def __init__(self, folder: Path, more: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.folder = folder
        self._more = dict(more or {})
        self._lock = threading.Lock()
        self._seen: _Signature | None = None
        self._lists = WildcardLists()

    def lists(self) -> WildcardLists:
        """What is there now: files are read again only if a name, a time or a size has changed."""
        with self._lock:
            files = sorted(file for file in self.folder.rglob("*") if file.suffix.lower() in (".txt", ".yaml", ".yml"))
            signature = tuple((file.as_posix(), *_stamp(file)) for file in files)
            if signature != self._seen:
                self._lists, self._seen = self._read(files), signature
            return self._lists

    def _read(self, files: Iterable[Path]) -> WildcardLists:
        found: dict[str, tuple[str, ...]] = {}
        problems: list[Note] = []
        for file in files:
            name = file.relative_to(self.folder).with_suffix("").as_posix()
            try:
                for key, values in (
                    _text_lists(file, name) if file.suffix.lower() == ".txt" else _yaml_lists(file, name)
                ).items():
                    if key in found:
                        problems.append(Note("library_list_twice", at=file.name, key=key))
                    else:
                        found[key] = values
            except LibraryError as error:
                problems.append(error.told)
        return WildcardLists(lists=MappingProxyType({**self._more, **found}), problems=tuple(problems))


def word_lists(categories: Iterable[Category]) -> dict[str, tuple[str, ...]]:
    """Each category of words as a list: `__words/light__`."""
    return {f"words/{one.key}": tuple(word.word for word in one.words) for one in categories}


def _stamp(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _text_lists(file: Path, name: str) -> dict[str, tuple[str, ...]]:
    """A value a line; empty lines and `# …` are none."""
    try:
        if file.stat().st_size > FILE_LIMIT:
            raise LibraryError("library_large", at=file.name, high=FILE_LIMIT // 1024)
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise LibraryError("library_unread", at=file.name, form="text", problem=str(error)) from error
    return {name: tuple(line for line in lines if line and not line.startswith("#"))}


def _yaml_lists(file: Path, name: str) -> dict[str, tuple[str, ...]]:
    """A list, named as the file; or mappings within each other whose keys make the name: `animals: {wild: [fox]}`."""
    data, _node = read_yaml(file)
    if data is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    waiting: list[tuple[str, Any]] = [("" if isinstance(data, dict) else name, data)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{key}/{one}" if key else str(one), inner) for one, inner in value.items()]
        elif isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in value):
            found[key] = tuple(str(one).strip() for one in value)
        else:
            raise LibraryError("library_lists", at=f"{file.name}:1", key=key)
    return found
