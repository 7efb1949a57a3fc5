"""How a person wants pictures saved: name, format, sidecars; one small JSON file, so that a restart keeps it."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.errors import InvalidRequest, StorageError
from webui.archive.store import Saving

FILE = "saving.json"
log = logging.getLogger(__name__)


class SavingSettings:
    """What was kept last."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self) -> Saving:
        """A file that people may edit: what cannot be used is left out, and logged."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Saving()
        except (OSError, ValueError) as error:
            log.warning("How pictures are saved cannot be read from %s: %s", self._path, error)
            return Saving()
        found: dict[str, Any] = {}
        for name, value in data.items() if isinstance(data, dict) else ():
            try:
                with contextlib.suppress(TypeError):  # an unknown name, or no text
                    usable: dict[str, Any] = {name: tuple(value) if name == "sidecars" else str(value)}
                    Saving(**usable)
                    found |= usable
            except InvalidRequest as error:
                log.warning("Left out of %s: %s", self._path, error)
        return Saving(**found)

    def keep(self, saving: Saving) -> None:
        """Raises StorageError."""
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(asdict(saving), ensure_ascii=False, indent=1), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise StorageError("saving_not_kept", reason=error.strerror or str(error)) from error
