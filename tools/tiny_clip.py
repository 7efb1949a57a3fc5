"""Tiny CLIP models of random weights, as people have them: whole, or the half that sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIDE, PATCH, WIDTH, PROJECTED = 30, 6, 32, 16
VISION = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": PATCH,
}


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
