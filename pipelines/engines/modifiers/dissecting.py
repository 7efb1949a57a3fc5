"""What the networks of a model are made of, and how long each of their blocks takes.

Blocks are those that diffusers and transformers name. On a card each is waited for, so that its own time is seen; all
of them together then take longer than in a run that nobody watches. No pixel changes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from pipelines.engines.modifiers.base import Modifier
from pipelines.models.weights.components import Components
from pipelines.watching import Block


@dataclass(slots=True)
class _Measured:
    """A block while it is watched."""

    part: str
    name: str
    module: Any
    waits: bool  # for a card
    seconds: list[float] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    _begun: float = 0.0

    def begin(self, *_: Any) -> None:
        self._begun = self._now()

    def end(self, _module: Any, _given: Any, made: Any) -> None:
        self.seconds.append(self._now() - self._begun)
        while not isinstance(made, torch.Tensor):
            made = made[0]
        self.shape = tuple(made.shape[1:])

    def _now(self) -> float:
        if self.waits:
            torch.cuda.synchronize()
        return time.perf_counter()

    def told(self) -> Block:
        later = self.seconds[1:] or self.seconds  # the first call of a kind also sets things up
        names = [(name, type(module).__name__) for name, module in self.module.named_modules()]
        attention = [name for name, kind in names if kind.endswith("Attention")]
        return Block(
            part=self.part,
            name=self.name,
            kind=type(self.module).__name__,
            layers=len(getattr(self.module, "layers", ())),
            parameters=sum(one.numel() for one in self.module.parameters()),
            shape=self.shape,
            attention=len(attention),
            words=sum(name.endswith("attn2") for name in attention),
            seconds=statistics.median(later) if later else None,
        )


class Dissected(Modifier):
    """Open `looking` round a run."""

    capturable = False  # its hooks are Python

    def __init__(self) -> None:
        self._measured: list[_Measured] = []

    @contextmanager
    def looking(self, parts: Components) -> Iterator[None]:
        waits = parts.placement.device.startswith("cuda")
        self._measured = [_Measured(part, name, module, waits) for part, name, module in _blocks(parts)]
        hooks = []
        for one in self._measured:
            hooks.append(one.module.register_forward_pre_hook(one.begin))
            hooks.append(one.module.register_forward_hook(one.end))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """In the order in which a prompt goes through them, each network before its blocks."""
        return tuple(one.told() for one in self._measured)


def _blocks(parts: Components) -> Iterator[tuple[str, str, Any]]:
    """Part, name in the part ("": all of it) and module."""
    for number, encoder in enumerate(parts.text_encoders, 1):
        part = "text_encoder" if number == 1 else f"text_encoder_{number}"
        inner = getattr(encoder, "text_model", encoder)
        yield part, "", encoder
        yield from ((part, name, getattr(inner, name)) for name in ("embeddings", "encoder", "final_layer_norm"))
    unet, decoder = parts.unet, parts.vae.decoder
    yield "unet", "", unet
    yield "unet", "conv_in", unet.conv_in
    yield from _numbered("unet", "down_blocks", unet.down_blocks)
    yield "unet", "mid_block", unet.mid_block
    yield from _numbered("unet", "up_blocks", unet.up_blocks)
    yield "unet", "conv_out", unet.conv_out
    yield "vae", "encoder", parts.vae.encoder
    yield "vae", "", decoder
    yield "vae", "conv_in", decoder.conv_in
    yield "vae", "mid_block", decoder.mid_block
    yield from _numbered("vae", "up_blocks", decoder.up_blocks)
    yield "vae", "conv_out", decoder.conv_out


def _numbered(part: str, name: str, modules: Any) -> Iterator[tuple[str, str, Any]]:
    yield from ((part, f"{name}.{number}", module) for number, module in enumerate(modules))
