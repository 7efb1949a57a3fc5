"""Where pictures are made: one form, one bar and one canvas for txt2img, img2img and Inpaint. `build` lays it out.

The three tabs of these names are empty; the page's frame shows or hides what a task adds by the class of its parts
(`for-img2img-inpaint`), and `task` tells the program which one is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines import families
from pipelines.types import ModelInfo
from webui.jobs.defaults import model_defaults
from webui.jobs.maps import PICTURES
from webui.ui.generate.adapters import Files
from webui.ui.generate.controls import PLACE, Form
from webui.ui.generate.form import (
    SHAPES,
    build_mask,
    build_model,
    build_prompts,
    build_settings,
    build_start,
    icon,
    picture_box,
)
from webui.ui.generate.many import build_many
from webui.ui.generate.outpainting import build_outpaint
from webui.ui.house import House
from webui.ui.inputs import Dropdown, TextBox
from webui.ui.labels import word
from webui.ui.widgets.canvas import Canvas
from webui.ui.widgets.canvas_mode import CanvasMode
from webui.ui.widgets.composer import build_composer, preset_choices
from webui.ui.widgets.faults import Faults
from webui.ui.widgets.live import Live
from webui.ui.widgets.networks import Networks
from webui.ui.widgets.painter import MaskPainter
from webui.ui.widgets.reading import build_reading

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


class Workspace:
    """The components. Handlers live in `handlers.py` and `form_handlers.py`."""

    form: Form

    def __init__(self, house: House) -> None:
        self.house = house
        self._models = tuple(model for model in house.service.models() if model.problem is None)
        self._model = self._models[0] if self._models else None

    def build_task(self) -> Workspace:
        """Which task is open. First of all, so that it comes first in every set of inputs. Call inside a Blocks
        context."""
        self.task = TextBox("txt2img", elem_id="task", visible="hidden")
        return self

    def build_model(self) -> Workspace:
        """The model, which stands in the page's head. Call inside a Blocks context."""
        self.model, self.refresh = build_model(self._models)
        return self

    def build(self) -> Workspace:
        """Call inside a Blocks context, outside the tabs."""
        self.jobs = gr.BrowserState([], storage_key="seedprint-jobs", secret=SECRET)
        with gr.Row(elem_id="workspace", equal_height=False):
            with gr.Column(elem_id="left", scale=0, min_width=0):
                with gr.Column(elem_id=PLACE, min_width=0):
                    self._build_form()
                with gr.Column(elem_id="bar", min_width=0):
                    self._build_bar()
            with gr.Column(elem_id="canvas_column", min_width=0):
                self._build_canvas()
        return self

    def _build_form(self) -> None:
        house, model = self.house, self._model
        made: dict[str, Any] = {"model": self.model}
        with gr.Column(elem_classes="part"):
            made |= build_prompts(model)
            self.reading = build_reading(PLACE, house.service, house.library, model.name if model else "")
            self.composer = build_composer(PLACE, house.library, bool(model and model.builtin))
            shown = {"model": model.name if model else ""}
            self.networks = Networks(shown, options={"task": PLACE}, elem_id=f"{PLACE}_networks")
        builtin = bool(model and model.builtin)
        self.model_note = gr.Markdown(word("builtin_note"), visible=builtin, elem_classes=["note", "beginning"])
        with gr.Row(elem_classes=["examples", "beginning"]):
            self.examples = [
                gr.Button(text, size="sm", elem_id=f"{PLACE}_example_{place}", elem_classes="example")
                for place, text in enumerate(examples_for(model))
            ]
        with gr.Column(elem_classes=["part", "for-img2img"]):
            self.image = picture_box(f"{PLACE}_image", "init_image", 190)
        with gr.Column(elem_classes=["part", "for-img2img-inpaint"]):
            made |= build_start(PLACE)
            self.steps_run = gr.HTML(elem_id=f"{PLACE}_steps_run", elem_classes="note")
            self.fitting = gr.HTML(elem_id=f"{PLACE}_fitting", elem_classes="note")
            self.many = build_many()
        with gr.Column(elem_classes=["part", "for-inpaint"]):
            made |= build_mask(PLACE)
            self.outpaint = build_outpaint(SHAPES)
        with gr.Column(elem_classes="part"):
            with gr.Row(elem_classes="tight"):
                self.preset = Dropdown(
                    preset_choices(house.presets, house.library, house.own),
                    value="",
                    label=word("preset"),
                    elem_id=f"{PLACE}_preset",
                )
                self.undo, self.reset = (icon(f"{name}", word(f"form_{name}")) for name in ("undo", "reset"))
            defaults = model_defaults(model, house.service.shelf.settings)
            settings, self.extras = build_settings(made, model, files_of(house), defaults)
            classes = "for-txt2img-img2img"
            self.to_lab = gr.Button(word("form_to_lab"), size="sm", elem_id=f"{PLACE}_to_lab", elem_classes=classes)
        self.faults = Faults(elem_id=f"{PLACE}_faults")
        self.form = Form(named=made | settings)

    def _build_bar(self) -> None:
        self.memory = gr.HTML(elem_id=f"{PLACE}_memory", elem_classes="note", visible=False)
        with gr.Row(elem_classes="run-row"):
            self.generate = gr.Button(
                word("generate"),
                variant="primary",
                scale=3,
                elem_id=f"{PLACE}_generate",
                elem_classes="generate-button",
                min_width=0,
            )
            self.cancel = self._stop("cancel")
            self.skip = self._stop("skip")
            self.keep = self._stop("keep")

    def _stop(self, key: str) -> gr.Button:
        return gr.Button(word(key), scale=1, elem_id=f"{PLACE}_{key}", elem_classes="stop-button", min_width=0)

    def _build_canvas(self) -> None:
        with gr.Row(elem_id="canvas_top"):
            CanvasMode(elem_id="canvas_modes", elem_classes=["for-inpaint"])
            self.live = Live(
                elem_id=f"{PLACE}_live",
                options={
                    "main": True,
                    "kept": PLACE,
                    "stops": [f"{PLACE}_{key}" for key in ("cancel", "skip", "keep")],
                },
            )
        self.canvas = Canvas(elem_id="canvas")
        self.painter = MaskPainter(elem_id=f"{PLACE}_painter", elem_classes=["for-inpaint"])
        self.looks = gr.HTML(elem_id=f"{PLACE}_looks")

    def sources(self) -> set[Any]:
        """Where the one picture to start from is given."""
        return {self.image, self.painter}

    def pictures(self) -> dict[str, Any]:
        """Field -> where a picture is given that a ControlNet is to follow, or that the new one is to be like."""
        boxes = {slot: part.picture for slot, part in self.extras.controls.items()}
        return {PICTURES[slot]: box for slot, box in {**boxes, **self.extras.references}.items()}


def files_of(house: House) -> Files:
    service = house.service
    return Files(
        adapters=service.adapters(),
        upscalers=service.upscalers(),
        refiners=families.refiners(service.models()),
        controls=service.controls(),
        references=service.references(),
        encoders=service.image_encoders(),
        detectors=tuple(info.name for info in service.detectors()),
    )
