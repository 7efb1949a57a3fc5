"""The model that ships with the project: SD's method in a network of a few megabytes (`docs/builtin`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError
from pipelines.families.base import Family
from pipelines.families.sd import LOADS
from pipelines.types import BUILTIN, ModelInfo

FOLDER = Path(__file__).resolve().parent.parent / "builtin"

FAMILIES = (Family(name=BUILTIN, title="Built-in", native_size=128, loads=LOADS),)


def info() -> ModelInfo:
    """As its own configs describe it. Raises `ModelError`."""
    unet, vae = _config("unet"), _config("vae")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    return ModelInfo(
        name=BUILTIN,
        family=BUILTIN,
        path=str(FOLDER),
        bytes=sum(file.stat().st_size for file in FOLDER.glob("*/*.safetensors")),
        native_size=int(unet["sample_size"]) * factor,
        guidance=3.0,  # its judge's best: above, colours and edges overshoot (docs/builtin/figures.json)
        layout="folder",
        inpainting=unet["in_channels"] == 2 * vae["latent_channels"] + 1,
    )


def _config(part: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((FOLDER / part / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError("builtin_damaged", part=part, reason=str(error)) from error
    return config
