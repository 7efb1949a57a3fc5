"""The fold of Inpaint that lets a picture go on beyond its sides: it makes the picture and the mask to paint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL.Image import Image

from pipelines.errors import InvalidRequest, SeedprintError
from pipelines.kinds import shown
from webui.jobs.outpainting import FILLS, Sides, extended, sides_in
from webui.ui.generate.controls import PLACE, whole
from webui.ui.house import House, input_url
from webui.ui.inputs import Dropdown, NumberBox
from webui.ui.jobs import refusal
from webui.ui.labels import word
from webui.words import Language, fault

ROWS = (("left", "right"), ("top", "bottom"))
STEP = 64  # pixels, of the arrows


@dataclass(frozen=True, kw_only=True)
class Outpaint:
    """Its components: a number a side, what they are filled with, a shape instead, the button."""

    sides: Mapping[str, NumberBox]
    fill: Dropdown
    shape: Dropdown
    extend: gr.Button

    def inputs(self) -> set[Any]:
        return {*self.sides.values(), self.fill, self.shape}

    def made(self, values: Mapping[Any, Any], image: Image) -> tuple[Image, Image]:
        """The larger picture and its mask. Raises InvalidRequest."""
        return extended(image, self._sides(values, image), shown(values[self.fill]))

    def _sides(self, values: Mapping[Any, Any], image: Image) -> Sides:
        if values[self.shape]:
            return sides_in(str(values[self.shape]), image.size)
        return Sides(**{side: whole(values[box]) for side, box in self.sides.items()})


def build_outpaint(shapes: tuple[str, ...]) -> Outpaint:
    """Call inside a Blocks context."""
    boxes: dict[str, NumberBox] = {}
    with gr.Accordion(word("outpaint_fold"), open=False, elem_id=f"{PLACE}_outpaint_fold"):
        for row in ROWS:
            with gr.Row(elem_classes="tight"):
                boxes |= {side: _number(f"outpaint_{side}") for side in row}
        with gr.Row(elem_classes="tight"):
            fill = Dropdown(
                [(word(f"outpaint_fill_{one}"), one) for one in FILLS],
                value=FILLS[0],
                label=word("outpaint_fill"),
                elem_id=f"{PLACE}_outpaint_fill",
                min_width=150,
            )
            shape = Dropdown(
                [(word("outpaint_shape_none"), ""), *((one, one) for one in shapes)],
                value="",
                label=word("outpaint_shape"),
                elem_id=f"{PLACE}_outpaint_shape",
                min_width=150,
            )
        extend = gr.Button(word("outpaint"), size="sm", elem_id=f"{PLACE}_outpaint")
    return Outpaint(sides=boxes, fill=fill, shape=shape, extend=extend)


def _number(name: str) -> NumberBox:
    return NumberBox(0, label=word(name), precision=0, minimum=0, step=STEP, elem_id=f"{PLACE}_{name}", min_width=150)


def extended_source(
    house: House, outpaint: Outpaint, values: Mapping[Any, Any], painted: Any
) -> tuple[Image, dict[str, str]]:
    """The larger picture, and what the painter is told of it. Raises SeedprintError."""
    source = painted.get("source") if isinstance(painted, dict) else None
    if not source:
        raise InvalidRequest("init_image", "picture_needed")
    larger, mask = outpaint.made(values, house.inputs.get(source))
    names = [house.inputs.put(one) for one in (larger, mask)]
    return larger, {"source": names[0], "url": input_url(names[0]), "mask_url": input_url(names[1])}


def told_beside(error: SeedprintError, language: Language) -> dict[str, Any] | None:
    """What `Live` shows of a wish of this fold, beside the part that it concerns; None: it is of another one."""
    field = error.field if isinstance(error, InvalidRequest) else ""
    return refusal(faults={field: fault(error, language)}) if field.startswith("outpaint") else None
