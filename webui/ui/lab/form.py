"""The lab's form: from what was typed to an experiment, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL.Image import Image

from pipelines.control.preprocessing import PREPROCESSORS
from pipelines.errors import InvalidRequest
from pipelines.fields import build, flat
from pipelines.kinds import choice, flag
from pipelines.kinds import shown as shown_value
from pipelines.types import GenerationRequest, ModelInfo
from webui.jobs.defaults import program_defaults
from webui.jobs.maps import PICTURES, REFERENCES, SLOTS, VARIED, with_maps
from webui.lab.axes import AXIS_FIELDS, PROMPT_WORDS, Axis
from webui.lab.experiments import NAME_LIMIT, Experiment
from webui.lab.questions import (
    KINDS,
    SYMBOLS,
    Ablation,
    Grid,
    Isolation,
    Order,
    Pair,
    Question,
    Symbols,
    Weights,
)
from webui.lab.ranges import numbers
from webui.ui.generate.adapters import Files
from webui.ui.generate.control_form import build_control, control_choices
from webui.ui.generate.controls import Updates, Values, control, model_choices, shown_in, typed, whole
from webui.ui.generate.form import build_start, picture_box
from webui.ui.generate.reference_form import build_reference, build_varied
from webui.ui.inputs import Checkbox, CheckboxGroup, Dropdown, NumberBox, TextBox
from webui.ui.labels import word
from webui.words import WORDS

AXES = ("x", "y", "z")
_START = tuple(one.name for one in shown_in("img2img") if one.group == "init")
REFERENCE = REFERENCES[0]  # the one reference picture that it has
CONTROL = SLOTS[0]  # ... and the one ControlNet
BESIDE = tuple(one.name for one in shown_in("img2img") if one.group in (REFERENCE, CONTROL, VARIED))
_PLAIN = ("prompt", "negative_prompt", "model", "sampler", "steps", "guidance", "width", "height")
TAKEN = (*_PLAIN, *_START, *BESIDE)  # what it shares with the form that makes pictures
SEPARATORS = {";": "; ", ",": ", ", ".": ". ", "BREAK": " BREAK "}
BEGIN = "a red star on a blue background"
_HERE = {one.name for one in shown_in("img2img") if one.group not in PICTURES} | {*BESIDE}
_OFFERED = tuple(name for name in AXIS_FIELDS if name in _HERE)  # the form has no mask

# which fields each question shows
SHOWN: Mapping[str, tuple[str, ...]] = {
    "ab": ("phrase", "replacement"),
    "ablation": ("phrases",),
    "order": ("phrases", "sample"),
    "symbols": ("phrase", "symbols", "places"),
    "weights": ("phrase", "weights"),
    "isolation": ("phrases", "separators", "alone"),
    "grid": tuple(f"{axis}_{part}" for axis in AXES for part in ("field", "values")),
}


@dataclass(frozen=True, kw_only=True)
class LabForm:
    """One component a field; the names are the request's own where there is one."""

    kind: gr.Dropdown
    prompt: gr.Textbox
    negative_prompt: gr.Textbox
    phrase: gr.Textbox
    replacement: gr.Textbox
    phrases: gr.Textbox
    sample: gr.Number
    symbols: gr.Textbox
    places: gr.CheckboxGroup
    weights: gr.Textbox
    separators: gr.CheckboxGroup
    alone: gr.Checkbox
    x_field: gr.Dropdown
    x_values: gr.Textbox
    y_field: gr.Dropdown
    y_values: gr.Textbox
    z_field: gr.Dropdown
    z_values: gr.Textbox
    seeds: gr.Textbox
    model: gr.Dropdown
    sampler: gr.Dropdown
    steps: gr.Slider
    guidance: gr.Slider
    width: gr.Number
    height: gr.Number
    image: gr.Image  # to begin with; none: txt2img
    strength: gr.Slider
    resize_mode: gr.Dropdown
    image_guidance: gr.Number
    reference_1_picture: gr.Image  # that all variants are to be like, if any
    reference_1_model: gr.Dropdown
    reference_1_encoder: gr.Dropdown
    reference_1_weight: gr.Slider
    reference_1_start: gr.Slider
    reference_1_end: gr.Slider
    unclip_picture: gr.Image  # that a model makes variations of
    unclip_noise_level: gr.Slider
    control_1_map: gr.Image  # that all variants are to follow, if any
    control_1_model: gr.Dropdown
    control_1_preprocessor: gr.Dropdown
    control_1_low: gr.Slider
    control_1_high: gr.Slider
    control_1_weight: gr.Slider
    control_1_balance: gr.Dropdown
    control_1_start: gr.Slider
    control_1_end: gr.Slider
    control_1_kind: gr.Dropdown

    def by_name(self) -> dict[str, Component]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def components(self) -> set[Any]:
        return set(self.by_name().values())

    def experiment(self, values: Values, pictures: Mapping[str, Image] = MappingProxyType({})) -> Experiment:
        """The adapter; `pictures`: of the request, by their fields. Raises InvalidRequest."""
        named = self.by_name()
        given = {name: values[component] for name, component in named.items()}
        given |= {name: typed(name, given[name]) for name in named if isinstance(named[name], TextBox)}
        asked = {name: whole(given[name]) for name in TAKEN}
        base = build(GenerationRequest, {**asked, **with_maps(pictures, asked)})
        question = _question(given)
        seeded = isinstance(question, Grid) and any(axis.field == "seed" for axis in question.axes)
        seeds = () if seeded else numbers(given["seeds"], "seeds", whole=True)
        name = f"{WORDS[f'kind_{question.kind}'][0].partition('(')[0].strip()} {base.prompt}".strip()
        return Experiment(name=name[:NAME_LIMIT], base=base, seeds=tuple(map(int, seeds)), question=question)

    def boxes(self) -> dict[str, Any]:
        """Field of a request -> where its picture is given."""
        beside = {f"{REFERENCE}_picture": self.reference_1_picture, f"{CONTROL}_map": self.control_1_map}
        return {"init_image": self.image, **beside, PICTURES[VARIED]: self.unclip_picture}

    def apply(self, experiment: Experiment, files: Mapping[str, Path] = MappingProxyType({})) -> Updates:
        """Updates that show `experiment`; `files`: of its pictures, by the request's fields."""
        base, question = experiment.base, experiment.question
        asked = flat(base)
        shown: dict[str, Any] = {name: asked[name] for name in TAKEN if name in asked}
        shown |= {f"{CONTROL}_preprocessor": PREPROCESSORS[0]}  # its picture is a map already
        shown |= {"kind": question.kind, "seeds": ", ".join(map(str, experiment.seeds)) or "1-4"}
        shown |= _fields_of(question)
        named = self.by_name()
        updates: Updates = {named[name]: gr.update(value=value) for name, value in shown.items()}
        for name, box in self.boxes().items():
            updates[box] = gr.update(value=str(files[name]) if name in files else None)
        return self.reveal(question.kind, updates)

    def reveal(self, kind: str, updates: Updates | None = None) -> Updates:
        """Shows what this question asks for and hides the rest."""
        found, named = dict(updates or {}), self.by_name()
        for name in {name for names in SHOWN.values() for name in names}:
            found[named[name]] = {**found.get(named[name], gr.update()), "visible": name in SHOWN.get(kind, ())}
        return found


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _question(given: Mapping[str, Any]) -> Question:
    kind, phrases = given["kind"], _lines(given["phrases"])
    if kind == "ab":
        return Pair(phrase=given["phrase"], replacement=given["replacement"])
    if kind == "ablation":
        return Ablation(phrases=phrases)
    if kind == "order":
        sample = whole(given["sample"])
        return Order(phrases=phrases, sample=None if sample in (0, "") else sample)
    if kind == "symbols":
        places = tuple(given["places"] or ())
        return Symbols(phrase=given["phrase"], symbols=tuple(given["symbols"].split()), places=places)
    if kind == "weights":
        return Weights(phrase=given["phrase"], weights=numbers(given["weights"], "weights"))
    if kind == "isolation":
        for name in given["separators"]:
            choice(*SEPARATORS).check("separators", name)
        flag().check("alone", given["alone"])
        separators = tuple(SEPARATORS[name] for name in given["separators"])
        return Isolation(phrases=phrases, separators=separators, alone=given["alone"])
    if kind == "grid":
        named = [(given[f"{axis}_field"], given[f"{axis}_values"]) for axis in AXES]
        return Grid(axes=tuple(Axis.read(field, text) for field, text in named if field))
    raise InvalidRequest("kind", "choice", choices=tuple(KINDS), value=shown_value(kind))


