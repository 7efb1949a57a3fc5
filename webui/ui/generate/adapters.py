"""Files beside a model, as the dropdowns offer them."""

from __future__ import annotations

from typing import Any

from pipelines.types import ModelInfo
from webui.ui.labels import word


def vae_choices(adapters: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name): the model's own, and every VAE in the models folder."""
    own: list[tuple[Any, str]] = [(word("vae_automatic"), "automatic")]
    return own + [
        (f"{one.name} · {one.family}" if one.family != "unknown" else one.name, one.name)
        for one in adapters
        if one.kind == "vae"  # a broken file is of no kind
    ]
