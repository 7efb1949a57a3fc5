"""The page's form without the page."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipelines.engines.fake import FakeEngine
from pipelines.types import ModelInfo
from pipelines.upscaling.plain import PLAIN
from webui.ui.generate.controls import PLACE, Form
from webui.ui.generate.form import Files, build_mask, build_model, build_prompts, build_settings, build_start


def build_form(*models: ModelInfo) -> Form:
    """As it begins with the first of the models."""
    with gr.Blocks():
        made = {"model": build_model(models)[0]} | build_prompts(models[0]) | build_start(PLACE) | build_mask(PLACE)
        settings, _ = build_settings(
            made, models[0], Files(adapters=(), upscalers=PLAIN, refiners=(), controls=FakeEngine().controls()), {}
        )
    return Form(named=made | settings)


def values(of: Form, **given: Any) -> dict[Any, Any]:
    """What its components hold: field name -> value, the others as it begins."""
    return {component: given.get(name, component.value) for name, component in of.named.items()}
