"""One safetensors file in the layout of the original Stable Diffusion programs -> a model's parts.

Such a file holds weights alone. What diffusers wants to know beside them is read from the shapes of the tensors, or
is a fact of the family; the vocabulary ships with the project.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    create_diffusers_clip_model_from_ldm,
)
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection
from transformers.initialization import no_init_weights

from pipelines.errors import ModelError
from pipelines.models import conversion
from pipelines.models.device import Placement
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights import leftovers
from pipelines.models.weights.components import Components
from pipelines.models.weights.filling import filled
from pipelines.models.weights.scales import widened
from pipelines.models.weights.tokenizer import clip_tokenizer
from pipelines.types import ModelInfo

Config = dict[str, Any]
Tensors = Mapping[str, Any]

_UNET = "model.diffusion_model."
_VAE = "first_stage_model."
_CLIP = "cond_stage_model.transformer."
_CROSS, _PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
# Of each level of the UNet: does it attend to the text, and with how many transformers?
_LEVELS = {
    "sd1": ((True, 1), (True, 1), (True, 1), (False, 1)),
    "sd2": ((True, 1), (True, 1), (True, 1), (False, 1)),
    "sdxl": ((False, 1), (True, 2), (True, 10)),
    "sdxl-refiner": ((False, 1), (True, 4), (True, 4), (False, 4)),
}
_HEAD_WIDTH = 64  # of a UNet's attention in SD 2 and SDXL, and of every CLIP; SD 1 has 8 heads everywhere


def load_single(info: ModelInfo, placement: Placement, on_part: OnPart = unheard) -> Components:
    """SD 1.x, SD 2.x, SDXL and its refiner, models for inpainting and for editing too. Raises what
    `loading.model_errors` turns into sentences."""
    # mapped, not read: weights come in when they are used
    tensors = widened(_renamed(load_file(conversion.loadable(info))), placement.dtype)
    leftovers.refuse_in_text(tensors)
    configs = {"unet": _unet(info, tensors), "vae": vae_config(info, tensors), **_text_encoders(info, tensors)}
    kinds = (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection))
    encoders = [
        clip_encoder(kind, configs[part], tensors, placement, partial(on_part, part))
        for part, kind in kinds
        if part in configs
    ]
    on_part("unet")
    weights = convert_ldm_unet_checkpoint(tensors, configs["unet"])
    leftovers.refuse_unconverted(tensors, _UNET, weights)
    unet = filled(UNet2DConditionModel, configs["unet"], weights, placement)
    on_part("vae")
    weights = convert_ldm_vae_checkpoint(tensors, configs["vae"])
    leftovers.refuse_unconverted(tensors, _VAE, weights)
    vae = filled(AutoencoderKL, configs["vae"], weights, placement)
    paddings = {"sd1": ("<|endoftext|>",), "sdxl": ("<|endoftext|>", "!")}.get(info.family, ("!",))
    return Components(
        info=info,
        placement=placement,
        unet=unet,
        vae=vae,
        text_encoders=tuple(encoders),
        tokenizers=tuple(clip_tokenizer(padding) for padding in paddings),
        scheduler_config=_scheduler(info, tensors),
    )


def clip_encoder(
    kind: Any, config: Config, tensors: Tensors, placement: Placement, begin: Callable[[], None] = unheard
) -> Any:
    """The text encoder of this configuration, which diffusers wants as a file."""
    begin()
    with tempfile.TemporaryDirectory(prefix="seedprint-") as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        options: Config = {"config": folder, "torch_dtype": placement.dtype, "local_files_only": True}
        with no_init_weights():  # they are replaced at once
            return create_diffusers_clip_model_from_ldm(kind, tensors, **options)


def _renamed(tensors: dict[str, Any]) -> dict[str, Any]:
    """The oldest files lack a level in the names of their text encoder."""
    return {
        re.sub(rf"^{re.escape(_CLIP)}(?!text_model\.)", f"{_CLIP}text_model.", name): tensors[name] for name in tensors
    }


def _unet(info: ModelInfo, tensors: Tensors) -> Config:
    levels = _LEVELS[info.family]
    # a level has two residual blocks and a step down: it begins at every third block
    widths = [
        shape_of(tensors, f"{_UNET}input_blocks.{1 + 3 * level}.0.out_layers.3.weight")[0]
        for level in range(len(levels))
    ]
    attends = [attention for attention, _ in levels]
    first = 2 if attends[0] else 5
    text_width = shape_of(tensors, f"{_UNET}input_blocks.{first}.1.transformer_blocks.0.attn2.to_k.weight")[1]
    config: Config = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": info.native_size // 8,
        "in_channels": shape_of(tensors, f"{_UNET}input_blocks.0.0.weight")[1],
        "out_channels": 4,
        "block_out_channels": widths,
        "layers_per_block": 2,
        "cross_attention_dim": text_width,
        "attention_head_dim": 8 if info.family == "sd1" else [max(1, width // _HEAD_WIDTH) for width in widths],
        "down_block_types": [_CROSS if attention else _PLAIN for attention in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attention else "UpBlock2D" for attention in reversed(attends)],
        "transformer_layers_per_block": [depth for _, depth in levels],
        "use_linear_projection": info.family != "sd1",
        "norm_num_groups": math.gcd(32, *widths),
        "upcast_attention": info.family == "sd2",
    }
    if info.family.startswith("sdxl"):
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": shape_of(tensors, f"{_UNET}label_emb.0.0.weight")[1],
        }
    return config


def vae_config(info: ModelInfo, tensors: Tensors) -> Config:
    widths = [shape_of(tensors, f"{_VAE}decoder.up.{level}.block.0.conv2.weight")[0] for level in range(4)]
    return {
        "_class_name": "AutoencoderKL",
        "sample_size": info.native_size,
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": shape_of(tensors, f"{_VAE}decoder.conv_in.weight")[1],
        "layers_per_block": 2,
        "block_out_channels": widths,
        "norm_num_groups": math.gcd(32, *widths),
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "scaling_factor": 0.13025 if info.family.startswith("sdxl") else 0.18215,
        "force_upcast": info.family.startswith("sdxl"),  # its activations overflow fp16
    }


def _text_encoders(info: ModelInfo, tensors: Tensors) -> dict[str, Config]:
    if info.family == "sd1":
        return {"text_encoder": clip_config(tensors, f"{_CLIP}text_model.")}
    if info.family == "sd2":
        # trained on the last layer but one, so that the last is left out
        return {"text_encoder": _open_clip(tensors, "cond_stage_model.model.", left_out=1)}
    if info.family == "sdxl-refiner":
        return {"text_encoder_2": _open_clip(tensors, "conditioner.embedders.0.model.", left_out=0)}
    return {
        "text_encoder": clip_config(tensors, "conditioner.embedders.0.transformer.text_model."),
        "text_encoder_2": _open_clip(tensors, "conditioner.embedders.1.model.", left_out=0),
    }


def clip_config(tensors: Tensors, prefix: str) -> Config:
    words, width = shape_of(tensors, f"{prefix}embeddings.token_embedding.weight")
    inner = shape_of(tensors, f"{prefix}encoder.layers.0.mlp.fc1.weight")[0]
    layers = count_of(tensors, f"{prefix}encoder.layers.")
    return _clip(words, width, inner, layers) | {"hidden_act": "quick_gelu", "projection_dim": width}


def _open_clip(tensors: Tensors, prefix: str, left_out: int) -> Config:
    words, width = shape_of(tensors, f"{prefix}token_embedding.weight")
    inner = shape_of(tensors, f"{prefix}transformer.resblocks.0.mlp.c_fc.weight")[0]
    layers = count_of(tensors, f"{prefix}transformer.resblocks.") - left_out
    return _clip(words, width, inner, layers) | {"hidden_act": "gelu", "projection_dim": width}


def _clip(words: int, width: int, inner: int, layers: int) -> Config:
    return {
        "model_type": "clip_text_model",
        "architectures": ["CLIPTextModel"],
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "max_position_embeddings": 77,
        # 2, as many configs say, would take the pooled output at the highest id: a learned word, if there is one
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": words - 1,
    }


def _scheduler(info: ModelInfo, tensors: Tensors) -> Config:
    prediction = info.prediction_type or _guessed_prediction(info, tensors)
    if prediction not in ("epsilon", "v_prediction"):
        raise ModelError("prediction_unsupported", prediction=prediction)
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "prediction_type": prediction,
        "rescale_betas_zero_snr": info.zero_terminal_snr,
    }


def _guessed_prediction(info: ModelInfo, tensors: Tensors) -> str:
    """SD 2 exists with both, and the file does not say which: training on velocity left this bias widely spread (the
    threshold is ComfyUI's)."""
    telling = tensors.get(f"{_UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias")
    if info.family == "sd2" and telling is not None and float(telling.float().std()) > 0.09:
        return "v_prediction"
    return "epsilon"


def shape_of(tensors: Tensors, name: str) -> tuple[int, ...]:
    if name not in tensors:
        raise ModelError("tensor_missing", name=name)
    return tuple(tensors[name].shape)


def count_of(tensors: Tensors, prefix: str) -> int:
    """How many layers there are with names prefix + number."""
    numbers = {int(name[len(prefix) :].partition(".")[0]) for name in tensors if name.startswith(prefix)}
    return len(numbers)
