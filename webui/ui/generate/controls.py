"""The form: one component for each request field, under its own name, and the one way from values to request. All
tasks share it: what a task does not have is not read for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL.Image import Image

from pipelines.fields import Field, build, field_of, groups_of
from pipelines.kinds import Choice, Flag, Name, Number, Text, Whole
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS, GenerationRequest, ModelInfo, Task
from webui.ui.inputs import Checkbox, Dropdown, NumberBox, Slider, TextBox
from webui.ui.labels import word
from webui.words import WORDS, choice_key

Values = Mapping[Any, Any]  # what gradio hands a handler whose inputs are a set: component -> value
Updates = dict[Any, Any]  # component -> update

TABS: tuple[Task, ...] = ("txt2img", "img2img", "inpaint")  # the tasks that begin with the form
SLIDER_MOST = 1000  # whole numbers that go further are typed


PLACE = "form"  # what the ids of the form's parts begin with


def shown_in(task: Task) -> tuple[Field, ...]:
    """The fields that a task has on the page, in the order of the request."""
    there = {"", *(name for name, group in groups_of(GenerationRequest).items() if task in (group.tasks or TABS))}
    return tuple(one for one in REQUEST_FIELDS if one.setting.page and not one.is_picture and one.group in there)


def tasks_class(name: str) -> list[str]:
    """The style classes of a field that not every task has: the page hides it on the others."""
    here = [task for task in TABS if any(one.name == name for one in shown_in(task))]
    return [] if len(here) == len(TABS) else [f"for-{'-'.join(here)}"]


def control(name: str, place: str, value: Any = None, **options: Any) -> Component:
    """The control of a field: by its kind, within its bounds, in its words. `place`: what its id begins with.
    `options`: of the component, over these. Call inside a Blocks context."""
    one = field_of(GenerationRequest, name)
    assert one is not None, name
    shared: dict[str, Any] = {"label": word(name), "elem_id": f"{place}_{name}", "min_width": 130}
    if (info := f"{name}_info") in WORDS:
        shared["info"] = word(info)
    value = one.default if value is None else value
    match one.kind:
        case Whole(low=low, high=high, step=step) if high <= SLIDER_MOST:
            return Slider(low, high, value, **{"step": step, "buttons": [], **shared, **options})
        case Number(low=low, high=high, step=step) if not one.optional:
            return Slider(low, high, value, **{"step": step, "buttons": [], **shared, **options})
        case Whole(step=step) | Number(step=step):
            return NumberBox(shown_value(name, value), **{"step": step, **shared, **options})
        case Choice(choices=choices):
            named = [(choice_label(name, choice), choice) for choice in choices]
            return Dropdown(**{"choices": named, "value": value, **shared, **options})
        case Flag():
            return Checkbox(value, **{"container": False, **shared, **options})
        case Name():
            return Dropdown(**{"value": value, **shared, **options})
        case _:
            return TextBox(value, **{**shared, **options})


def choice_label(name: str, choice: str) -> Any:
    """What a choice of a field is called: its words, or itself."""
    return choice if (key := choice_key(name, choice)) is None else word(key)


def shown_value(name: str, value: Any) -> Any:
    """As the form shows it: −1 is how the page says "any seed"."""
    return -1 if name == "seed" and value is None else value


@dataclass(frozen=True, kw_only=True)
class Form:
    """All controls: field name -> component."""

    named: Mapping[str, Component]

    def __getitem__(self, name: str) -> Any:
        return self.named[name]

    def __contains__(self, name: str) -> bool:
        return name in self.named

    def components(self) -> set[Component]:
        return set(self.named.values())

    def lists(self) -> list[Component]:
        """Those that offer what lies in the models folder."""
        return [
            one
            for name, one in self.named.items()
            if (known := field_of(GenerationRequest, name)) and isinstance(known.kind, Name)
        ]

    def read(self, values: Values) -> dict[str, Any]:
        """Field name -> value, as the request wants it."""
        return {name: _value(name, values[component]) for name, component in self.named.items()}

    def filled(self, updates: Updates) -> dict[str, Any]:
        """Field name -> value, of those that the updates of an event set."""
        found: dict[str, Any] = {}
        for name, component in self.named.items():
            update = updates.get(component, {})
            if not isinstance(update, dict):
                found[name] = _value(name, update)
            elif "value" in update:
                found[name] = _value(name, update["value"])
        return found

    def request(
        self, values: Values, task: Task, pictures: Mapping[str, Image] = MappingProxyType({})
    ) -> GenerationRequest:
        """The adapter; `pictures`: those of the request, by their fields. Raises InvalidRequest."""
        there = {one.name for one in shown_in(task)}
        given = {name: value for name, value in self.read(values).items() if name in there}
        given |= pictures
        if given["seed"] == -1:
            given["seed"] = None
        return build(GenerationRequest, given)

    def apply(self, wanted: Mapping[str, Any]) -> Updates:
        """Updates that show `wanted` (field name -> value) in the form; unknown names are left out."""
        updates: Updates = {}
        for name, component in self.named.items():
            if name not in wanted or (name == "sampler" and wanted[name] not in SAMPLERS):
                continue
            updates[component] = gr.update(value=shown_value(name, wanted[name]))
        if (sampler := wanted.get("sampler")) in SAMPLERS:
            schedule = wanted.get("schedule", "automatic")
            updates[self["schedule"]] = schedule_update(str(sampler), schedule)
        return updates


def whole(value: Any) -> Any:
    """Browsers send whole numbers as 20.0 now and then."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def typed(name: str, value: Any) -> str:
    """What a text box holds; nothing is no text. Raises InvalidRequest."""
    given = "" if value is None else value
    Text().check(name, given)
    return str(given)


def accepted(name: str, value: Any) -> bool:
    """Whether a request would take this value of a field."""
    one = field_of(GenerationRequest, name)
    return one is not None and one.accepts(value)


def fits(name: str, value: Any) -> bool:
    """Whether a control can show it: what was kept damaged, or comes from a browser, leaves the field as it is."""
    one = field_of(GenerationRequest, name)
    return one is not None and (one.accepts if isinstance(one.kind, Choice) else one.fits)(value)


def _value(name: str, value: Any) -> Any:
    """As the request wants it; browsers send no text as nothing."""
    one = field_of(GenerationRequest, name)
    if one is not None and isinstance(one.kind, Whole):
        return whole(value)
    if one is not None and isinstance(one.kind, Text) and value is None:
        return ""
    return value


def schedule_update(sampler: str, schedule: str) -> Any:
    """Offers the schedules that work with `sampler`; keeps `schedule` if it is one of them."""
    allowed = SAMPLERS[sampler].schedules
    kept = schedule if schedule in allowed else allowed[0]
    choices = [(choice_label("schedule", name), name) for name in allowed]
    return gr.update(choices=choices, value=kept, interactive=len(allowed) > 1)


def model_choices(models: tuple[ModelInfo, ...]) -> list[tuple[Any, str]]:
    """(shown, name) of every model that can be loaded."""
    return [(choice_label("model", model.name), model.name) for model in models if model.problem is None]
