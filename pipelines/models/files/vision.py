"""Whether a CLIP image encoder can be used: its config.json held to its weights' shapes. Standard library only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError, Note
from pipelines.families.base import Shapes
from pipelines.models.files.folders import read_json
from pipelines.models.files.kinds import PATCHES, PROJECTION

CONFIG = "config.json"
TYPES = ("clip", "clip_vision_model")  # `model_type`: the whole model, or the half that sees
_WIDTH, _PATCH = 768, 32  # what transformers takes where the config does not say it


_LAYER = "vision_model.encoder.layers."
_POSITIONS = "vision_model.embeddings.position_embedding.weight"
# OpenCLIP's ViT-H/14 and ViT-bigG/14, which IP-Adapters are trained with and which people keep as one file: width,
# side of a patch and width of the projection. No other network of these was published.
_PUBLISHED = ((1280, 14, 1024), (1664, 14, 1280))
_UNTOLD = {"num_attention_heads": 16, "hidden_act": "gelu"}  # by no tensor, of either


def published(folder: Path, shapes: Shapes) -> dict[str, Any] | None:
    """The config of an encoder that has none beside it, where its shapes tell which it is."""
    width, _, _, patch = shapes[PATCHES]
    positions, inner = shapes.get(_POSITIONS, ()), shapes.get(f"{_LAYER}0.mlp.fc1.weight", ())
    known = (width, patch, shapes[PROJECTION][0]) in _PUBLISHED
    if not known or not positions or not inner or (folder / CONFIG).exists():
        return None
    layers = {name.removeprefix(_LAYER).partition(".")[0] for name in shapes if name.startswith(_LAYER)}
    sizes = {"hidden_size": width, "patch_size": patch, "image_size": patch * math.isqrt(positions[0] - 1)}
    return {**_UNTOLD, **sizes, "intermediate_size": inner[0], "num_hidden_layers": len(layers)}


def problem_of(folder: Path, shapes: Shapes) -> Note | None:
    """Why the encoder in `folder` with tensors of these shapes cannot be used; None when it can."""
    if published(folder, shapes) is not None:
        return None
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