def _fields_of(question: Question) -> dict[str, Any]:
    if isinstance(question, Grid):
        shown: dict[str, Any] = {}
        for place, axis in enumerate(AXES):
            known = question.axes[place] if place < len(question.axes) else None
            shown[f"{axis}_field"] = known.field if known else ""
            shown[f"{axis}_values"] = ", ".join(map(known.label, known.values)) if known else ""
        return shown
    if isinstance(question, Isolation):
        chosen = [name for name, text in SEPARATORS.items() if text in question.separators]
        return {"phrases": "\n".join(question.phrases), "separators": chosen, "alone": question.alone}
    if isinstance(question, Symbols):
        symbols = " ".join(question.symbols)
        return {"phrase": question.phrase, "symbols": symbols, "places": list(question.places)}
    if isinstance(question, Weights):
        return {"phrase": question.phrase, "weights": ", ".join(f"{weight:g}" for weight in question.weights)}
    if isinstance(question, Order):
        return {"phrases": "\n".join(question.phrases), "sample": question.sample or 0}
    if isinstance(question, Pair):
        return {"phrase": question.phrase, "replacement": question.replacement}
    return {"phrases": "\n".join(getattr(question, "phrases", ()))}


def build_asked() -> dict[str, Any]:
    """The card of what is asked. Call inside a Blocks context."""
    made: dict[str, Any] = {}
    with gr.Column(elem_classes="card"):
        made["kind"] = Dropdown(
            [(word(f"kind_{kind}"), kind) for kind in KINDS], value="ab", label=word("lab_kind"), elem_id="lab_kind"
        )
        made["prompt"] = TextBox(BEGIN, label=word("prompt"), lines=2, max_lines=10, elem_id="lab_prompt")
        made |= _build_question()
        made["seeds"] = TextBox(
            "1-8", label=word("lab_seeds"), info=word("lab_seeds_info"), elem_id="lab_seeds", max_lines=1
        )
    for name, component in made.items():
        component.visible = all(name not in names for names in SHOWN.values()) or name in SHOWN["ab"]
    return made


