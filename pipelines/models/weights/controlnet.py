"""A ControlNet from a file (Zhang et al. 2023, arXiv:2302.05543), for the model that it works beside.

A file of weights alone says nothing of its shape but by the names and sizes of its tensors: what they leave open, it
shares with the model's own UNet, of which it is a copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, ControlNetUnionModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint
from safetensors.torch import load_file

from pipelines.models import conversion
from pipelines.models.files.hashes import stamp_of
from pipelines.models.weights import leftovers
from pipelines.models.weights.components import Components
from pipelines.models.weights.filling import filled
from pipelines.models.weights.loading import fit_errors
from pipelines.models.weights.scales import widened
from pipelines.types import ModelInfo

_PREFIX = "control_model."
_HINT = "controlnet_cond_embedding."
_KINDS = "task_embedding"  # of a union network: one row for each kind of map
# of its UNet's config: what a copy of its way down shares with it
_SHARED = (
    *("flip_sin_to_cos", "freq_shift", "only_cross_attention", "block_out_channels", "layers_per_block"),
    *("downsample_padding", "mid_block_scale_factor", "act_fn", "norm_num_groups", "norm_eps", "cross_attention_dim"),
    *("attention_head_dim", "num_attention_heads", "use_linear_projection", "class_embed_type", "num_class_embeds"),
    *("upcast_attention", "resnet_time_scale_shift", "projection_class_embeddings_input_dim", "encoder_hid_dim"),
    *("encoder_hid_dim_type", "addition_embed_type", "addition_time_embed_dim", "transformer_layers_per_block"),
)
_OPTIONAL = {"add_embedding.": "addition_embed_type", "encoder_hid_proj.": "encoder_hid_dim_type"}


class Controls:
    """Those that the batch before worked with stay in memory."""

    def __init__(self) -> None:
        self._held: dict[Any, Any] = {}

    def of(self, infos: Mapping[str, ModelInfo], parts: Components) -> dict[str, Any]:
        """A request's attribute -> its network, for the model of these parts. Raises `InvalidRequest`."""
        shared = _shared(parts)
        keys = {slot: (one.path, stamp_of(Path(one.path)), parts.placement, str(shared)) for slot, one in infos.items()}
        self._held = {key: one for key, one in self._held.items() if key in keys.values()}
        for slot, info in infos.items():
            if keys[slot] not in self._held:
                self._held[keys[slot]] = read_control(info, parts, f"{slot}_model")
        return {slot: self._held[key] for slot, key in keys.items()}


def read_control(info: ModelInfo, parts: Components, field: str) -> Any:
    """The network where the model's parts are when they are read, in their type; `field`: that names it. Raises
    `InvalidRequest`."""
    with fit_errors(field, "control_unfit", info.name):
        shared = _shared(parts)
        tensors = _as_diffusers_names(widened(load_file(conversion.loadable(info)), parts.placement.dtype), shared)
        config = shared | _told_by(tensors, shared) | _said_beside(Path(info.path))
        several = _KINDS in tensors
        network = filled(ControlNetUnionModel if several else ControlNetModel, config, tensors, parts.placement)
    network.requires_grad_(False)
    return network if parts.placement.moves else parts.placement.place(network)


def _shared(parts: Components) -> dict[str, Any]:
    return {name: parts.unet.config[name] for name in _SHARED if name in parts.unet.config}


def _as_diffusers_names(tensors: dict[str, torch.Tensor], shared: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    if f"{_HINT}conv_in.weight" in tensors:
        return tensors
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in tensors) else ""
    converted = convert_controlnet_checkpoint(tensors, shared)
    leftovers.refuse_unconverted(tensors, prefix, converted)
    return {name: tensor for name, tensor in converted.items() if tensor is not None}


def _told_by(tensors: Mapping[str, torch.Tensor], shared: Mapping[str, Any]) -> dict[str, Any]:
    """What names and sizes tell: which blocks have attention and how deep, and how the map is brought in."""
    levels = range(len(shared["block_out_channels"]))
    depths = [_depth(tensors, f"down_blocks.{level}.") for level in levels]
    middle = _depth(tensors, "mid_block.")
    hints = _numbered(tensors, rf"{re.escape(_HINT)}blocks\.(\d+)\.weight")
    widths = [tensors[f"{_HINT}conv_in.weight"].shape[0]]
    widths += [tensors[f"{_HINT}blocks.{number}.weight"].shape[0] for number in hints if number % 2]
    found: dict[str, Any] = {
        "in_channels": tensors["conv_in.weight"].shape[1],
        "conditioning_channels": tensors[f"{_HINT}conv_in.weight"].shape[1],
        "conditioning_embedding_out_channels": tuple(widths),
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths),
    }
    if _KINDS in tensors:
        kinds, width = tensors[_KINDS].shape
        layers = len(_numbered(tensors, r"transformer_layes\.(\d+)\..*"))
        found |= {"num_control_type": kinds, "num_trans_channel": width, "num_trans_layer": layers}
        found["num_proj_channel"] = tensors["spatial_ch_projs.weight"].shape[0]
    else:
        found["mid_block_type"] = "UNetMidBlock2DCrossAttn" if middle else "UNetMidBlock2D"
    for part, option in _OPTIONAL.items():
        if not any(name.startswith(part) for name in tensors):
            found[option] = None
    if any(depths):
        # the middle is as deep as the last level, where that has any attention
        found["transformer_layers_per_block"] = tuple(depth or middle or 1 for depth in depths)
    return found


def _depth(tensors: Mapping[str, torch.Tensor], block: str) -> int:
    """How many transformers stand one behind the other in a block's attention."""
    return len(_numbered(tensors, rf"{re.escape(block)}attentions\.0\.transformer_blocks\.(\d+)\..*"))


def _numbered(names: Iterable[str], pattern: str) -> list[int]:
    return sorted({int(found[1]) for name in names if (found := re.fullmatch(pattern, name))})


def _said_beside(path: Path) -> dict[str, Any]:
    """Of a diffusers folder: what no tensor tells."""
    try:
        config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    pooled = isinstance(config, dict) and config.get("global_pool_conditions") is True
    return {"global_pool_conditions": True} if pooled else {}
