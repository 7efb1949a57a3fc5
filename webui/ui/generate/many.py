"""Several pictures to start from: each is a run of its own with the form's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import gradio as gr

from pipelines.types import Task
from webui.jobs.several import Start, starts
from webui.ui.generate.controls import PLACE, Values
from webui.ui.house import House
from webui.ui.inputs import Uploads
from webui.ui.labels import word


@dataclass(frozen=True, kw_only=True)
class Many:
    """The components."""

    pictures: Uploads
    masks: Uploads

    def inputs(self) -> set[Any]:
        return {self.pictures, self.masks}

    def starts(self, house: House, task: Task, values: Values) -> list[Start]:
        """The files of each; none where the one picture of the form counts. Raises InvalidRequest."""
        if task == "txt2img" or not (given := values[self.pictures]):
            return []
        files = [house.readable(path) for path in given]
        if task == "img2img":
            return starts({file: PurePath(file.stem) for file in files})
        masks = [house.readable(path, "mask") for path in values[self.masks]]
        return starts({file: PurePath(file.stem) for file in files}, {PurePath(one.stem): one for one in masks})


def build_many() -> Many:
    """Call inside a Blocks context."""
    with gr.Accordion(word("many"), open=False, elem_id=f"{PLACE}_many_fold"):
        gr.Markdown(word("many_note"), elem_classes="note")
        return Many(
            pictures=_box("many_pictures"),
            masks=_box("many_masks", elem_classes="for-inpaint"),
        )


def _box(name: str, **options: Any) -> Uploads:
    return Uploads(file_count="multiple", label=word(name), height=150, elem_id=f"{PLACE}_{name}", **options)


def wire_many(many: Many, image: Any, painter: Any) -> None:
    """What was given last counts: with one picture for the form there are no longer several."""
    for box, given in ((image, "one"), (painter, "one?.source")):
        newest = f"(one, several) => {given} ? null : several"
        box.change(None, [box, many.pictures], many.pictures, js=newest, api_visibility="private")
