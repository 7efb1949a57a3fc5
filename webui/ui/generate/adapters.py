"""Files beside a model, as the dropdowns offer them."""

from __future__ import annotations

from typing import Any

from pipelines.types import ModelInfo
from pipelines.upscaling.plain import OF_LATENTS
from webui.ui.generate.controls import choice_label
from webui.ui.labels import word


def vae_choices(adapters: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name): the model's own, and every VAE in the models folder."""
    own: list[tuple[Any, str]] = [(word("vae_automatic"), "automatic")]
    return own + [
        (f"{one.name} · {one.family}" if one.family != "unknown" else one.name, one.name)
        for one in adapters
        if one.kind == "vae"  # a broken file is of no kind
    ]


def upscaler_choices(upscalers: tuple[str, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of what may make the first picture of two larger: `upscalers` are those of pixels."""
    return [(choice_label("hires_upscaler", name), name) for name in (*OF_LATENTS, *upscalers)]
