"""What was found last time, so that unchanged files are not opened again."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

from pipelines.errors import Note
from pipelines.types import ModelInfo

VERSION = 3  # raise it when a rule changes what is found


class Memory:
    """Answers by path and stamp (bytes, times of change). With a `file`, kept for the next start; may be shared by
    threads. A damaged or foreign file is as good as none."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[tuple[int, ...], ModelInfo]] = {} if file is None else _load(file)
        self._dirty = False

    def get(self, path: Path, stamp: tuple[int, ...]) -> ModelInfo | None:
        with self._lock:
            entry = self._entries.get(str(path))
        return entry[1] if entry is not None and entry[0] == stamp else None

    def put(self, path: Path, stamp: tuple[int, ...], info: ModelInfo) -> None:
        with self._lock:
            self._entries[str(path)] = (stamp, info)
            self._dirty = True

    def keep_only(self, paths: set[Path]) -> None:
        """Forgets what is gone, and writes the file if anything changed."""
        wanted = {str(path) for path in paths}
        with self._lock:
            gone = self._entries.keys() - wanted
            for name in gone:
                del self._entries[name]
            changed, self._dirty = self._dirty or bool(gone), False
            if self._file is not None and changed:
                self._save(self._file)

    def _save(self, file: Path) -> None:
        entries = {path: [list(stamp), _kept(info)] for path, (stamp, info) in self._entries.items()}
        text = json.dumps({"version": VERSION, "entries": entries}, separators=(",", ":"))
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="ascii")
            part.replace(file)
        except OSError:  # a cache that cannot be written costs a second at the next start, no more
            part.unlink(missing_ok=True)


def _load(file: Path) -> dict[str, tuple[tuple[int, ...], ModelInfo]]:
    try:
        found = json.loads(file.read_text(encoding="ascii"))
        if found["version"] != VERSION:
            return {}
        return {path: (tuple(stamp), _info(values)) for path, (stamp, values) in found["entries"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _kept(info: ModelInfo) -> dict[str, Any]:
    values = {field.name: getattr(info, field.name) for field in fields(ModelInfo)}
    return values | {"problem": info.problem and info.problem.to_json()}


def _info(values: dict[str, Any]) -> ModelInfo:
    if values.keys() != {field.name for field in fields(ModelInfo)}:
        raise ValueError("another version's entry")
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    problem = values["problem"]
    return ModelInfo(**values | lists | {"problem": None if problem is None else Note.from_json(problem)})