def _build_question() -> dict[str, Any]:
    def text(name: str, value: str, info: str | None = None, lines: int = 1) -> gr.Textbox:
        note = word(info) if info else None
        return TextBox(
            value, label=word(f"lab_{name}"), info=note, lines=lines, max_lines=max(1, lines * 4), elem_id=f"lab_{name}"
        )

    made: dict[str, Any] = {}
    with gr.Row(elem_classes="tight"):
        made["phrase"] = text("phrase", "red", "lab_phrase_info")
        made["replacement"] = text("replacement", "", "lab_replacement_info")
    made["phrases"] = text("phrases", "", "lab_phrases_info", lines=3)
    made["sample"] = NumberBox(
        0, label=word("lab_sample"), info=word("lab_sample_info"), precision=0, minimum=0, elem_id="lab_sample"
    )
    made["symbols"] = text("symbols", " ".join(SYMBOLS))
    made["places"] = CheckboxGroup(
        [(word(f"places_{place}"), place) for place in ("before", "after")],
        value=["before"],
        label=word("lab_places"),
        elem_id="lab_places",
    )
    made["weights"] = text("weights", "0.6, 0.8, 1.2, 1.4", "lab_values_info")
    made["separators"] = CheckboxGroup(
        list(SEPARATORS), value=[";", ",", "."], label=word("lab_separators"), elem_id="lab_separators"
    )
    made["alone"] = Checkbox(True, label=word("lab_alone"), elem_id="lab_alone")
    choices: list[Any] = [(word("lab_axis_none"), ""), (word("axis_prompt_words"), PROMPT_WORDS)]
    choices += [(word(name), name) for name in _OFFERED if name in WORDS]
    for axis, (field, values) in zip(AXES, (("steps", "6-12 (+6)"), ("guidance", "2, 5, 8"), ("", "")), strict=True):
        with gr.Row(elem_classes="tight"):
            made[f"{axis}_field"] = Dropdown(
                choices, value=field, label=word(f"lab_axis_{axis}"), elem_id=f"lab_{axis}_field", min_width=130
            )
            made[f"{axis}_values"] = TextBox(
                values,
                label=word("lab_values"),
                info=word("lab_values_info"),
                elem_id=f"lab_{axis}_values",
                max_lines=1,
                min_width=130,
            )
    return made


def build_settings(models: tuple[ModelInfo, ...], files: Files) -> dict[str, Any]:
    """How the pictures are made. Call inside a Blocks context."""
    model = models[0] if models else None
    start = program_defaults(model)
    made: dict[str, Any] = {}
    made["negative_prompt"] = control(
        "negative_prompt", "lab", placeholder=word("negative_placeholder"), lines=1, max_lines=6, min_width=160
    )
    with gr.Row(elem_classes="tight"):
        made["model"] = control("model", "lab", model.name if model else None, choices=model_choices(models))
        made["sampler"] = control("sampler", "lab", start["sampler"])
    with gr.Row(elem_classes="tight"):
        made["steps"] = control("steps", "lab", 12)
        made["guidance"] = control("guidance", "lab", start["guidance"])
    with gr.Row(elem_classes="tight"):
        for side in ("width", "height"):
            made[side] = control(side, "lab", start[side], min_width=90)
    made["image"] = picture_box("lab_image", "lab_start_picture", 220)
    made |= build_start("lab")
    with gr.Accordion(word("reference"), open=False, elem_id="lab_reference_fold"):
        like, made[f"{REFERENCE}_picture"] = build_reference(REFERENCE, "lab", {}, files.looking)
    with gr.Accordion(word(VARIED), open=False, elem_id=f"lab_{VARIED}_fold"):
        varied, made[PICTURES[VARIED]] = build_varied("lab", {})
    with gr.Accordion(word("control"), open=False, elem_id="lab_control_fold"):
        follow, made[f"{CONTROL}_map"] = build_control(CONTROL, "lab", control_choices(files.controls))
    return made | like | varied | follow
