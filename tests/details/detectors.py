"""Tiny detectors of random weights, as people have them: config.json, preprocessor_config.json, model.safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LABELS = {0: "face", 1: "hand", 2: "cat"}
SIDE = 64


def write_tiny(folder: Path, kind: str = "rt_detr_v2", seed: int = 0) -> Any:
    """Transformers' own network, as it was before it was saved."""
    import torch
    from transformers import RTDetrImageProcessorPil, YolosImageProcessorPil

    torch.manual_seed(seed)
    model = {"rt_detr_v2": _rt_detr, "d_fine": _d_fine, "yolos": _yolos}[kind]()
    for name, weight in model.named_parameters():
        if "class_" in name:  # as they are drawn for training every class is as likely
            weight.data.normal_()
    model.eval().save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    (YolosImageProcessorPil if kind == "yolos" else RTDetrImageProcessorPil)(size=size).save_pretrained(folder)
    return model


_HEAD: dict[str, Any] = {
    **{"encoder_hidden_dim": 16, "encoder_in_channels": [8, 16, 16], "d_model": 16, "num_queries": 10},
    **{"decoder_layers": 2, "decoder_attention_heads": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 16},
    **{"decoder_ffn_dim": 16, "decoder_in_channels": [16, 16, 16], "num_denoising": 0, "id2label": LABELS},
}
_STAGES = {"out_features": ["stage2", "stage3", "stage4"], "depths": [1, 1, 1, 1], "hidden_sizes": [8, 8, 16, 16]}


def _rt_detr() -> Any:
    from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    backbone = RTDetrResNetConfig(embedding_size=8, layer_type="basic", **_STAGES)
    return RTDetrV2ForObjectDetection(RTDetrV2Config(backbone_config=backbone, **_HEAD))


def _d_fine() -> Any:
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config

    stages = {
        **{"stage_in_channels": [8, 8, 8, 16], "stage_mid_channels": [8] * 4, "stage_out_channels": [8, 8, 16, 16]},
        **{"stage_num_blocks": [1] * 4, "stage_numb_of_layers": [1] * 4, "stem_channels": [3, 8, 8]},
    }
    backbone = HGNetV2Config(embedding_size=8, **stages, **_STAGES)
    return DFineForObjectDetection(DFineConfig(backbone_config=backbone, **_HEAD))


def _yolos() -> Any:
    from transformers import YolosConfig, YolosForObjectDetection

    sides = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = YolosConfig(image_size=[SIDE, SIDE], num_detection_tokens=5, id2label=LABELS, **sides)
    return YolosForObjectDetection(config)
