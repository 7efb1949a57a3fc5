"""Whether a network that selects by clicks can be used: from the config.json beside it. Standard library only."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import ModelError, Note
from pipelines.models.files.folders import read_json
from pipelines.models.files.vision import CONFIG

TYPES = ("sam2", "sam2_video")  # as it is published: the half that follows things through films is left out


def problem_of(folder: Path) -> Note | None:
    """Why the network in `folder` cannot be used; None when it can."""
    try:
        kind = str(read_json(folder / CONFIG).get("model_type"))[:60]
    except ModelError as error:
        return error.note
    return None if kind in TYPES else Note("vision_type", name=CONFIG, value=kind, choices=TYPES)
