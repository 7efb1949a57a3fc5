"""A VAE from a file of its own, in place of the one that came with a model."""

from __future__ import annotations

import re
from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import load_file

from pipelines.models import conversion
from pipelines.models.weights import leftovers
from pipelines.models.weights.loading import fit_errors
from pipelines.models.weights.scales import widened
from pipelines.types import ModelInfo

_OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def read_vae(info: ModelInfo, like: Any) -> Any:
    """The VAE of a file, in the type of the model's own VAE `like` and with its scale: files do not tell theirs, and it
    belongs to the latents that the UNet was trained on. Raises `InvalidRequest`."""
    with fit_errors("vae", "vae_unfit", info.name):
        tensors = widened(load_file(conversion.loadable(info)), like.dtype)
        vae = _empty(like)
        vae.load_state_dict(_as_diffusers_names(tensors, vae), strict=True, assign=True)
    return vae.to(dtype=like.dtype).eval().requires_grad_(False)


def _empty(like: Any) -> Any:
    with torch.device("meta"):
        return AutoencoderKL.from_config(like.config)


def _as_diffusers_names(tensors: dict[str, Any], vae: Any) -> dict[str, Any]:
    if not any(".up_blocks." in name for name in tensors):
        converted = convert_ldm_vae_checkpoint(tensors, vae.config)
        leftovers.refuse_unconverted(tensors, "", converted)
        tensors = converted
    names = vae.state_dict()
    found = {}
    for name, tensor in tensors.items():
        new = re.sub(r"\.(query|key|value|proj_attn)\.", lambda match: f".{_OLD_NAMES[match[1]]}.", name)
        if new not in names and "model_ema" in new:
            continue
        # attention as convolutions of one pixel, in the original layout
        found[new] = tensor.reshape(names[new].shape) if new in names and tensor.dim() == 4 else tensor
    return found
