"""The form as a whole: kept and found again, one step back, its defaults, and what a model brings with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.errors import StorageError
from pipelines.types import ModelInfo
from webui.jobs.defaults import FOUND, fitted, form_defaults, model_defaults
from webui.kept.forms import Forms
from webui.ui.generate.changes import Changes
from webui.ui.generate.controls import Updates, accepted, fits, model_choices, shown_value
from webui.ui.generate.form import image_guidance_for, prompt_placeholder
from webui.ui.generate.handlers import GenerateHandlers
from webui.ui.generate.workspace import Workspace, examples_for, files_of
from webui.ui.jobs import away_value
from webui.words import language_of, say

# the form's name where it is kept, and those of the three forms that version 0.1.0 had
KEPT_AS = ("form", "txt2img", "img2img", "inpaint")


class FormHandlers:
    """Values in, updates out, as in `GenerateHandlers`."""

    def __init__(self, space: Workspace, forms: Forms) -> None:
        self.space, self.form, self.house, self.forms = space, space.form, space.house, forms
        self.settings = space.house.service.shelf.settings

    def inputs(self) -> set[Any]:
        return {*self.form.components(), self.space.extras.defaults}

    def outputs(self) -> list[Any]:
        extras = self.space.extras
        return [
            *self.form.components(),
            extras.defaults,
            self.space.model_note,
            self.space.preset,
            self.space.faults,
            *self.space.examples,
        ]

    def find(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """When a page opens: what the form showed last, and what of it cannot be shown; the first time it stays as it
        is built."""
        language, shown = language_of(request), self.form.read(values)
        try:
            problem, kept = self.forms.problem(KEPT_AS[0]), self._kept()
            self.forms.keep(KEPT_AS[0], shown if kept is None else kept)  # one of 0.1.0 can be gone back to
            told = self._told({**shown, **_as_shown(kept or {})})
        except StorageError as error:  # the page asks again by itself
            return {self.space.faults: {"retry": True}, self.space.live: away_value(error.told, language)}
        if problem is not None:
            told |= {self.space.live: {"state": "told", "line": say(problem, language)}}
        if kept is not None:
            return self._show(kept) | told
        return {self.space.extras.defaults: self.defaults(self.house.model(shown["model"]))} | told

    def find_again(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """The same for a page that could not be told of its form when it opened. What was typed since stays."""
        shown = self.form.read(values)
        built = self.form.read({component: component.value for component in self.form.components()})
        if shown == built:
            return {self.space.live: {}} | self.find(values, request)
        try:
            self.forms.keep(KEPT_AS[0], shown)
            told = self._told(shown)
        except StorageError:
            return {self.space.faults: {"retry": True}}
        found = {self.space.extras.defaults: self.defaults(self.house.model(shown["model"]))}
        return {self.space.live: {}} | found | told

    def _told(self, shown: Mapping[str, Any] | None = None, faults: Mapping[str, str] | None = None) -> Updates:
        """`shown`: what the page shows, from which its next changes are told."""
        # what no request takes may be no JSON either, and counts as changed
        base = {
            name: one for name, one in (shown or {}).items() if accepted(name, one) or one == shown_value(name, None)
        }
        told = {"faults": dict(faults or {}), "undo": self.forms.can_undo(KEPT_AS[0]), "base": base}
        return {self.space.faults: told}

    def _kept(self) -> dict[str, Any] | None:
        return next((kept for name in KEPT_AS if (kept := self.forms.current(name)) is not None), None)

    def keep(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """After any change; what cannot be kept as it is typed is told. A page that has not shown the kept form yet
        must not overwrite it."""
        if not _known(values[self.space.extras.defaults]).get(FOUND):
            return gr.skip()
        shown, base = self.form.read(values), _known(values[self.space.faults]).get("base")
        try:
            refused = self.forms.keep(KEPT_AS[0], shown, _known(base) if base else None)
        except StorageError:
            return {self.space.faults: {"retry": True, "base": base}}
        language = language_of(request)
        return self._told(shown, {str(note.values["field"]): say(note, language) for note in refused})

    def undo(self) -> Any:
        before = self.forms.undo(KEPT_AS[0])
        return gr.skip() if before is None else self._show(before) | {self.space.preset: ""} | self._told()

    def reset(self, values: dict[Any, Any]) -> Updates:
        """Every setting as it is at first for the chosen model; the prompts stay."""
        model = self.house.model(values[self.form["model"]])
        updates = self.form.apply(form_defaults(model, self.settings))
        return updates | {self.space.extras.defaults: self.defaults(model), self.space.preset: ""}

    def model_chosen(self, values: dict[Any, Any]) -> Updates:
        """What suits the model, in every field that was not changed; placeholder and examples fit it too."""
        model, shown = self.house.model(values[self.form["model"]]), self.form.read(values)
        before = _known(values[self.space.extras.defaults])
        now = model_defaults(model, self.settings)
        return self.form.apply(fitted(shown, before, now, model)) | self._look(model)

    def switch(self, values: dict[Any, Any]) -> Any:
        """The model that a card stands for, as if it were chosen in the list; a file that is newer than the list is
        offered from now on."""
        models = self.house.service.models()
        given = values[self.space.networks]
        wanted = given.get("wanted") if isinstance(given, dict) else None
        if wanted not in {model.name for model in models if model.problem is None}:
            return gr.skip()
        field = self.form["model"]
        updates = self.model_chosen({**values, field: wanted})
        return updates | {field: gr.update(choices=model_choices(models), value=wanted)}

    def _show(self, kept: Mapping[str, Any]) -> Updates:
        fields = {name: value for name, value in kept.items() if fits(name, value)}
        model = self.house.model(fields.get("model"))
        if model is None or model.problem is not None:
            fields.pop("model", None)
            model = self.house.model(self.form["model"].value)
        known = {one.name for one in self.house.service.adapters() if one.kind == "vae"}
        if fields.get("vae") not in known:
            fields["vae"] = "automatic"
        fields = files_of(self.house).known(fields)
        updates, look = self.form.apply(fields), self._look(model)
        return updates | {component: {**updates.get(component, {}), **update} for component, update in look.items()}

    def _look(self, model: ModelInfo | None) -> Updates:
        space = self.space
        updates: Updates = {
            space.extras.defaults: self.defaults(model),
            space.form["prompt"]: gr.update(placeholder=prompt_placeholder(model)),
            space.model_note: gr.update(visible=model is not None and model.builtin),
        }
        updates[space.form["image_guidance"]] = image_guidance_for(model)
        for button, text in zip(space.examples, examples_for(model), strict=True):
            updates[button] = gr.update(value=text)
        return updates

    def defaults(self, model: ModelInfo | None) -> dict[str, Any]:
        """What the form begins with for the model, as it lies hidden beside it."""
        return model_defaults(model, self.settings) | {FOUND: True}


def _known(value: Any) -> dict[str, Any]:
    """From the browser: data from outside."""
    return value if isinstance(value, dict) else {}


def _as_shown(kept: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown_value(name, value) for name, value in kept.items()}


def wire_form(
    space: Workspace, handlers: FormHandlers, others: GenerateHandlers, blocks: gr.Blocks, changes: Changes
) -> None:
    """Which event calls which handler."""
    form = space.form
    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    shown = [*handlers.outputs(), space.live]
    blocks.load(others.offered, None, form.lists(), api_name="form_load", **quiet)
    blocks.load(handlers.find, handlers.inputs(), shown, api_name="form_find", **quiet)
    space.faults.submit(handlers.find_again, handlers.inputs(), shown, api_name="form_find_again", **quiet)
    form["model"].input(handlers.model_chosen, handlers.inputs(), handlers.outputs(), api_name="form_model", **quiet)
    wanted = {*handlers.inputs(), space.networks}
    space.networks.select(handlers.switch, wanted, handlers.outputs(), api_name="form_switch", **quiet)
    space.undo.click(handlers.undo, None, handlers.outputs(), api_name="form_undo", **quiet)
    space.reset.click(handlers.reset, handlers.inputs(), handlers.outputs(), api_name="form_reset", **quiet)
    kept: dict[str, Any] = {
        "inputs": {*handlers.inputs(), space.faults},
        "outputs": space.faults,
        "api_name": "form_keep",
        **quiet,
    }
    changes.ask(form.components(), handlers.keep, **kept)
