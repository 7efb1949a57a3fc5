"""Tiny detectors of random weights, as people have them: config.json, preprocessor_config.json, model.safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.make_random_checkpoint import tokenizer

LABELS = {0: "face", 1: "hand", 2: "cat"}
SIDE = 64


def write_tiny(folder: Path, kind: str = "rt_detr_v2", seed: int = 0) -> Any:
    """Transformers' own network, as it was before it was saved."""
    import torch
    import transformers

    torch.manual_seed(seed)
    model = {
        **{"rt_detr_v2": _rt_detr, "d_fine": _d_fine, "yolos": _yolos},
        **{"grounding-dino": _grounding_dino, "clipseg": _clipseg},
    }[kind]()
    for name, weight in model.named_parameters():
        if "class_" in name:  # as they are drawn for training every class is as likely
            weight.data.normal_()
    model.eval().save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    pixels = {"yolos": "Yolos", "grounding-dino": "GroundingDino", "clipseg": "ViT"}.get(kind, "RTDetr")
    getattr(transformers, f"{pixels}ImageProcessorPil")(size=size).save_pretrained(folder)
    if kind == "grounding-dino":
        vocabulary = {word: place for place, word in enumerate(WORDS)}
        transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    if kind == "clipseg":
        tokenizer(PIECES, "<|endoftext|>").save_pretrained(folder)
    return model


WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "a", "face", "left", "hand", "cat")  # as BERT has them
PIECES = 600  # words and marks of CLIP


def _grounding_dino() -> Any:
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    stages = {"embed_dim": 8, "depths": [1, 1, 1], "num_heads": [1, 2, 2], "window_size": 4}
    backbone = SwinConfig(image_size=SIDE, patch_size=4, out_features=["stage1", "stage2", "stage3"], **stages)
    words = BertConfig(vocab_size=len(WORDS), num_hidden_layers=1, num_attention_heads=2, **_widths(16))
    head = {
        **{"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "num_queries": 10, "num_feature_levels": 3},
        **{"encoder_attention_heads": 2, "decoder_attention_heads": 2},
        **{"encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_text_len": 16},
    }
    return GroundingDinoForObjectDetection(GroundingDinoConfig(backbone_config=backbone, text_config=words, **head))


def _clipseg() -> Any:
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    shared = {**_widths(16), "num_hidden_layers": 3, "num_attention_heads": 2, "projection_dim": 16}
    marks = {"bos_token_id": PIECES - 2, "eos_token_id": PIECES - 1, "pad_token_id": PIECES - 1}
    model = CLIPSegForImageSegmentation(
        CLIPSegConfig(
            text_config={**shared, "vocab_size": PIECES, **marks},
            vision_config={**shared, "image_size": SIDE, "patch_size": 8},
            projection_dim=16,
            extract_layers=[1, 2],
            reduce_dim=16,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=16,
        )
    )
    for weight in model.decoder.parameters():  # drawn for training it is as unsure everywhere
        weight.data.normal_(std=0.3)
    return model


def _widths(width: int) -> dict[str, int]:
    return {"hidden_size": width, "intermediate_size": width}


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
