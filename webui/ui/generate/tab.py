"""One tab that generates: txt2img, img2img or Inpaint. `build` lays it out, `wire` connects it once all tabs stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.types import ModelInfo, Task
from webui.jobs.defaults import model_defaults
from webui.ui.generate.controls import Form
from webui.ui.generate.form import build_mask, build_prompts, build_settings, build_start, picture_box
from webui.ui.house import House
from webui.ui.inputs import Dropdown, Picture
from webui.ui.labels import word
from webui.ui.looks import LooksButton
from webui.ui.widgets.composer import build_composer, preset_choices
from webui.ui.widgets.live import Live
from webui.ui.widgets.painter import MaskPainter
from webui.ui.widgets.pictures import Pictures
from webui.ui.widgets.reading import Reading, build_reading
from webui.ui.widgets.widget import empty_words

SECRET = "seedprint"  # job ids are no secret: a fixed one lets a restarted program read what a browser kept

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "builtin": (
        "a red star on a blue background",
        "a small green house in the snow at night, pixel art",
        "a yellow flower in a meadow",
        "a purple fish in the sea, cartoon",
    ),
    "real": (
        "a portrait of a princess, candle light, finely detailed",
        "a fluffy cat plays trumpet, cyberpunk, 3d render",
        "an ancient city at dawn, matte painting",
        "a rugged witch, magic school uniform, illustration",
    ),
}


def examples_for(model: ModelInfo | None) -> tuple[str, ...]:
    return EXAMPLES["builtin" if model is not None and model.builtin else "real"]


class GenerateTab:
    """The components of one tab. Handlers live in `handlers.py`."""

    form: Form
    reading: Reading
    image: Picture | None = None
    painter: MaskPainter | None = None

    def __init__(self, task: Task, house: House) -> None:
        self.task, self.house = task, house

    def build(self, opened: gr.Tab) -> GenerateTab:
        """Call inside `opened`."""
        self.opened = opened
        models = tuple(model for model in self.house.service.models() if model.problem is None)
        self.jobs = gr.BrowserState([], storage_key=f"seedprint-jobs-{self.task}", secret=SECRET)
        with gr.Row(elem_classes="columns", equal_height=False):
            with gr.Column(scale=9, min_width=340, elem_classes="left"):
                self._build_left(models)
            with gr.Column(scale=11, min_width=340, elem_classes="right"):
                self._build_right()
        return self

    def _build_left(self, models: tuple[ModelInfo, ...]) -> None:
        task, model = self.task, models[0] if models else None
        with gr.Column(elem_classes="card"):
            prompts = build_prompts(task, model)
            builtin = model is not None and model.builtin
            name = model.name if model is not None else ""
            self.reading = build_reading(task, self.house.service, self.house.library, name)
            self.composer = build_composer(task, self.house.library, builtin)
        with gr.Row(elem_classes="examples"):
            self.examples = [
                gr.Button(text, size="sm", elem_id=f"{task}_example_{place}", elem_classes="example")
                for place, text in enumerate(examples_for(model))
            ]
        named: dict[str, Any] = {}
        if task == "img2img":
            self.image = picture_box("img2img_image", "init_image", 300)
        if task == "inpaint":
            gr.Markdown(word("mask"), elem_classes="section-title")
            self.painter = MaskPainter(elem_id="inpaint_painter")
        if task != "txt2img":
            self.source_error = gr.HTML(elem_id=f"{task}_source_error", elem_classes="error-line", visible=False)
        with gr.Row(elem_classes="run-row"):
            self.generate = gr.Button(
                word("generate"),
                variant="primary",
                scale=3,
                elem_id=f"{task}_generate",
                elem_classes="generate-button",
                min_width=120,
            )
            self.cancel = gr.Button(
                word("cancel"), scale=1, elem_id=f"{task}_cancel", elem_classes="stop-button", min_width=70
            )
            self.skip = gr.Button(
                word("skip"), scale=1, elem_id=f"{task}_skip", elem_classes="stop-button", min_width=70
            )
        with gr.Column(elem_classes=["card", "later"]):
            self._build_presets()
        if task != "txt2img":
            with gr.Column(elem_classes=["card", "later"]):
                named |= build_start(task)
                self.steps_run = gr.HTML(elem_id=f"{task}_steps_run", elem_classes="note")
                named |= build_mask(task) if task == "inpaint" else {}
        with gr.Column(elem_classes=["card", "later"]):
            service = self.house.service
            defaults = model_defaults(model, task, service.shelf.settings)
            settings, self.extras = build_settings(task, prompts, models, service.adapters(), defaults)
        self.form = Form(task=task, named=named | settings)

    def _build_presets(self) -> None:
        self.preset = Dropdown(
            preset_choices(self.house.presets, self.house.library, self.house.own),
            value="",
            label=word("preset"),
            info=word("preset_info"),
            elem_id=f"{self.task}_preset",
        )

    def _build_right(self) -> None:
        task = self.task
        self.live = Live(elem_id=f"{task}_live")
        self.pictures = Pictures(options={"empty": empty_words("empty_run")}, elem_id=f"{task}_pictures")
        with gr.Row(elem_classes="actions"):
            self.to_img2img = self._action("to_img2img")
            self.to_inpaint = self._action("to_inpaint")
            self.to_again = self._action("to_again")
            self.reuse_seed = self._action("reuse_seed")
            self.reuse_all = self._action("reuse_all")
            self.looks = LooksButton(self.house, task).build()
        self.looks.build_below()
        gr.Markdown(word("recent"), elem_classes="section-title")
        self.recent = Pictures(options={"empty": empty_words("empty_recent"), "strip": True}, elem_id=f"{task}_recent")

    def _action(self, key: str) -> gr.Button:
        return gr.Button(word(key), size="sm", elem_id=f"{self.task}_{key}", min_width=80)

    def source_inputs(self) -> set[Any]:
        return {one for one in (self.image, self.painter) if one is not None}
