"""Files that a run saved and its job never heard of, as the program ended in between."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pipelines.errors import UnreadableImage
from webui.archive import metadata
from webui.archive.entries import TRASH, look, walk
from webui.archive.store import SavedImage

_DAY = 86_400.0  # seconds that clocks of disks and programs may differ


def made_for(root: Path, job: str, since: float) -> dict[int, SavedImage]:
    """Place in the job -> its picture, among the files changed after `since` (seconds since 1970). Of two, the first
    by name."""
    found: dict[int, SavedImage] = {}
    for folder in walk(root):
        if folder.name == TRASH or folder.name.startswith(f"{TRASH}/"):
            continue
        for name, (_, stamp) in sorted(folder.files.items()):
            path = root / folder.name / name
            if stamp / 1e9 < since - _DAY:
                continue
            with contextlib.suppress(UnreadableImage, OSError):
                record = metadata.read(path).record
                if record is None or record.job is None or record.job.id != job or record.job.place in found:
                    continue
                if (entry := look(root, path)) is not None:
                    found[record.job.place] = entry.saved
    return found
