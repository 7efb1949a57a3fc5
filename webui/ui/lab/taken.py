"""From the workspace to the lab: a grid of settings that begins with what the form shows."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from pipelines.leading import AUTOMATIC, OWN_CONTROL
from webui.jobs.maps import VARIED
from webui.ui.again.send import Sender
from webui.ui.generate.control_form import control_choices
from webui.ui.generate.controls import Updates, Values, accepted, model_choices
from webui.ui.generate.handlers import task_in
from webui.ui.generate.reference_form import file_choices
from webui.ui.generate.workspace import Workspace, files_of
from webui.ui.inputs import Dropdown
from webui.ui.lab.form import CONTROL, REFERENCE, TAKEN, LabForm

PICTURES = (f"{REFERENCE}_picture", f"{CONTROL}_map", f"{VARIED}_picture")  # beside the one that is started from
SEEDS = 4  # that a setting is compared on

_LEAVES = (
    "(_, ...rest) => {"
    " window.seedprintForgetLab(); window.seedprintLeave(); return [window.seedprintTask(), ...rest]; }"
)


def taken(form: LabForm, space: Workspace, values: Values) -> Updates:
    """What the lab has of the form: every value that a request takes, its seed and the next ones, its picture."""
    shown, named = space.form.read(values), form.by_name()
    models = space.house.service.models()
    # a list on a tab that was never open forgets its value with any update that does not name it
    lists = [one for one in form.components() if isinstance(one, Dropdown) and values[one] in _offered(one)]
    updates: Updates = {one: gr.update(value=values[one]) for one in lists}
    told = [name for name in TAKEN if name != "model" and accepted(name, shown[name])]
    updates |= {named[name]: gr.update(value=shown[name]) for name in told}
    if any(model.name == shown["model"] for model in models):
        updates |= {named["model"]: gr.update(choices=model_choices(models), value=shown["model"])}
    is_img2img = task_in(values[space.task]) == "img2img"
    updates[form.image] = gr.update(value=_given(space, values[space.image]) if is_img2img else None)
    for name in PICTURES:
        updates[named[name]] = gr.update(value=_given(space, values[space.pictures()[name]]))
    here = files_of(space.house)
    files = {f"{REFERENCE}_{name}": (file_choices(name, there), AUTOMATIC) for name, there in here.looking.items()}
    files[f"{CONTROL}_model"] = (control_choices(here.controls), OWN_CONTROL)
    for field, (offered, first) in files.items():
        known = shown[field] in [one for _, one in offered]
        updates[named[field]] = gr.update(choices=offered, value=shown[field] if known else first)
    if accepted("seed", seed := shown["seed"]) and seed is not None:
        updates[form.seeds] = gr.update(value=f"{seed}-{seed + SEEDS - 1}")
    return form.reveal("grid", updates | {form.kind: gr.update(value="grid")})


def _given(space: Workspace, path: Any) -> str | None:
    """A picture that the browser names, if it is one that was given here."""
    try:
        return str(space.house.readable(path))
    except SeedprintError:
        return None


def _offered(one: Dropdown) -> list[Any]:
    return [value for _, value in one.choices]


def wire_compare(space: Workspace, form: LabForm, sender: Sender) -> None:
    """Call once all tabs stand."""

    def compare(values: dict[Any, Any]) -> Updates:
        return sender.open("lab") | taken(form, space, values)

    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    beside = [space.pictures()[name] for name in PICTURES]
    inputs: set[Any] = {space.task, space.image, *beside, *space.form.components(), *form.components()}
    outputs = [sender.way, *form.components()]
    sender.travels(space.to_lab.click(compare, inputs, outputs, js=_LEAVES, api_name="form_to_lab", **quiet))
