"""LyCORIS adapters written into a model's weights, and the weights as they were put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file

from pipelines.errors import ModelError
from pipelines.models import conversion
from pipelines.models.device import OFF_DEVICE
from pipelines.models.extras import WantedLora
from pipelines.models.weights import lycoris
from pipelines.models.weights.components import Components
from pipelines.models.weights.loading import fit_errors


class _Share(NamedTuple):
    """What one file has for one layer."""

    name: str
    strength: float
    tensors: dict[str, torch.Tensor]


class Merged:
    """Which weights of a model are not its own at present. Its own are kept in main memory meanwhile, as they are."""

    def __init__(self, parts: Components) -> None:
        self._parts = parts
        self._own: list[tuple[torch.nn.Module, str, torch.Tensor]] = []

    def __bool__(self) -> bool:
        return bool(self._own)

    def lay(self, adapters: Sequence[WantedLora]) -> None:
        """Adds all of these to the model's own weights, rounded once. Raises `InvalidRequest`; `take_off` then."""
        shares: dict[torch.nn.Module, list[_Share]] = {}
        layers = dict(named_layers(self._parts)) if adapters else {}
        for adapter in adapters:
            with fit_errors("LoRAs", adapter.info.name):
                found = lycoris.by_layer(load_file(conversion.loadable(adapter.info)))
                fitting = {name: layers.get(name.replace(".", "_")) for name in found}
                missing = sum(layer is None for layer in fitting.values())
                if missing:
                    raise ModelError(f"{missing} of its {len(found)} layers do not fit this model.")
            for name, layer in fitting.items():
                if layer is not None:
                    strength = adapter.unet_weight if layer.in_unet else adapter.text_weight
                    share = _Share(adapter.info.name, strength, found[name])
                    shares.setdefault(layer.module, []).append(share)
        for module, theirs in shares.items():
            self._write(module, theirs)

    def take_off(self) -> None:
        """The very weights that were there before."""
        for module, name, own in self._own:
            own.data = own.data.to(getattr(module, name).device)
            setattr(module, name, own)
        self._own.clear()

    def _write(self, module: torch.nn.Module, shares: list[_Share]) -> None:
        own = {name: tensor for name, tensor in module.named_parameters(recurse=False)}
        total = dict[str, torch.Tensor]()
        for share in shares:
            with fit_errors("LoRAs", share.name):
                for name, change in lycoris.changes(share.tensors, own).items():
                    total[name] = total.get(name, own[name].float()) + share.strength * change
        for name, tensor in total.items():
            new = torch.empty_like(own[name]).copy_(tensor)  # in the same type and layout
            setattr(module, name, torch.nn.Parameter(new, requires_grad=False))
            own[name].data = own[name].data.to(OFF_DEVICE)
            self._own.append((module, name, own[name]))


class NamedLayer(NamedTuple):
    module: torch.nn.Module
    in_unet: bool


_UNET = ("lora_unet", "lycoris", "unet", "diffusion_model")
_ENCODERS = (("lora_te", "lora_te1", "text_encoder"), ("lora_te2", "text_encoder_2"))


def named_layers(parts: Components) -> Iterator[tuple[str, NamedLayer]]:
    """Every layer under each of the names that trainers give it, with _ for every dot."""
    blocks = dict(_original_blocks(parts.unet))
    for name, module in _weighted(parts.unet):
        for known in (name, _original_name(name, blocks)):
            for prefix in _UNET:
                yield f"{prefix}_{known}".replace(".", "_"), NamedLayer(module, in_unet=True)
    for encoder, prefixes in zip(parts.text_encoders, _ENCODERS, strict=False):
        for name, module in _weighted(encoder):
            # transformers dropped "text_model." from some of its names; trainers keep it for all but the projection
            bare = name.removeprefix("text_model.")
            for prefix in prefixes:
                yield f"{prefix}_text_model_{bare}".replace(".", "_"), NamedLayer(module, in_unet=False)
                yield f"{prefix}_{bare}".replace(".", "_"), NamedLayer(module, in_unet=False)


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
