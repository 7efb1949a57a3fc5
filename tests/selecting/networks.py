"""Tiny SAM 2 of random weights, as people have it: config.json and model.safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIDE = 64


def write_tiny(folder: Path, *, of_films: bool = False) -> Any:
    """Transformers' own network, as it was before it was saved. `of_films`: with the half that follows things."""
    import torch
    from transformers import Sam2Config, Sam2Model, Sam2VideoConfig, Sam2VideoModel

    torch.manual_seed(26)  # of which the mask covers a part
    backbone = {
        **{"model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [SIDE, SIDE]},
        **{"blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64]},
        **{"num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [4, 2, 2, 2]},
        **{"global_attention_blocks": [3], "window_positional_embedding_background_size": [4, 4]},
    }
    side = SIDE // 4
    vision = {
        **{"model_type": "sam2_vision_model", "backbone_config": backbone, "backbone_channel_list": [64, 32, 16, 8]},
        **{"backbone_feature_sizes": [[side // ratio] * 2 for ratio in (1, 2, 4)], "fpn_hidden_size": 32},
    }
    prompts = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 8}
    decoder = {"hidden_size": 32, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 32}
    halves = {"vision_config": vision, "prompt_encoder_config": prompts, "mask_decoder_config": decoder}
    model: Any
    if of_films:
        memory = {"memory_attention_hidden_size": 32, "memory_attention_num_layers": 1, "image_size": SIDE}
        widths = {"memory_encoder_hidden_size": 32, "memory_encoder_output_channels": 8}
        model = Sam2VideoModel(Sam2VideoConfig(**halves, **memory, **widths))
    else:
        model = Sam2Model(Sam2Config(**halves))
    for weight in model.parameters():  # drawn for training it takes everything for nothing
        if weight.ndim > 1:
            weight.data.normal_(std=weight.shape[-1] ** -0.5)
    model.eval().save_pretrained(folder)
    return model
