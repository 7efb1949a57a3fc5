"""Tiny CLIP models of random weights, as people have them: whole, or the half that sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.models.files import write_model

SIDE, PATCH, WIDTH, PROJECTED = 30, 6, 32, 16
VISION = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": PATCH,
}
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


def write_tiny(folder: Path, *, whole: bool = False, dtype: str = "float32", seed: int = 0) -> Any:
    """A model with true, random weights; transformers' own model, as it was before it was saved."""
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    if whole:
        text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        # the projection's width stands beside `vision_config` here, as in many files
        model: Any = CLIPModel(CLIPConfig(vision_config=VISION, text_config=text, projection_dim=PROJECTED))
    else:
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION, projection_dim=PROJECTED))
    for weight in model.parameters():  # as they are drawn for training they hardly tell pictures apart
        weight.data.normal_(0, 0.3)
    model = model.to(getattr(torch, dtype))
    model.save_pretrained(folder)
    return model.float().eval()
