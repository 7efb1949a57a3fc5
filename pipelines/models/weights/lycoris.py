"""What an adapter's tensors add to one layer's weight: LyCORIS' LoHa, LoKr, (IA)³, GLoRA, OFT, whole differences, and
LoRA; each of them with a magnitude of its own where DoRA gave it one.

The formulas are those of FedPara (arXiv:2108.06098), LyCORIS (arXiv:2309.14859), GLoRA (arXiv:2306.07967), OFT
(arXiv:2306.07280) and DoRA (arXiv:2402.09353); the names are those of the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import torch

from pipelines.errors import ModelError

Tensors = Mapping[str, torch.Tensor]


def shown(shape: Sequence[int]) -> str:
    """ "320 × 768", for people."""
    return " × ".join(map(str, shape)) or "1"


_NAME = re.compile(r"(.+?)\.((?:(?:lora_(?:up|down|mid)|[ab][12]|bm)\.)?\w+)")
_MAGNITUDE = "dora_scale"


def by_layer(tensors: Tensors) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of a file for each layer it names. Raises `ModelError`."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None or match[2] not in _KNOWN:
            raise ModelError("tensor_unknown", name=name, count=1)
        found.setdefault(match[1], {})[match[2]] = tensor
    return found


def changes(layer: Tensors, weights: Tensors) -> dict[str, torch.Tensor]:
    """What one layer's tensors add to its `weights` (weight, bias) at strength 1, in float32. Raises `ModelError`."""
    place = next(iter(weights.values())).device
    layer = {name: tensor.to(place, torch.float32) for name, tensor in layer.items()}
    magnitude = layer.pop(_MAGNITUDE, None)
    found: dict[str, torch.Tensor] = {}
    for names, make in _RECIPES:
        if layer.keys() & names - {"alpha"}:
            try:
                found |= make(layer, weights["weight"])
            except KeyError as error:
                raise ModelError("layer_lacks", name=error.args[0]) from error
            if left := sorted(layer.keys() - names):
                raise ModelError("layer_has_more", name=left[0])
            break
    else:
        raise ModelError("layer_empty")
    for name, change in found.items():
        shape = weights[name].shape if name in weights else None
        if shape is None or change.numel() != shape.numel() or change.shape[0] != shape[0]:
            raise ModelError("shape_differs", name=name, found=shown(change.shape), wanted=shown(shape or ()))
        found[name] = change.reshape(shape)
    if magnitude is not None:
        found["weight"] = _decomposed(weights["weight"].float(), found["weight"], magnitude)
    return found


