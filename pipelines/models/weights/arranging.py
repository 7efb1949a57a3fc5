"""Which parts of a model are on its device while one of them works, as the memory plan says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from diffusers.hooks import HookRegistry, apply_layerwise_casting

from pipelines.models.device import Placement
from pipelines.models.memory import Ways
from pipelines.models.weights.components import Components, Stage

_STREAMING = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")  # diffusers' hooks
_NARROWING = "layerwise_casting"


def arrange(parts: Components, stage: Stage, ways: Ways) -> None:
    """Brings what `stage` needs onto the device, and takes off first what `ways` has no room for meanwhile."""
    placement = parts.placement
    if ways.narrow and not is_narrow(parts.unet):
        narrow(parts.unet, placement.dtype)
    if not placement.moves:
        return  # its parts were placed when they were read
    wanted, streams = _wanted(parts, stage, ways), parts.at_work("unet")
    for part in streams:
        if is_streamed(part) and not ways.streamed:
            unstream(part)
    for part in parts.modules:
        if not _is_among(part, wanted) and not is_streamed(part):
            placement.take_off(part)
    for part in wanted:
        if ways.streamed and _is_among(part, streams):
            _stream(part, placement)
        elif not placement.holds(part):
            placement.place(part)


def _stream(part: Any, placement: Placement) -> None:
    if not is_streamed(part):
        placement.take_off(part)
        placement.stream(part)


def _is_among(part: Any, parts: tuple[Any, ...]) -> bool:
    return any(part is one for one in parts)


def _wanted(parts: Components, stage: Stage, ways: Ways) -> tuple[Any, ...]:
    at_work = parts.at_work(stage)
    if ways.parts_alone or ways.streamed or (ways.text_off and stage == "text"):
        return at_work
    return (*parts.at_work("unet"), *parts.at_work("vae")) if ways.text_off else parts.modules


def clear(parts: Components) -> None:
    """All of it goes from the device."""
    if parts.placement.moves:
        for part in parts.modules:
            unstream(part)
            parts.placement.take_off(part)


def leave(parts: Components) -> None:
    """What worked beside the model in one run goes from the device."""
    if parts.placement.moves:
        for one in parts.beside:
            unstream(one.module)
            parts.placement.take_off(one.module)


def is_streamed(module: torch.nn.Module) -> bool:
    return _has_hook(module, _STREAMING[0])


def unstream(module: torch.nn.Module) -> None:
    """Ends `Placement.stream`: all of it is in main memory then."""
    if is_streamed(module):
        registry = HookRegistry.check_if_exists_or_initialize(module)
        for name in _STREAMING:
            registry.remove_hook(name, recurse=True)
        module.to("cpu")  # layers that were on the device when something went wrong


@contextmanager
def at_hand(module: torch.nn.Module, placement: Placement) -> Iterator[None]:
    """Its weights may be written meanwhile, which streaming would not hear of."""
    streamed = is_streamed(module)
    unstream(module)
    try:
        yield
    finally:
        if streamed:
            placement.stream(module)


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
        for part in parts.at_work("unet"):
            unstream(part)
        for tensor, values in kept:
            tensor.data = values


def can_widen(parts: Components) -> bool:
    """Not what is in float32, nor what diffusers' hooks keep elsewhere or in 8 bits."""
    held = any(is_streamed(part) or is_narrow(part) for part in parts.at_work("unet"))
    return parts.placement.dtype != torch.float32 and not held


def is_narrow(module: torch.nn.Module) -> bool:
    return _has_hook(module, _NARROWING)


def _has_hook(module: torch.nn.Module, name: str) -> bool:
    registries = (getattr(part, "_diffusers_hook", None) for part in module.modules())
    return any(registry is not None and registry.get_hook(name) is not None for registry in registries)
