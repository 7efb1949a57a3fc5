"""The form's part for ControlNets: for each a place for its picture, its fields, and the map that will be followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.leading import OWN_CONTROL
from pipelines.types import ModelInfo
from webui.jobs.maps import SLOTS
from webui.ui.generate.controls import PLACE, choice_label, control
from webui.ui.inputs import Picture
from webui.ui.labels import word

ROWS = (("model", "preprocessor"), ("low", "high"), ("weight", "balance"), ("start", "end"), ("kind",))
MADE_OF = ("preprocessor", "low", "high")  # what its map depends on, beside the picture and its size


@dataclass(frozen=True, kw_only=True)
class ControlPart:
    """What one ControlNet has on the page beside its fields."""

    picture: Picture
    take: gr.Button  # the picture that is started from
    look: gr.HTML  # its map


def control_choices(controls: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name)."""
    return [(choice_label(f"{SLOTS[0]}_model", one.name), one.name) for one in controls]


def with_known(fields: Mapping[str, Any], controls: tuple[ModelInfo, ...]) -> dict[str, Any]:
    """The same, with our own network for each that is not here."""
    names = {one.name for one in controls}
    ours = {name: OWN_CONTROL for slot in SLOTS if fields.get(name := f"{slot}_model", OWN_CONTROL) not in names}
    return {**fields, **ours}


def build_controls(
    start: Mapping[str, Any], choices: list[tuple[Any, str]]
) -> tuple[dict[str, Component], dict[str, ControlPart]]:
    """The fields of all, and the rest of each. Call inside a Blocks context."""
    made, parts = dict[str, Component](), dict[str, ControlPart]()
    for number, slot in enumerate(SLOTS):
        named: dict[str, Any] = {"elem_id": f"{PLACE}_{slot}_fold", "elem_classes": "follows"}
        with gr.Accordion(word(f"group_{slot}"), open=number == 0, **named):
            with gr.Row(elem_classes="tight"):
                parts[slot] = ControlPart(
                    picture=_picture(slot, PLACE),
                    look=gr.HTML(elem_id=f"{PLACE}_{slot}_look", elem_classes="map-look", min_width=150),
                    take=gr.Button(
                        word("control_take"),
                        size="sm",
                        elem_id=f"{PLACE}_{slot}_take",
                        elem_classes="for-img2img-inpaint",
                    ),
                )
            made |= _fields(slot, PLACE, start, choices)
    return made, parts


def build_control(slot: str, place: str, choices: list[tuple[Any, str]]) -> tuple[dict[str, Component], Picture]:
    """The fields of one, and the place for its picture. Call inside a Blocks context."""
    with gr.Row(elem_classes="tight"):
        picture = _picture(slot, place)
    return _fields(slot, place, {}, choices), picture


def _picture(slot: str, place: str) -> Picture:
    return Picture(
        sources=["upload", "clipboard"],
        label=word("control_map"),
        height=150,
        elem_id=f"{place}_{slot}_map",
        buttons=[],
        min_width=150,
    )


def _fields(slot: str, place: str, start: Mapping[str, Any], choices: list[tuple[Any, str]]) -> dict[str, Component]:
    """Under the heading of its ControlNet each is called as it is alone."""
    made = dict[str, Component]()
    for names in ROWS:
        with gr.Row(elem_classes=["tight", *(["with-canny"] if "low" in names else [])]):
            for name in names:
                options: dict[str, Any] = {"label": word(f"control_{name}"), "min_width": 150}
                if name == "model":
                    options["choices"] = choices
                made[f"{slot}_{name}"] = control(f"{slot}_{name}", place, start.get(f"{slot}_{name}"), **options)
    return made