def _decomposed(own: torch.Tensor, change: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """DoRA: the changed weight with these lengths instead of its own, one for each row or, as in the paper, for each
    column; less what was there."""
    whole = own + change
    side = 0 if magnitude.shape[0] == whole.shape[0] else 1
    if magnitude.numel() != whole.shape[side]:
        raise ModelError("shape_differs", name=_MAGNITUDE, found=shown(magnitude.shape), wanted=shown(whole.shape))
    others = [number for number in range(whole.dim()) if number != side]
    lengths: torch.Tensor = torch.linalg.vector_norm(whole, dim=others, keepdim=True)
    factors: torch.Tensor = magnitude.reshape(lengths.shape) / lengths.clamp_min(torch.finfo(whole.dtype).tiny)
    return whole * factors - own


def _scale(layer: Tensors, rank: int) -> float:
    return float(layer["alpha"]) / rank if "alpha" in layer else 1.0


def _product(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    return up.flatten(1) @ down.flatten(1)


def _tucker(core: torch.Tensor, out: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    """(r, s, …), (r, out), (s, in) -> (out, in, …)"""
    return torch.einsum("rs...,ro,si->oi...", core, out, into)


def _loha(layer: Tensors, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """(A₁B₁) ⊙ (A₂B₂), with a core between each A and B where there is one."""
    factors = []
    for number in (1, 2):
        a, b = layer[f"hada_w{number}_a"], layer[f"hada_w{number}_b"]
        core = layer.get(f"hada_t{number}")
        factors.append(_product(a, b) if core is None else _tucker(core, a, b))
    return {"weight": factors[0] * factors[1] * _scale(layer, layer["hada_w1_b"].shape[0])}


def _lokr(layer: Tensors, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """W₁ ⊗ W₂, either of them whole or itself a product. Two whole ones know no rank and no scale."""
    first, second = layer.get("lokr_w1"), layer.get("lokr_w2")
    scale = 1.0
    if second is None:
        a, b, core = layer["lokr_w2_a"], layer["lokr_w2_b"], layer.get("lokr_t2")
        second = _product(a, b) if core is None else _tucker(core, a, b)
        scale = _scale(layer, b.shape[0])
    if first is None:
        first = _product(layer["lokr_w1_a"], layer["lokr_w1_b"])
        scale = _scale(layer, layer["lokr_w1_b"].shape[0])
    first = first.reshape(*first.shape, *[1] * (second.dim() - 2))
    return {"weight": torch.kron(first, second.contiguous()) * scale}


def _lora(layer: Tensors, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Files of these kinds keep some layers as plain LoRAs."""
    up, down, core = layer["lora_up.weight"], layer["lora_down.weight"], layer.get("lora_mid.weight")
    whole = _product(up, down) if core is None else _tucker(core, up.flatten(1).T, down.flatten(1))
    return {"weight": whole * _scale(layer, down.shape[0])}


def _full(layer: Tensors, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    ours = {"diff": "weight", "diff_b": "bias", "w_norm": "weight", "b_norm": "bias"}
    return {ours[name]: tensor for name, tensor in layer.items() if name in ours}


def _ia3(layer: Tensors, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Each row of the weight, or each column where `on_input` says so, grows by a share of itself."""
    sides = [1] * weight.dim()
    sides[1 if bool(layer["on_input"]) else 0] = -1
    return {"weight": weight.float() * layer["weight"].reshape(sides)}


def _glora(layer: Tensors, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """W A₁A₂ + B₁B₂: the layer's own weight reads other columns, and a LoRA is added."""
    first, second, core = layer["b1.weight"], layer["b2.weight"], layer.get("bm.weight")
    added = _product(first, second) if core is None else _tucker(core, first.flatten(1).T, second.flatten(1))
    columns = _product(layer["a1.weight"], layer["a2.weight"])
    change = torch.einsum("oi...,ij->oj...", weight.float(), columns) + added.reshape(weight.shape)
    return {"weight": change * _scale(layer, layer["a2.weight"].shape[0])}


def _oft(layer: Tensors, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Block after block of rows is turned: by Cayley's (I + Q)(I − Q)⁻¹ with Q skew, no further than alpha allows."""
    blocks = layer["oft_blocks"]
    skew = blocks - blocks.transpose(1, 2)
    limit = float(layer.get("alpha", torch.zeros(()))) * weight.shape[0]
    if limit > 0:
        skew = skew * min(1.0, limit / (float(skew.norm()) + 1e-8))
    one = torch.eye(skew.shape[1], device=skew.device)
    turns = (one + skew) @ torch.linalg.inv(one - skew)
    own = weight.float()
    turned = torch.einsum("knm,kn...->km...", turns, own.reshape(*skew.shape[:2], *own.shape[1:])).reshape(own.shape)
    return {"weight": turned * layer.get("rescale", 1.0) - own}


_RECIPES: tuple[tuple[frozenset[str], Callable[[Tensors, torch.Tensor], dict[str, torch.Tensor]]], ...] = (
    (frozenset(f"hada_{part}" for part in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")) | {"alpha"}, _loha),
    (frozenset(f"lokr_{part}" for part in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")) | {"alpha"}, _lokr),
    (frozenset(f"lora_{part}.weight" for part in ("up", "down", "mid")) | {"alpha"}, _lora),
    (frozenset(("diff", "diff_b", "w_norm", "b_norm", "alpha")), _full),
    (frozenset(("weight", "on_input", "alpha")), _ia3),
    (frozenset(f"{part}.weight" for part in ("a1", "a2", "b1", "b2", "bm")) | {"alpha"}, _glora),
    (frozenset(("oft_blocks", "rescale", "alpha")), _oft),
)
_KNOWN = frozenset({_MAGNITUDE}).union(*(names for names, _ in _RECIPES))
