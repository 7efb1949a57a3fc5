"""Whether a CLIP image encoder can be used: its config.json held to its weights' shapes. Standard library only."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import ModelError, Note
from pipelines.families.base import Shapes
from pipelines.models.files.folders import read_json
from pipelines.models.files.kinds import PATCHES, PROJECTION

CONFIG = "config.json"
TYPES = ("clip", "clip_vision_model")  # `model_type`: the whole model, or the half that sees
_WIDTH, _PATCH = 768, 32  # what transformers takes where the config does not say it


def problem_of(folder: Path, shapes: Shapes) -> Note | None:
    """Why the encoder in `folder` with tensors of these shapes cannot be used; None when it can."""
    try:
        config = read_json(folder / CONFIG)
    except ModelError as error:
        return error.note
    kind = str(config.get("model_type"))[:60]
    if kind not in TYPES:
        return Note("vision_type", name=CONFIG, value=kind, choices=TYPES)
    vision = config.get("vision_config", {}) if kind == "clip" else config
    if not isinstance(vision, dict):
        return Note("part_no_table", name=f"{CONFIG}: vision_config")
    width, patch = vision.get("hidden_size", _WIDTH), vision.get("patch_size", _PATCH)
    if shapes[PATCHES] != (width, 3, patch, patch) or shapes[PROJECTION][1:] != (width,):
        return Note("vision_other_weights", name=CONFIG, width=f"{width!r:.20}", patch=f"{patch!r:.20}")
    return None
