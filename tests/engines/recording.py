"""A card's graphs on a processor: a captured call is written down operation by operation, and each replay must come to
the very same ones: the same plain numbers, and what was there before the call at the same addresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

LIFTED = "aten.lift_fresh.default"  # a tensor made of plain numbers
# What a card cannot do while it captures: tell the processor numbers, and be told more than one; or what it should not
FORBIDDEN = ("aten._local_scalar_dense", "aten.bernoulli", "aten.rand", "aten.native_dropout")


class Tape(TorchDispatchMode):
    """Every operation, its plain numbers, the shapes of its tensors, and where those lie that the call did not make."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []
        self._given: set[int] = set()
        self._made: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function)
        if name.startswith(FORBIDDEN) or (name == LIFTED and args[0].dim()):
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        if name == LIFTED:
            self._made.add(_place(args[0]))
            self.lines.append(args[0].item())
        self.lines.append((name, self._told(args), self._told(list((kwargs or {}).items()))))
        said = function(*args, **(kwargs or {}))
        for one in said if isinstance(said, list | tuple) else (said,):
            if isinstance(one, torch.Tensor) and (place := _place(one)) not in self._given:
                self._made.add(place)
        return said

    def _told(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if (place := _place(value)) not in self._made:
                self._given.add(place)
            where = value.data_ptr() if place in self._given else None
            return where, value.dtype, tuple(value.shape), value.stride()
        if isinstance(value, list | tuple):
            return tuple(map(self._told, value))
        return value


def _place(value: torch.Tensor) -> int:
    return value.untyped_storage().data_ptr()


@dataclass
class Tapes:
    """A `Recorder`. `bytes`: that each graph says it takes; `fails`: raised by the next captures."""

    bytes: int = 1000
    fails: Exception | None = None
    done: list[str] = field(default_factory=list)  # "warm", "capture", "replay"

    def warm(self, call: Callable[[], torch.Tensor]) -> torch.Tensor:
        self.done.append("warm")
        return call()

    def capture(self, call: Callable[[], torch.Tensor]) -> Taped:
        self.done.append("capture")
        if self.fails is not None:
            raise self.fails
        with Tape() as tape:
            said = call()
        return Taped(output=torch.full_like(said, float("nan")), bytes=self.bytes, call=call, tape=tape, done=self.done)

    def took(self) -> list[str]:
        """What was done since this was asked last."""
        taken = list(self.done)
        self.done.clear()
        return taken


@dataclass
class Taped:
    output: torch.Tensor  # nothing is in it before the first replay
    bytes: int
    call: Callable[[], torch.Tensor]
    tape: Tape
    done: list[str]

    def replay(self) -> None:
        self.done.append("replay")
        with Tape() as tape:
            said = self.call()
        assert tape.lines == self.tape.lines, "a graph was replayed that the network no longer is"
        self.output.copy_(said)

    def wait(self) -> None:
        pass
