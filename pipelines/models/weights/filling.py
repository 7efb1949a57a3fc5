"""Weights into an empty model, each once: read from the mapped file, written in the type and layout it is used in."""

from __future__ import annotations

from typing import Any

import torch
from transformers.initialization import no_init_weights

from pipelines.errors import ModelError
from pipelines.models.device import Placement
from pipelines.models.weights import leftovers
from pipelines.models.weights.lycoris import shown


def filled(kind: Any, config: dict[str, Any], tensors: dict[str, torch.Tensor], placement: Placement) -> Any:
    """A diffusers model of this config with these weights, which are taken out of `tensors` one by one. Where type
    and layout are the file's own, its pages are used as they are. Raises `ModelError`, also for tensors that are left
    over."""
    with torch.device("meta"), no_init_weights():
        model = kind.from_config(config)
    state: dict[str, torch.Tensor] = {}
    model._fix_state_dict_keys_on_load(tensors)  # attention had other names once
    for name, empty in model.state_dict().items():
        tensor = tensors.pop(name, None)
        if tensor is None:
            count = len(model.state_dict().keys() - state.keys() - tensors.keys())
            raise ModelError("weights_missing", part=kind.__name__, count=count, name=name)
        if tensor.dim() == 4 and empty.dim() == 2 and tensor.shape[2:] == (1, 1):
            tensor = tensor[:, :, 0, 0]  # attention as convolutions of one pixel, in the original layout
        if tensor.shape != empty.shape:
            raise ModelError("shape_differs", name=name, found=shown(tensor.shape), wanted=shown(empty.shape))
        if empty.is_floating_point() and not tensor.is_floating_point():
            raise ModelError("quantized", name=name)  # whole numbers without a scale
        layout = torch.preserve_format
        if placement.channels_last and tensor.dim() == 4:
            layout = torch.channels_last
        state[name] = tensor.to(placement.dtype, memory_format=layout)
    leftovers.refuse(tensors)
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval()
