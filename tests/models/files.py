"""Model files for the tests: true headers, holes instead of weights, so they cost no room."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8}


def header_of(shapes: Mapping[str, tuple[int, ...]], dtype: str = "F16") -> dict[str, Any]:
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        first, end = end, end + WIDTHS[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [first, end]}
    return header


def write_header(path: Path, header: Any, data: int | None = None, length: int | None = None) -> Path:
    """A safetensors file with this header and `data` bytes of nothing (None: as many as the header wants)."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    if length is not None:
        text += b" " * (length - len(text))
    if data is None:
        data = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + data)
    return path


def write_model(
    path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None, dtype: str = "F16"
) -> Path:
    header = header_of(shapes, dtype)
    if metadata:
        header["__metadata__"] = dict(metadata)
    return write_header(path, header)


def checkpoint(width: int = 768, channels: int = 4, *, refiner: bool = False) -> dict[str, tuple[int, ...]]:
    """The tensors of a whole checkpoint by which its family is known, and no others."""
    unet = "model.diffusion_model."
    attention = "transformer_blocks.0.attn2.to_k.weight"
    shapes: dict[str, tuple[int, ...]] = {
        unet + "input_blocks.0.0.weight": (320, channels, 3, 3),
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
    }
    if width in (768, 1024):
        shapes[f"{unet}input_blocks.2.1.{attention}"] = (320, width)
        shapes["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"] = (8, width)
    else:
        shapes[f"{unet}input_blocks.4.1.{attention}"] = (640, width)
        shapes["conditioner.embedders.0.model.ln_final.weight"] = (1280,)
        if not refiner:
            shapes[f"{unet}input_blocks.8.1.transformer_blocks.9.attn2.to_k.weight"] = (1280, width)
    return shapes


def write_folder(folder: Path, *, width: int = 768, channels: int = 4, prediction: str = "epsilon") -> Path:
    """A diffusers folder with true configurations and empty weights."""

    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
    }
    write_json(folder / "model_index.json", index)
    write_json(
        folder / "scheduler/scheduler_config.json", {"prediction_type": prediction, "rescale_betas_zero_snr": False}
    )
    write_json(folder / "unet/config.json", {"cross_attention_dim": width, "in_channels": channels, "sample_size": 64})
    write_json(folder / "vae/config.json", {"block_out_channels": [1, 2, 4, 4]})
    write_json(folder / "text_encoder/config.json", {"hidden_size": width})
    write_model(folder / "unet/diffusion_pytorch_model.safetensors", {"conv_in.weight": (320, channels, 3, 3)})
    write_model(folder / "vae/diffusion_pytorch_model.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)})
    write_model(folder / "text_encoder/model.safetensors", {"embeddings.token_embedding.weight": (8, width)})
    return folder


def write_pipeline_folder(folder: Path, *, flux: bool = False, t5: bool = True, **transformer: Any) -> Path:
    """SD 3 or Flux as a diffusers folder: true configurations and empty weights. `transformer`: its configuration."""
    encoders = ("text_encoder", "text_encoder_2", "text_encoder_3")[: 2 if flux or not t5 else 3]
    parts = ("transformer", "vae", *encoders)
    index: dict[str, Any] = {part: ["diffusers", part] for part in parts} | {"scheduler": ["diffusers", "Euler"]}
    index |= {"_class_name": "FluxPipeline" if flux else "StableDiffusion3Pipeline", "image_encoder": [None, None]}
    if not t5:
        index["text_encoder_3"] = [None, None]
    write_json(folder / "model_index.json", index)
    write_json(folder / "scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"})
    for part in parts:
        write_json(folder / part / "config.json", transformer if part == "transformer" else {})
        write_model(folder / part / "model.safetensors", {"weight": (8, 8)})
    for encoder in encoders:
        write_json(folder / encoder.replace("text_encoder", "tokenizer") / "tokenizer.json", {})
    return folder


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
