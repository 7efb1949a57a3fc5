"""What a person has settled for a model: the values a form begins with, and facts that its file does not tell.

One small JSON file, read anew when it changed: several programs may share it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import InvalidRequest, StorageError
from pipelines.fields import changed, check_values, flat
from pipelines.types import REQUEST_FIELDS, GenerationRequest, ModelInfo

FORM_FIELDS = tuple(one.name for one in REQUEST_FIELDS if one.setting.per_model == "form")
FACTS = tuple(one.name for one in REQUEST_FIELDS if one.setting.per_model == "always")  # go with every request for it
FIELDS = (*FORM_FIELDS, *FACTS)
FILE = "models.json"
log = logging.getLogger(__name__)


class ModelSettings:
    """By the model's name and size: another file of that name begins without. Any thread may ask."""

    def __init__(self, path: Path | None = None) -> None:
        """Without a path they last as long as the program."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, Any] = {}

    def get(self, info: ModelInfo) -> dict[str, Any]:
        """Field -> value, only what was settled."""
        with self._lock:
            entry = self._read().get(info.name)
        if not isinstance(entry, dict) or entry.get("bytes") != info.bytes:
            return {}
        return _usable(entry.get("settings"))

    def put(self, info: ModelInfo, values: Mapping[str, Any]) -> None:
        """Keeps what is given and not None; nothing forgets the model. Raises InvalidRequest, StorageError."""
        kept = {name: values[name] for name in FIELDS if values.get(name) is not None}
        check_values(GenerationRequest, kept)  # as strict as a request
        with self._lock:
            known = {name: entry for name, entry in self._read().items() if name != info.name}
            if kept:
                known[info.name] = {"bytes": info.bytes, "settings": kept}
            self._write(known)

    def completed(self, request: GenerationRequest, info: ModelInfo) -> GenerationRequest:
        """The request with what is settled of its model's nature, unless it says so itself."""
        known, shown = self.get(info), flat(request)
        for name in FACTS:
            if name in known and name in shown and shown[name] is None:
                request = changed(request, name, known[name])
        return request

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return self._known
        try:
            found = self._path.stat()
            stamp = found.st_mtime_ns, found.st_size
            if stamp != self._stamp:
                data = json.loads(self._path.read_text(encoding="utf-8"))
                self._known = data if isinstance(data, dict) else {}
                self._stamp = stamp
        except FileNotFoundError:
            self._known, self._stamp = {}, None
        except (OSError, ValueError) as error:
            log.warning("The models' settings in %s cannot be read: %s", self._path, error)
            self._known, self._stamp = {}, None
        return self._known

    def _write(self, known: dict[str, Any]) -> None:
        if self._path is None:
            self._known = known
            return
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                if self._stamp is None and self._path.stat().st_size:  # damaged: kept for its owner to look at
                    self._path.replace(self._path.with_suffix(".damaged"))
            part.write_text(json.dumps(known, ensure_ascii=False, indent=1), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise StorageError("model_settings_not_kept", reason=error.strerror or str(error)) from error


def _usable(settings: object) -> dict[str, Any]:
    """A file that people may edit: what no request would take is left out."""
    found = settings if isinstance(settings, dict) else {}
    kept: dict[str, Any] = {}
    for name in FIELDS:
        if found.get(name) is not None:
            with contextlib.suppress(InvalidRequest):
                check_values(GenerationRequest, {**kept, name: found[name]})
                kept[name] = found[name]
    return kept
