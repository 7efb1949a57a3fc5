"""The form's part for reference pictures: for each a place for the picture, and its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from pipelines.leading import AUTOMATIC
from pipelines.types import ModelInfo
from webui.jobs.maps import PICTURES, REFERENCES, VARIED
from webui.ui.generate.controls import PLACE, choice_label, control
from webui.ui.inputs import Picture
from webui.ui.labels import word

ROWS = (("weight",), ("start", "end"), ("model", "encoder"))
FILES = ("model", "encoder")  # the fields that name some


def file_choices(name: str, files: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of those that a field of `FILES` may name."""
    names = (AUTOMATIC, *(one.name for one in files))
    return [(choice_label(f"{REFERENCES[0]}_{name}", one), one) for one in names]


def with_known(fields: Mapping[str, Any], files: Mapping[str, tuple[ModelInfo, ...]]) -> dict[str, Any]:
    """The same, with the first that fits for each that is not here. `files`: by the field of `FILES`."""
    found = dict(fields)
    for name, known in files.items():
        here = {AUTOMATIC, *(one.name for one in known)}
        found |= {
            field: AUTOMATIC for slot in REFERENCES if found.get(field := f"{slot}_{name}", AUTOMATIC) not in here
        }
    return found


def build_references(
    start: Mapping[str, Any], files: Mapping[str, tuple[ModelInfo, ...]]
) -> tuple[dict[str, Component], dict[str, Picture]]:
    """The fields of all, and of each the place for its picture. Call inside a Blocks context."""
    made, pictures = dict[str, Component](), dict[str, Picture]()
    for number, slot in enumerate(REFERENCES):
        with gr.Accordion(word(f"group_{slot}"), open=number == 0, elem_id=f"{PLACE}_{slot}_fold"):
            fields, pictures[slot] = build_reference(slot, PLACE, start, files)
            made |= fields
    return made, pictures


def build_reference(
    slot: str, place: str, start: Mapping[str, Any], files: Mapping[str, tuple[ModelInfo, ...]]
) -> tuple[dict[str, Component], Picture]:
    """Of one. Under a heading of its own each field is called as it is alone. Call inside a Blocks context."""
    made = dict[str, Component]()
    picture = _place("reference_picture", slot, place)
    for names in ROWS:
        with gr.Row(elem_classes="tight"):
            for name in names:
                options: dict[str, Any] = {"label": word(f"reference_{name}"), "min_width": 150}
                if name in FILES:
                    options["choices"] = file_choices(name, files[name])
                made[f"{slot}_{name}"] = control(f"{slot}_{name}", place, start.get(f"{slot}_{name}"), **options)
    return made, picture


def build_varied(place: str, start: Mapping[str, Any]) -> tuple[dict[str, Component], Picture]:
    """The picture that a model makes variations of, and its field. Call inside a Blocks context."""
    picture, name = _place(PICTURES[VARIED], VARIED, place), f"{VARIED}_noise_level"
    return {name: control(name, place, start.get(name), min_width=150)}, picture


def _place(label: str, slot: str, place: str) -> Picture:
    with gr.Row(elem_classes="tight"):
        return Picture(
            sources=["upload", "clipboard"],
            label=word(label),
            height=150,
            elem_id=f"{place}_{slot}_picture",
            buttons=[],
            min_width=150,
        )
