"""Every layer of a model under each of the names that trainers give it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from pipelines.models.weights.components import Components
from pipelines.prompts.loras import IN, MIDDLE, OUT


class NamedLayer(NamedTuple):
    module: torch.nn.Module
    part: str  # "unet", "text_encoder", "text_encoder_2"
    name: str  # in that part

    @property
    def in_unet(self) -> bool:
        return self.part == "unet"


class Blocks:
    """Where each layer of a UNet counts, among `pipelines.prompts.loras`' blocks."""

    def __init__(self, unet: Any) -> None:
        self._names = dict(_original_blocks(unet))
        numbers = (int(name.split(".")[1]) for name in self._names.values() if name.startswith("output_blocks"))
        self._last = max(numbers, default=0)

    def of(self, name: str) -> int:
        """The first layers, which all others follow, and the last count with the block beside them."""
        side, number, *_ = f"{_original_name(name, self._names)}.0".split(".")
        if side == "middle_block":
            return MIDDLE
        if side == "output_blocks":
            return OUT + int(number)
        return OUT + self._last if side == "out" else IN + (int(number) if side == "input_blocks" else 0)


_UNET = ("lora_unet_", "lycoris_", "unet_", "diffusion_model_", "model_diffusion_model_", "")
_ENCODERS = {
    "text_encoder": ("lora_te_", "lora_te1_", "text_encoder_", "clip_l_"),
    "text_encoder_2": ("lora_te2_", "text_encoder_2_", "clip_g_"),
}


def named_layers(parts: Components) -> Iterator[tuple[str, NamedLayer]]:
    """With _ for every dot."""
    blocks = dict(_original_blocks(parts.unet))
    for name, module in _weighted(parts.unet):
        layer = NamedLayer(module, "unet", name)
        for known in (name, _original_name(name, blocks)):
            for prefix in _UNET:
                yield f"{prefix}{known}".replace(".", "_"), layer
    alone = len(parts.text_encoders) == 1  # else a name without a prefix could mean either
    for encoder, (part, prefixes) in zip(parts.text_encoders, _ENCODERS.items(), strict=False):
        for name, module in _weighted(encoder):
            layer = NamedLayer(module, part, name)
            # transformers dropped "text_model." from some of its names; trainers keep it for all but the projection
            bare = name.removeprefix("text_model.")
            for prefix in (*prefixes, "") if alone else prefixes:
                yield f"{prefix}text_model_{bare}".replace(".", "_"), layer
                yield f"{prefix}{bare}".replace(".", "_"), layer


def _weighted(part: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, module in part.named_modules():
        if "weight" in dict(module.named_parameters(recurse=False)):
            yield name, module


_OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
_IN_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def _original_name(name: str, blocks: dict[str, str]) -> str:
    """The name in the original layout, which numbers all blocks in a row; trainers of SDXL use it."""
    for ours, theirs in blocks.items():
        if name == ours:
            return theirs
        if name.startswith(f"{ours}."):
            inner = name.removeprefix(f"{ours}.")
            return f"{theirs}.{_IN_RESNET.get(inner, inner)}"
    return name


def _original_blocks(unet: Any) -> Iterator[tuple[str, str]]:
    yield from _OUTER.items()
    for side, there, sizers, inner in (
        ("down_blocks", "input_blocks", "downsamplers", "op"),
        ("up_blocks", "output_blocks", "upsamplers", "conv"),
    ):
        number = int(side == "down_blocks")  # its first is conv_in
        for level, block in enumerate(getattr(unet, side)):
            attends = getattr(block, "attentions", None) is not None
            count = len(block.resnets)
            for layer in range(count):
                yield f"{side}.{level}.resnets.{layer}", f"{there}.{number + layer}.0"
                yield f"{side}.{level}.attentions.{layer}", f"{there}.{number + layer}.1"
            number += count
            if getattr(block, sizers, None) is None:
                continue
            if side == "down_blocks":  # a block of its own; going up it stands behind the last layer
                yield f"{side}.{level}.{sizers}.0.conv", f"{there}.{number}.0.{inner}"
                number += 1
            else:
                yield f"{side}.{level}.{sizers}.0.conv", f"{there}.{number - 1}.{1 + attends}.{inner}"
