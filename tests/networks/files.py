"""Networks for the tests: true headers without weights."""

from __future__ import annotations

from pathlib import Path

from tests.models.files import write_model

LAYER = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"


def write_lora(path: Path, width: int = 768) -> Path:
    """`width`: 768 of SD 1.x, 2048 of SDXL."""
    shapes: dict[str, tuple[int, ...]] = {
        f"{LAYER}.lora_down.weight": (4, width),
        f"{LAYER}.lora_up.weight": (320, 4),
    }
    return write_model(path, shapes)


def write_word(path: Path) -> Path:
    return write_model(path, {"emb_params": (4, 768)})


def write_control(path: Path) -> Path:
    return write_model(path, {"control_model.input_hint_block.0.weight": (16, 3, 3, 3)})
