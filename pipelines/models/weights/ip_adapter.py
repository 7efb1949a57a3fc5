"""An IP-Adapter from a file: Ye, Zhang, Liu, Han, Yang 2023, arXiv:2308.06721.

What an image encoder saw of a picture becomes a few words, and each cross-attention of the network has layers of its
own that make keys and values of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from safetensors.torch import load_file

from pipelines.errors import ModelError
from pipelines.models.files.hashes import stamp_of
from pipelines.models.files.kinds import PIECES
from pipelines.models.referred import Referred
from pipelines.models.weights import leftovers
from pipelines.models.weights.components import Components
from pipelines.models.weights.loading import fit_errors
from pipelines.models.weights.lycoris import shown
from pipelines.models.weights.scales import widened

_PROJECTION, _LAYERS = "image_proj.", "ip_adapter."


class IPAdapter(torch.nn.Module):
    """`pieces`: it reads what the encoder gives of each piece of a picture, and not its one vector of the whole."""

    def __init__(self, projection: Any, keys: torch.nn.ModuleList, values: torch.nn.ModuleList, pieces: bool) -> None:
        super().__init__()
        self.projection, self.keys, self.values, self.pieces = projection, keys, values, pieces

    def told(self, seen: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """What an encoder saw of some pictures (pictures, width) or (pictures, pieces, width) -> of each
        cross-attention keys and values (pictures, words, width of the layer)."""
        words = self.projection(seen)  # (pictures, words, width of the text)
        return [(key(words), value(words)) for key, value in zip(self.keys, self.values, strict=True)]


class IPAdapters:
    """Those that the batch before worked with stay in memory."""

    def __init__(self) -> None:
        self._held: dict[Any, IPAdapter] = {}

    def of(self, referred: Mapping[str, Referred], parts: Components) -> dict[str, IPAdapter]:
        """A request's attribute -> its adapter, for the model of these parts; two of one file share it. Raises
        `InvalidRequest`."""
        shapes, placed = _shapes(parts), (parts.placement.device, parts.placement.dtype)
        keys = {}
        for slot, one in referred.items():
            path = one.adapter.path
            keys[slot] = path, stamp_of(Path(path)), placed, tuple(shapes)
        self._held = {key: one for key, one in self._held.items() if key in keys.values()}
        for slot, one in referred.items():
            if keys[slot] not in self._held:
                with fit_errors(f"{slot}_model", "reference_unfit", one.adapter.name):
                    self._held[keys[slot]] = _read(one, shapes, parts)
        return {slot: self._held[key] for slot, key in keys.items()}


def cross_attention(network: Any) -> list[Any]:
    """Its layers that look at the words, in the order in which an adapter's file counts them."""
    return [module for name, module in network.named_modules() if name.endswith("attn2")]


def _shapes(parts: Components) -> list[tuple[int, int]]:
    """(width of the layer, width of the text) of each of them."""
    width = int(parts.unet.config.cross_attention_dim)
    return [(int(layer.inner_dim), width) for layer in cross_attention(parts.unet)]


def _read(referred: Referred, shapes: list[tuple[int, int]], parts: Components) -> IPAdapter:
    """Where the model's parts are when they are read, in their type. Raises `ModelError`."""
    tensors = widened(load_file(referred.adapter.path), parts.placement.dtype)
    pieces = any(one.startswith(PIECES) for one in referred.adapter.seen)
    keys, values = (torch.nn.ModuleList(_layers(tensors, letter, shapes)) for letter in "kv")
    own = {name.removeprefix(_PROJECTION): tensors.pop(name) for name in list(tensors) if name.startswith(_PROJECTION)}
    leftovers.refuse(tensors)
    # its one argument is what stands in the file; strict: nothing is missing and nothing left over
    convert: Any = UNet2DConditionLoadersMixin._convert_ip_adapter_image_proj_to_diffusers
    projection = convert(None, own, low_cpu_mem_usage=False)
    adapter = IPAdapter(projection, keys, values, pieces).to(parts.placement.dtype).eval().requires_grad_(False)
    if not parts.placement.moves:
        parts.placement.place(adapter)
    return adapter


def _layers(tensors: dict[str, torch.Tensor], letter: str, shapes: list[tuple[int, int]]) -> list[torch.nn.Linear]:
    """Of the keys or the values. They are numbered among all of the network's attentions, of which every second one
    looks at words."""
    layers = []
    for place, wanted in enumerate(shapes):
        name = f"{_LAYERS}{2 * place + 1}.to_{letter}_ip.weight"
        weight = tensors.pop(name, None)
        if weight is None:
            raise ModelError("tensor_missing", name=name)
        if tuple(weight.shape) != wanted:
            raise ModelError("shape_differs", name=name, found=shown(weight.shape), wanted=shown(wanted))
        layer = torch.nn.Linear(1, 1, bias=False, device="meta")
        layer.weight = torch.nn.Parameter(weight, requires_grad=False)
        layers.append(layer)
    return layers
