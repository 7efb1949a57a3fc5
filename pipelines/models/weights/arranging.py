"""Which parts of a model are on its device while one of them works, as the memory plan says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import torch
from diffusers.hooks import HookRegistry, apply_layerwise_casting

from pipelines.models.memory import Ways
from pipelines.models.weights.components import Components

Stage = Literal["text", "unet", "vae"]
_STREAMING = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")  # diffusers' hooks
_NARROWING = "layerwise_casting"


def arrange(parts: Components, stage: Stage, ways: Ways) -> None:
    """Brings what `stage` needs onto the device, and takes off first what `ways` has no room for meanwhile."""
    placement = parts.placement
    if ways.narrow and not is_narrow(parts.unet):
        narrow(parts.unet, placement.dtype)
    if not placement.moves:
        return  # its parts were placed when they were read
    wanted = _wanted(parts, stage, ways)
    if is_streamed(parts.unet) and not ways.streamed:
        unstream(parts.unet)
    for part in parts.modules:
        if not any(part is one for one in wanted) and not (part is parts.unet and is_streamed(part)):
            placement.take_off(part)
    for part in wanted:
        if part is parts.unet and ways.streamed:
            if not is_streamed(part):
                placement.take_off(part)
                placement.stream(part)
        elif not placement.holds(part):
            placement.place(part)


def _wanted(parts: Components, stage: Stage, ways: Ways) -> tuple[Any, ...]:
    at_work = {"text": parts.text_encoders, "unet": (parts.unet,), "vae": (parts.vae,)}[stage]
    if ways.parts_alone or ways.streamed or (ways.text_off and stage == "text"):
        return at_work
    return (parts.unet, parts.vae) if ways.text_off else parts.modules


def is_streamed(module: torch.nn.Module) -> bool:
    return _has_hook(module, _STREAMING[0])


def unstream(module: torch.nn.Module) -> None:
    """Ends `Placement.stream`: all of it is in main memory then."""
    if is_streamed(module):
        registry = HookRegistry.check_if_exists_or_initialize(module)
        for name in _STREAMING:
            registry.remove_hook(name, recurse=True)
        module.to("cpu")  # layers that were on the device when something went wrong


def narrow(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Its weights in 8 bits from now on, each widened to `dtype` while it works. There is no way back but reading the
    file again."""
    apply_layerwise_casting(module, storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)


@contextmanager
def widened(parts: Components) -> Iterator[Components]:
    """The same parts in float32 meanwhile; afterwards they hold the very tensors that they held before."""
    tensors = (tensor for part in parts.modules for tensor in (*part.parameters(), *part.buffers()))
    kept = [(tensor, tensor.data) for tensor in tensors if tensor.is_floating_point()]
    try:
        for tensor, values in kept:
            tensor.data = values.float()
        yield replace(parts, placement=replace(parts.placement, dtype=torch.float32))
    finally:
        unstream(parts.unet)
        for tensor, values in kept:
            tensor.data = values


def can_widen(parts: Components) -> bool:
    """Not what is in float32, nor what diffusers' hooks keep elsewhere or in 8 bits."""
    held = is_streamed(parts.unet) or is_narrow(parts.unet)
    return parts.placement.dtype != torch.float32 and not held


def is_narrow(module: torch.nn.Module) -> bool:
    return _has_hook(module, _NARROWING)


def _has_hook(module: torch.nn.Module, name: str) -> bool:
    registries = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return any(registry is not None and registry.get_hook(name) is not None for registry in registries)
