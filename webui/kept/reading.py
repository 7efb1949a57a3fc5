"""Whether model files are read again each month; one small JSON file, so that a restart keeps it."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.errors import StorageError

FILE = "reading.json"


class ReadingSettings:
    """What was kept last; a file that cannot be read is as good as none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def monthly(self) -> bool:
        """Unless a person has said no."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return True
        return not isinstance(data, dict) or data.get("monthly") is not False

    def keep(self, *, monthly: bool) -> None:
        """Raises StorageError."""
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"monthly": monthly}), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise StorageError("reading_not_kept", reason=error.strerror or str(error)) from error
