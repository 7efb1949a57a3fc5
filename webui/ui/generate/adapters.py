"""Files beside a model, as the dropdowns offer them."""

from __future__ import annotations

from typing import Any

from pipelines.types import ModelInfo
from webui.ui.labels import word


def vae_choices(adapters: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name): the model's own, and every VAE in the models folder."""
    own: list[tuple[Any, str]] = [(word("vae_automatic"), "automatic")]
    return own + _named(adapters, "vae")


def lora_choices(adapters: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of every LoRA and LyCORIS adapter that a prompt can name."""
    return [choice for choice in _named(adapters, "lora", "lycoris") if not set(choice[1]) & set("<>:")]


def _named(adapters: tuple[ModelInfo, ...], *kinds: str) -> list[tuple[Any, str]]:
    return [
        (f"{one.name} · {one.family}" if one.family != "unknown" else one.name, one.name)
        for one in adapters
        if one.kind in kinds  # a broken file is of no kind
    ]
