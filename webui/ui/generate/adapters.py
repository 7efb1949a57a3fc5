"""Files beside a model, as the dropdowns offer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines import families
from pipelines.details import BY_HAND
from pipelines.groups import NO_REFINER
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


def refiner_choices(refiners: Sequence[ModelInfo]) -> list[tuple[Any, str]]:
    """(shown, name) of the models that may run the last steps."""
    names = [NO_REFINER, *(one.name for one in refiners)]
    return [(choice_label("refiner_model", name), name) for name in names]


def with_refiner(fields: Mapping[str, Any], models: Sequence[ModelInfo]) -> dict[str, Any]:
    """A form's fields, without a refiner that is not there."""
    names = {one.name for one in families.refiners(models)}
    gone = "refiner_model" in fields and fields["refiner_model"] not in names
    return {**fields, **({"refiner_model": NO_REFINER} if gone else {})}


def detector_choices(detectors: tuple[str, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of what may find details: nobody, and every detector in the models folder."""
    return [(choice_label("detail_detector", name), name) for name in (BY_HAND, *detectors)]
