"""A graphics card that is a number: which weights are on it is counted, and using one that is not there is an error.

Nothing really moves. What the program does to move parts, and diffusers' own hooks where they do it, is real.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.hooks.group_offloading import ModuleGroup
from torch.overrides import TorchFunctionMode

from pipelines.models.device import Placement

LAYERS = (torch.nn.functional.linear, torch.nn.functional.conv2d, torch.nn.functional.embedding, torch.conv2d)


@dataclass(eq=False)
class Counted:
    """`told`: what the card says is free for a model, None: all of it."""

    capacity: float = float("inf")
    told: int | None = None
    weights: dict[int, int] = field(default_factory=dict)  # bytes by the parameter's id
    peak: int = 0
    moves: list[str] = field(default_factory=list)

    @property
    def used(self) -> int:
        return sum(self.weights.values())

    def add(self, parameters: Iterator[torch.nn.Parameter]) -> None:
        new = {id(one): one.numel() * one.element_size() for one in parameters}
        if sum((self.weights | new).values()) > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.weights |= new
        self.peak = max(self.peak, self.used)

    def drop(self, parameters: Iterator[torch.nn.Parameter]) -> None:
        for one in parameters:
            self.weights.pop(id(one), None)


@dataclass(frozen=True, kw_only=True)
class CardPlacement(Placement):
    card: Counted = field(default_factory=Counted)

    @property
    def moves(self) -> bool:
        return True

    def holds(self, module: torch.nn.Module) -> bool:
        return all(id(one) in self.card.weights for one in module.parameters())

    def place(self, module: torch.nn.Module) -> torch.nn.Module:
        super().place(module)
        self.card.add(module.parameters())
        self.card.moves.append(f"+{type(module).__name__}")
        return module

    def take_off(self, module: torch.nn.Module) -> None:
        self.card.drop(module.parameters())

    def available(self) -> int:
        if self.card.told is not None:
            return self.card.told
        return 2**40 if self.card.capacity == float("inf") else int(self.card.capacity)


def parameters_of(group: ModuleGroup) -> Iterator[torch.nn.Parameter]:
    for module in group.modules:
        yield from module.parameters()
    yield from group.parameters


class _Checked(TorchFunctionMode):
    """Every layer's weights must be on the card when it works."""

    def __init__(self, card: Counted) -> None:
        self.card, self.layers = card, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in LAYERS:
            self.layers += 1
            for one in (*args, *(kwargs or {}).values()):
                if isinstance(one, torch.nn.Parameter):
                    assert id(one) in self.card.weights, f"weights {tuple(one.shape)} are not on the card"
        return function(*args, **(kwargs or {}))


@contextmanager
def checked(card: Counted, patch: Any) -> Iterator[_Checked]:
    """Counts what diffusers' hooks move, and checks each layer that works meanwhile."""
    onload, offload = ModuleGroup.onload_, ModuleGroup.offload_

    def counted_onload(group: ModuleGroup) -> None:
        card.add(parameters_of(group))
        onload(group)

    def counted_offload(group: ModuleGroup) -> None:
        offload(group)
        card.drop(parameters_of(group))

    with patch.context() as patched, _Checked(card) as mode:
        patched.setattr(ModuleGroup, "onload_", counted_onload)
        patched.setattr(ModuleGroup, "offload_", counted_offload)
        yield mode
