"""What a person should know of this start of the program: that it is a second one, which databases were damaged, what
an update changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.database import DAMAGED
from pipelines.errors import Note


class Notices:
    """Damaged files set aside in `folders` since this was built, by whatever process. `first`: the data folder that
    another program uses, if this is a second one. `update`: what the golden set says of one."""

    def __init__(
        self, folders: Sequence[Path], first: Path | None = None, update: Callable[[], Note | None] = lambda: None
    ) -> None:
        self._update = update
        self._folders, self._first = dict.fromkeys(folders), first
        self._before = self._asides()

    def __call__(self) -> tuple[Note, ...]:
        second = [Note("second_program", folder=str(self._first))] if self._first is not None else []
        update = self._update()
        return (
            *second,
            *([update] if update is not None else []),
            *(Note("database_kept", file=str(path)) for path, _ in sorted(self._asides() - self._before)),
        )

    def _asides(self) -> set[tuple[Path, int]]:
        """With the time of each: another one may take the name."""
        found = (path for folder in self._folders for path in folder.glob(f"*{DAMAGED}*.sqlite"))
        return {(path, path.stat().st_mtime_ns) for path in found if path.exists()}
