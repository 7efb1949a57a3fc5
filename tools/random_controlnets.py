"""ControlNets of their published shapes, as plain tables of names and sizes: for SD 1.5, SD 2.1 and SDXL, and a union
for SDXL, in diffusers' layout and, where their authors have it, in the original one of a single file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tools.original_layout import Shape, unet_name
from tools.random_specs import SPECS

# name -> the checkpoint that it is a copy of, and whether it reads several kinds of maps
CONTROLNETS = {
    "full-controlnet-sd15": ("sd15", False),
    "full-controlnet-sd21": ("sd21", False),
    "full-controlnet-sdxl": ("sdxl", False),
    "full-controlnet-union-sdxl": ("sdxl", True),
}
_WIDTHS = (16, 32, 96, 256)  # of what brings the map in
_OWN = {
    "controlnet_cond_embedding.conv_in": "input_hint_block.0",
    "controlnet_cond_embedding.conv_out": "input_hint_block.14",
    "controlnet_mid_block": "middle_block_out.0",
}


def config_of(name: str) -> dict[str, Any]:
    """As its `config.json` has it."""
    base, several = CONTROLNETS[name]
    unet = SPECS[base][2]["unet"]
    left_out = ("_class_name", "sample_size", "out_channels", "up_block_types")
    kept = {key: value for key, value in unet.items() if key not in left_out}
    kind = {"num_control_type": 6} if several else {}
    return {
        "_class_name": "ControlNetUnionModel" if several else "ControlNetModel",
        **kept,
        "conditioning_embedding_out_channels": list(_WIDTHS),
        **kind,
    }


def network_of(name: str) -> Any:
    """diffusers' own, without any weights."""
    from diffusers import ControlNetModel, ControlNetUnionModel

    config = config_of(name)
    of = {"ControlNetModel": ControlNetModel, "ControlNetUnionModel": ControlNetUnionModel}[config.pop("_class_name")]
    with torch.device("meta"):
        return of(**config)


def shapes_of(name: str) -> dict[str, Shape]:
    """By diffusers' names."""
    return {key: tuple(value.shape) for key, value in network_of(name).state_dict().items()}


def original_names(name: str) -> dict[str, str]:
    """Names of a single file -> diffusers'. Those for SDXL are published under diffusers' own."""
    keys = shapes_of(name)
    if name.endswith("sdxl"):
        return {key: key for key in keys}
    config = config_of(name)
    return {f"control_model.{_original(key, config)}": key for key in keys}


def _original(key: str, config: Mapping[str, Any]) -> str:
    stem, _, end = key.rpartition(".")
    if stem in _OWN:
        return f"{_OWN[stem]}.{end}"
    if stem.startswith("controlnet_cond_embedding.blocks."):
        return f"input_hint_block.{2 * int(stem.rpartition('.')[2]) + 2}.{end}"
    if stem.startswith("controlnet_down_blocks."):
        return f"zero_convs.{stem.rpartition('.')[2]}.0.{end}"
    return unet_name(key, config)
