"""Whether a CLIP image encoder can be used: its config.json held to its weights' shapes. Standard library only."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import ModelError
from pipelines.models.files.families import PATCHES, PROJECTION, Shapes
from pipelines.models.files.folders import read_json

CONFIG = "config.json"
TYPES = ("clip", "clip_vision_model")  # `model_type`: the whole model, or the half that sees
_WIDTH, _PATCH = 768, 32  # what transformers takes where the config does not say it


def problem_of(folder: Path, shapes: Shapes) -> str | None:
    """Why the encoder in `folder` with tensors of these shapes cannot be used, in one sentence; None when it can."""
    try:
        config = read_json(folder / CONFIG)
    except ModelError as error:
        return str(error)
    kind = str(config.get("model_type"))[:60]
    if kind not in TYPES:
        return f"Its {CONFIG} says model_type {kind}, which is not supported: it must be {' or '.join(TYPES)}."
    vision = config.get("vision_config", {}) if kind == "clip" else config
    if not isinstance(vision, dict):
        return f"Its {CONFIG} is damaged: vision_config is no table."
    width, patch = vision.get("hidden_size", _WIDTH), vision.get("patch_size", _PATCH)
    if shapes[PATCHES] != (width, 3, patch, patch) or shapes[PROJECTION][1:] != (width,):
        said = f"width {width!r:.20} and patches of {patch!r:.20} pixels"
        return f"Its {CONFIG} belongs to other weights: it says {said}."
    return None
