"""Tiny networks that are held against another program's must not magnify rounding: else the two differ by the order of
their sums, and more on processors that multiply otherwise."""

from __future__ import annotations

import copy
from typing import Any

import torch

CLOSE = 1e-4  # of the largest value


def rounding(network: Any, *given: Any, call: str = "forward", **named: Any) -> float:
    """How far the network's float32 is from its float64 on this input, as a share of its largest value."""
    single, double = copy.deepcopy(network).float().eval(), copy.deepcopy(network).double().eval()
    with torch.inference_mode():
        rough = _first(getattr(single, call)(*_cast(given, torch.float32), **_cast(named, torch.float32)))
        true = _first(getattr(double, call)(*_cast(given, torch.float64), **_cast(named, torch.float64)))
    assert float(true.abs().max()) > 0
    return float((rough.double() - true).abs().max() / true.abs().max())


def conditioned(network: Any, *given: Any, call: str = "forward", **named: Any) -> Any:
    """The network, once that is shown to be little."""
    found = rounding(network, *given, call=call, **named)
    assert found < CLOSE, f"{type(network).__name__} magnifies rounding: {found:.1e}"
    return network


def _first(answer: Any) -> torch.Tensor:
    tensor: torch.Tensor = answer if isinstance(answer, torch.Tensor) else answer[0]
    return tensor


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _cast(one, dtype) for name, one in value.items()}
    return tuple(_cast(one, dtype) for one in value) if isinstance(value, tuple) else value
