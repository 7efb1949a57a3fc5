"""LyCORIS adapters written into a model's weights, and the weights as they were put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from safetensors.torch import load_file

from pipelines.errors import ModelError
from pipelines.models import conversion
from pipelines.models.device import OFF_DEVICE
from pipelines.models.extras import WantedLora
from pipelines.models.weights import lycoris
from pipelines.models.weights.components import Components
from pipelines.models.weights.loading import fit_errors
from pipelines.models.weights.naming import Blocks, named_layers


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
        if not adapters:
            return
        shares: dict[torch.nn.Module, list[_Share]] = {}
        layers, blocks = dict(named_layers(self._parts)), Blocks(self._parts.unet)
        for adapter in adapters:
            with fit_errors("prompt", "lora_unfit", adapter.info.name):
                found = lycoris.by_layer(load_file(conversion.loadable(adapter.info)))
                fitting = {name: layers.get(name.replace(".", "_")) for name in found}
                missing = sum(layer is None for layer in fitting.values())
                if missing:
                    raise ModelError("layers_unfit", missing=missing, total=len(found))
            for name, layer in fitting.items():
                if layer is not None:
                    strength = adapter.in_unet(blocks.of(layer.name)) if layer.in_unet else adapter.in_text
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
            with fit_errors("prompt", "lora_unfit", share.name):
                for name, change in lycoris.changes(share.tensors, own).items():
                    total[name] = total.get(name, own[name].float()) + share.strength * change
        for name, tensor in total.items():
            new = torch.empty_like(own[name]).copy_(tensor)  # in the same type and layout
            setattr(module, name, torch.nn.Parameter(new, requires_grad=False))
            own[name].data = own[name].data.to(OFF_DEVICE)
            self._own.append((module, name, own[name]))
