"""LyCORIS adapters written into a model's weights, and the weights as they were put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from safetensors.torch import load_file

from pipelines.errors import ModelError
from pipelines.models import conversion
from pipelines.models.device import OFF_DEVICE
from pipelines.models.extras import WantedLora
from pipelines.models.weights import lycoris
from pipelines.models.weights.arranging import at_hand
from pipelines.models.weights.components import Components
from pipelines.models.weights.loading import fit_errors
from pipelines.models.weights.naming import Blocks, named_layers


class _Share(NamedTuple):
    """What one file has for one layer. `block`: of the UNet; None: it is a text encoder's."""

    adapter: WantedLora
    block: int | None
    tensors: dict[str, torch.Tensor]

    @property
    def changes(self) -> bool:
        return self.block is not None and self.adapter.changes

    def strength(self, step: int, steps: int) -> float:
        """As `WantedLora.in_unet`."""
        return self.adapter.in_text if self.block is None else self.adapter.in_unet(self.block, step, steps)


@dataclass(kw_only=True, slots=True)
class _Layer:
    """A layer whose weights are not its own at present."""

    module: torch.nn.Module
    shares: list[_Share]
    strengths: list[float]  # of the shares, as they lie in the weights
    own: dict[str, torch.Tensor] = field(default_factory=dict)  # the very tensors that were there before

    def total(self) -> dict[str, torch.Tensor]:
        """Its changed weights, float32, of those that it had. Raises `InvalidRequest`."""
        weights: dict[str, torch.Tensor] = dict(self.module.named_parameters(recurse=False))
        weights |= {name: own.data.to(weights[name].device) for name, own in self.own.items()}
        found = dict[str, torch.Tensor]()
        for share, strength in zip(self.shares, self.strengths, strict=True):
            with fit_errors("prompt", "lora_unfit", share.adapter.info.name):
                for name, change in lycoris.changes(share.tensors, weights).items():
                    found[name] = found.get(name, weights[name].float()) + strength * change
        return found


class Merged:
    """Which weights of a model are not its own at present. Its own are kept in main memory meanwhile, as they are."""

    def __init__(self, parts: Components) -> None:
        self._parts = parts
        self._layers: list[_Layer] = []

    def __bool__(self) -> bool:
        return bool(self._layers)

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
                    share = _Share(adapter, blocks.of(layer.name) if layer.in_unet else None, found[name])
                    shares.setdefault(layer.module, []).append(share)
        for module, theirs in shares.items():
            self._write(_Layer(module=module, shares=theirs, strengths=[one.strength(1, 0) for one in theirs]))

    def weigh(self, step: int, steps: int) -> None:
        """As they count at `step` of so many: each layer for which that is another than now, from its own weights anew,
        so that nothing is left of the steps before."""
        due: list[_Layer] = []
        for layer in self._layers:
            wanted = [one.strength(step, steps) for one in layer.shares]
            if layer.strengths != wanted:
                layer.strengths = wanted
                due.append(layer)
        if not due:
            return
        with at_hand(self._parts.unet, self._parts.placement):
            for layer in due:
                for name, tensor in layer.total().items():
                    getattr(layer.module, name).data.copy_(tensor)

    def take_off(self) -> None:
        """The very weights that were there before."""
        for layer in self._layers:
            for name, own in layer.own.items():
                own.data = own.data.to(getattr(layer.module, name).device)
                setattr(layer.module, name, own)
        self._layers.clear()

    def _write(self, layer: _Layer) -> None:
        own, total = dict(layer.module.named_parameters(recurse=False)), layer.total()
        self._layers.append(layer)
        for name, tensor in total.items():
            new = torch.empty_like(own[name]).copy_(tensor)  # in the same type and layout
            setattr(layer.module, name, torch.nn.Parameter(new, requires_grad=False))
            own[name].data = own[name].data.to(OFF_DEVICE)
            layer.own[name] = own[name]
        if not any(share.changes for share in layer.shares):
            layer.shares, layer.strengths = [], []  # their tensors are not wanted any more
