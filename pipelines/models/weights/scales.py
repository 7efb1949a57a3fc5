"""Weights in 8 bits with scales beside them -> plain ones. What is packed in another way is refused by name.

The layouts are ComfyUI's scaled float8 (`scale_weight`, the mark `scaled_fp8`) and its newer one (`weight_scale`, the
description `comfy_quant`), which stable-diffusion.cpp and others read and write too: weight × scale, one for the whole
tensor or one for each row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import torch

from pipelines.errors import ModelError

_SCALES = ("scale_weight", "weight_scale")
# How a card would round what flows into a layer. Here it stays wide, which is what the numbers stand for
_OF_INPUTS = ("scale_input", "input_scale")
_KINDS = (torch.float8_e4m3fn, torch.float8_e5m2, torch.int8)
_FORMATS = {"float8_e4m3fn", "float8_e5m2", "int8_tensorwise"}
_MEANINGLESS = {"full_precision_matrix_mult", "orig_dtype"}  # of a description: how fast, not what
_PACKED = re.compile(
    r"(?:.*\.)?(?:qweight|qzeros|g_idx|scales|[wia]scales|wzeros|wcscales|wtscale|smooth(?:_factor)?(?:_orig)?|absmax"
    r"|quant_map|nested_\w+|quant_state\..*|SCB|weight_format|comfy_quant|weight_(?:packed|shape|zero_point)"
    r"|(?:weight|input|output)_scale(?:_\w+)?|scale_(?:weight|input)|scaled_fp8)"
)


def widened(tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The same with `dtype` in place of each weight that has a scale, rounded once. Raises `ModelError`."""
    found = dict(tensors)
    for name in tensors:
        layer, _, end = name.rpartition(".")
        if end in _SCALES and f"{layer}.weight" in found:
            weight = f"{layer}.weight"
            found[weight] = _product(found[weight], found.pop(name), name).to(dtype)
            for other in _OF_INPUTS:
                found.pop(f"{layer}.{other}", None)
            _check_description(found.pop(f"{layer}.comfy_quant", None), f"{layer}.comfy_quant")
        elif end == "scaled_fp8":
            del found[name]
    for name in found:
        if _PACKED.fullmatch(name):
            raise ModelError("quantized", name=name)
    return found


def _product(weight: torch.Tensor, scale: torch.Tensor, name: str) -> torch.Tensor:
    """In float32. `scale`: one number, or one for each row of the weight."""
    rows = weight.shape[0] if weight.dim() else 1
    fits = scale.numel() == 1 or (scale.numel() == rows and scale.shape[0] == rows)
    if weight.dtype not in _KINDS or not fits or not bool(torch.isfinite(scale.float()).all()):
        raise ModelError("quantized", name=name)
    return weight.float() * scale.float().reshape(-1, *[1] * (weight.dim() - 1))


def _check_description(description: torch.Tensor | None, name: str) -> None:
    """JSON in a tensor of bytes."""
    if description is None:
        return
    try:
        told = json.loads(bytes(description.flatten().tolist()))
        other = {key for key, value in told.items() if value and key not in {"format", *_MEANINGLESS}}
        if told.get("format") in _FORMATS and not other:
            return
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise ModelError("quantized", name=name)
