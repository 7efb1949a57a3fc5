"""What lies in the output folder and is no part of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.errors import Note
from webui.archive.entries import DEPTH, TRASH, Folder, Reason, walk


class LeftOut:
    """By its reasons, but for the trash. Any thread may ask."""

    def __init__(self) -> None:
        self._left_out: dict[str, tuple[tuple[Reason, str], ...]] = {}  # by the folders' names

    def walked(self, root: Path) -> Sequence[Folder]:
        """All folders, as `walk` finds them."""
        folders = list(walk(root))
        self._left_out = {}
        return self.noted(folders)

    def noted(self, folders: Sequence[Folder]) -> Sequence[Folder]:
        """The same folders: what they leave out takes the place of what they did."""
        self._left_out = self._left_out | {folder.name: folder.left_out for folder in folders}
        return folders

    def told(self) -> list[Note]:
        """How many, why, and the first of them."""
        notes = (
            Note("left_out_deep", **self._found("deep"), limit=DEPTH),
            Note("left_out_links", **self._found("link")),
            Note("left_out_names", **self._found("name")),
            Note("left_out_closed", **self._found("closed")),
        )
        return [note for note in notes if note.values["count"]]

    def _found(self, wanted: Reason) -> dict[str, Any]:
        places = [
            "/".join(filter(None, (folder, name))) or "."
            for folder, left_out in self._left_out.items()
            for reason, name in left_out
            if reason == wanted and folder.split("/")[0] != TRASH
        ]
        return {"count": len(places), "name": min(places, default="").encode(errors="backslashreplace").decode()}
