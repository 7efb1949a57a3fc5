"""Tiny IP-Adapters of random weights, with the names and the order that the published files have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.tiny_clip import PROJECTED, WIDTH

WORDS, INNER = 4, 64


def tensors(unet: Any, kind: str, seed: int = 1) -> dict[str, Any]:
    """`kind`: "plain", "plus" or "full face", for this UNet and the encoder of `tools.tiny_clip`."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Any:
        return torch.randn(shape, generator=generator) / shape[-1] ** 0.5

    text, found = unet.config.cross_attention_dim, dict[str, Any]()
    layers = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for place, name in enumerate(layers):
        inner = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for letter in "kv":
            found[f"ip_adapter.{2 * place + 1}.to_{letter}_ip.weight"] = some(inner, text)
    if kind == "plain":
        own = {"proj.weight": some(WORDS * text, PROJECTED), "proj.bias": some(WORDS * text)}
        own |= {"norm.weight": torch.ones(text), "norm.bias": some(text)}
    elif kind == "full face":
        own = {"proj.0.weight": some(WIDTH, WIDTH), "proj.0.bias": some(WIDTH)}
        own |= {"proj.2.weight": some(text, WIDTH), "proj.2.bias": some(text)}
        own |= {"proj.3.weight": torch.ones(text), "proj.3.bias": some(text)}
    else:
        own = _resampler(text, some)
    return found | {f"image_proj.{name}": weight for name, weight in own.items()}


def _resampler(text: int, some: Any) -> dict[str, Any]:
    import torch

    own = {"latents": some(1, 2 * WORDS, INNER), "proj_in.weight": some(INNER, WIDTH), "proj_in.bias": some(INNER)}
    own |= {"proj_out.weight": some(text, INNER), "proj_out.bias": some(text)}
    own |= {"norm_out.weight": torch.ones(text), "norm_out.bias": some(text)}
    for layer in range(4):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            own |= {f"layers.{layer}.{norm}.weight": torch.ones(INNER), f"layers.{layer}.{norm}.bias": some(INNER)}
        shapes = {"0.to_q": (INNER, INNER), "0.to_kv": (2 * INNER, INNER), "0.to_out": (INNER, INNER)}
        shapes |= {"1.1": (4 * INNER, INNER), "1.3": (INNER, 4 * INNER)}
        own |= {f"layers.{layer}.{name}.weight": some(*shape) for name, shape in shapes.items()}
    return own


def write(folder: Path, name: str, unet: Any, kind: str, seed: int = 1) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    save_file(tensors(unet, kind, seed), path)
    return path
