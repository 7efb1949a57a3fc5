"""The files that random requests name, small and real: LoRAs and an IP-Adapter for the built-in model, the image
encoder that it reads, and two models of SDXL's kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.families.builtin import FOLDER
from pipelines.models.files.headers import read_header

LORAS = ("alpha", "beta")
BASE, REFINER = "base", "refiner"
_WORDS = 600  # of their text encoders
_ADAPTED = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj")
_ROWS = 4  # of a LoRA's narrow side


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    _write_loras(folder)
    _write_references(folder)
    _write_models(folder)


def _write_loras(folder: Path) -> None:
    """Every attention of both the built-in model's networks."""
    from safetensors.numpy import save_file

    for number, name in enumerate(LORAS):
        numbers = np.random.default_rng(number)
        tensors: dict[str, Any] = {}
        for part, file, prefix in (
            ("unet", "diffusion_pytorch_model.safetensors", "lora_unet_"),
            ("text_encoder", "model.safetensors", "lora_te_text_model_"),
        ):
            for key, shape in read_header(FOLDER / part / file).shapes.items():
                layer = key.removesuffix(".weight")
                if len(shape) != 2 or "attn" not in layer or not layer.endswith(_ADAPTED):
                    continue
                down = numbers.standard_normal((_ROWS, shape[1])) * 0.1
                up = numbers.standard_normal((shape[0], _ROWS)) * 0.1
                called = prefix + layer.removeprefix("text_model.").replace(".", "_")
                tensors[f"{called}.lora_down.weight"] = down.astype(np.float32)
                tensors[f"{called}.lora_up.weight"] = up.astype(np.float32)
                tensors[f"{called}.alpha"] = np.array(2.0, np.float32)
        save_file(tensors, folder / f"{name}.safetensors")


def _write_references(folder: Path) -> None:
    import torch
    from diffusers import UNet2DConditionModel

    from tools import tiny_adapters, tiny_clip

    with torch.device("meta"):  # its shapes are all that is asked
        config = json.loads((FOLDER / "unet" / "config.json").read_text(encoding="utf-8"))
        unet: Any = UNet2DConditionModel.from_config(config)
    tiny_adapters.write(folder, "adapter", unet, "plus")
    tiny_clip.write_tiny(folder / "clip")


def _write_models(folder: Path) -> None:
    from tools.make_random_checkpoint import RandomModel

    for name, kind in ((BASE, "sdxl"), (REFINER, "sdxl-refiner")):
        RandomModel(kind, tiny=True, dtype="fp32", vocabulary=_WORDS).write_folder(folder / name)
