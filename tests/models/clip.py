"""Image encoders that are all header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.models.files import write_model
from tools.tiny_clip import PATCH, PROJECTED, VISION, WIDTH

SHAPES: dict[str, tuple[int, ...]] = {
    "vision_model.embeddings.patch_embedding.weight": (WIDTH, 3, PATCH, PATCH),
    "visual_projection.weight": (PROJECTED, WIDTH),
}


def write_header_only(folder: Path, config: Any = None, shapes: dict[str, tuple[int, ...]] | None = None) -> Path:
    """An image encoder by its config and header; its weights are holes. `config` "": none."""
    write_model(folder / "model.safetensors", SHAPES if shapes is None else shapes)
    if config != "":
        config = {"model_type": "clip_vision_model", **VISION} if config is None else config
        text = config if isinstance(config, str) else json.dumps(config)
        (folder / "config.json").write_text(text, encoding="utf-8")
    return folder
