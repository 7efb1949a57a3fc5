"""One safetensors file of SD 3 in the layout of its makers, with CLIP encoders and VAE -> the parts of its pipeline.

As in `singlefile`: what diffusers wants to know beside them is read from the shapes, or is a fact of the family.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import diffusers
from diffusers import AutoencoderKL, SD3Transformer2DModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_vae_checkpoint,
    convert_sd3_transformer_checkpoint_to_diffusers,
)
from safetensors.torch import load_file
from transformers import CLIPTextModelWithProjection

from pipelines.errors import ModelError
from pipelines.families.plain import SCHEDULER
from pipelines.models import conversion
from pipelines.models.device import Placement
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights import leftovers
from pipelines.models.weights.filling import filled
from pipelines.models.weights.scales import widened
from pipelines.models.weights.singlefile import (
    Config,
    Tensors,
    clip_config,
    clip_encoder,
    count_of,
    shape_of,
    vae_config,
)
from pipelines.models.weights.tokenizer import clip_tokenizer
from pipelines.types import ModelInfo

_TRANSFORMER = "model.diffusion_model."
_T5 = "text_encoders.t5xxl."
_HEAD_WIDTH = 64  # of every published SD 3
_SHIFT = 3.0  # of its noise levels, for pictures of 1024 x 1024


def read_sd3(info: ModelInfo, placement: Placement, on_part: OnPart = unheard) -> dict[str, Any]:
    """By the names that `StableDiffusion3Pipeline` has for them. Raises `ModelError` and what
    `loading.model_errors` turns into sentences."""
    # mapped, not read: weights come in when they are used
    tensors = widened(load_file(conversion.loadable(info)), placement.dtype)
    if any(name.startswith(_T5) for name in tensors):
        raise ModelError("t5_in_file")
    leftovers.refuse_in_text(tensors)
    parts: dict[str, Any] = {"text_encoder_3": None, "tokenizer_3": None}
    for part, name, padding, act in (
        ("text_encoder", "clip_l", "<|endoftext|>", "quick_gelu"),
        ("text_encoder_2", "clip_g", "!", "gelu"),
    ):
        config = clip_config(tensors, f"text_encoders.{name}.transformer.text_model.") | {"hidden_act": act}
        kind = CLIPTextModelWithProjection
        parts[part] = clip_encoder(kind, config, tensors, placement, partial(on_part, part))
        parts[part.replace("text_encoder", "tokenizer")] = clip_tokenizer(padding)
    on_part("vae")
    config = _vae(info, tensors)
    weights = convert_ldm_vae_checkpoint(tensors, config)
    leftovers.refuse_unconverted(tensors, "first_stage_model.", weights)
    parts["vae"] = filled(AutoencoderKL, config, weights, placement)
    on_part("transformer")
    config = _transformer(tensors)
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(_TRANSFORMER)}
    weights = convert_sd3_transformer_checkpoint_to_diffusers(own)
    leftovers.refuse(own)  # it takes out what it knows
    parts["transformer"] = filled(SD3Transformer2DModel, config, weights, placement)
    return parts | {"scheduler": getattr(diffusers, SCHEDULER)(shift=_SHIFT)}


def _vae(info: ModelInfo, tensors: Tensors) -> Config:
    own = {"scaling_factor": 1.5305, "shift_factor": 0.0609, "force_upcast": True}
    return vae_config(info, tensors) | own | {"use_quant_conv": False, "use_post_quant_conv": False}


def _transformer(tensors: Tensors) -> Config:
    def shape(name: str) -> tuple[int, ...]:
        return shape_of(tensors, _TRANSFORMER + name)

    width, channels, patch, _ = shape("x_embedder.proj.weight")
    caption, text = shape("context_embedder.weight")
    layers = count_of(tensors, f"{_TRANSFORMER}joint_blocks.")
    blocks = [f"{_TRANSFORMER}joint_blocks.{layer}.x_block." for layer in range(layers)]
    return {
        "_class_name": "SD3Transformer2DModel",
        "sample_size": 128,  # latents a side
        "patch_size": patch,
        "in_channels": channels,
        "out_channels": shape("final_layer.linear.weight")[0] // patch**2,
        "num_layers": layers,
        "attention_head_dim": _HEAD_WIDTH,
        "num_attention_heads": width // _HEAD_WIDTH,
        "joint_attention_dim": text,
        "caption_projection_dim": caption,
        "pooled_projection_dim": shape("y_embedder.mlp.0.weight")[1],
        "pos_embed_max_size": math.isqrt(shape("pos_embed")[1]),
        "dual_attention_layers": [n for n, block in enumerate(blocks) if f"{block}attn2.qkv.weight" in tensors],
        "qk_norm": "rms_norm" if f"{blocks[0]}attn.ln_q.weight" in tensors else None,
    }
