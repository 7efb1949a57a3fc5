"""The Settings tab: this browser, what a form begins with, how pictures are saved, and what the program runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from pipelines.models.memory import GB
from pipelines.types import ModelInfo
from webui.archive import VERSION
from webui.jobs.defaults import model_defaults, program_defaults
from webui.kept.models import FACTS, FORM_FIELDS
from webui.parts import Parts
from webui.ui.generate.controls import Updates, Values
from webui.ui.generate.form_handlers import FormHandlers
from webui.ui.generate.handlers import escaped
from webui.ui.generate.workspace import Workspace
from webui.ui.house import device_line
from webui.ui.labels import word
from webui.ui.settings.saving import SavingForm
from webui.ui.widgets.preferences import Preferences
from webui.words import Language, fault, label, language_of, model_title, translate

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class SettingsTab:
    """The components and their handlers."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.shelf = parts, parts.service.shelf

    def build(self, opened: gr.Tab) -> SettingsTab:
        """Call inside `opened`."""
        self.opened = opened
        with gr.Column(elem_classes="settings-page"):
            with gr.Column(elem_classes="card"):
                gr.Markdown(word("settings_browser"), elem_classes="section-title")
                Preferences(elem_id="preferences")
            with gr.Column(elem_classes="card", elem_id="beginning"):
                gr.Markdown(word("settings_begin"), elem_classes="section-title")
                gr.Markdown(word("settings_begin_hint"), elem_classes="note")
                self.told = gr.HTML(elem_id="beginning_told")
                with gr.Row(elem_classes="actions"):
                    self.keep = gr.Button(
                        word("settings_begin_keep"), size="sm", scale=0, min_width=260, elem_id="beginning_keep"
                    )
                    self.forget = gr.Button(
                        word("settings_begin_forget"), size="sm", scale=0, min_width=260, elem_id="beginning_forget"
                    )
            self.saving = SavingForm(self.parts.store, self.parts.saving).build(opened)
            with gr.Column(elem_classes="card"):
                gr.Markdown(word("settings_house"), elem_classes="section-title")
                self.house = gr.HTML(elem_id="settings_house")
        return self

    def wire(self, space: Workspace, form: FormHandlers, blocks: gr.Blocks) -> None:
        """Call once all tabs stand."""
        self.space, self.form = space, form
        self.saving.wire(blocks)
        model = space.form["model"]
        self.opened.select(self.show, model, [self.told, self.forget, self.house], api_name="settings", **_QUIET)
        inputs: set[Any] = {*space.form.components()}
        outputs = [self.told, self.forget, space.extras.defaults]
        self.keep.click(self.kept, inputs, outputs, api_name="beginning_keep", **_QUIET)
        self.forget.click(self.forgotten, model, outputs, api_name="beginning_forget", **_QUIET)

    def show(self, name: Any, request: gr.Request) -> Updates:
        language = language_of(request)
        return self._settled(self._model(name), language) | {self.house: self._house(language)}

    def kept(self, values: Values, request: gr.Request) -> Updates:
        """What the form shows now is what it begins with for its model, beside what is known of the model's nature."""
        shown, language = self.space.form.read(values), language_of(request)
        model = self._model(shown["model"])
        if model is None:
            return {self.told: _line(translate("models_gone", language), "error-line")}
        program, known = program_defaults(model), self.shelf.settings.get(model)
        wanted = {name: shown[name] for name in FORM_FIELDS if shown.get(name) != program[name]}
        return self._put(model, {name: known[name] for name in FACTS if name in known} | wanted, language)

    def forgotten(self, name: Any, request: gr.Request) -> Updates:
        """As the program has it; what is known of the model's nature stays."""
        model, language = self._model(name), language_of(request)
        if model is None:
            return {self.told: _line(translate("models_gone", language), "error-line")}
        known = self.shelf.settings.get(model)
        return self._put(model, {name: known[name] for name in FACTS if name in known}, language)

    def _put(self, model: ModelInfo, settled: dict[str, Any], language: Language) -> Updates:
        try:
            self.shelf.settings.put(model, settled)
        except SeedprintError as error:
            return {self.told: _line(fault(error, language), "error-line")}
        return self._settled(model, language) | {self.space.extras.defaults: self.form.defaults(model)}

    def _model(self, name: Any) -> ModelInfo | None:
        return next((one for one in self.parts.service.models() if one.name == name and one.problem is None), None)

    def _settled(self, model: ModelInfo | None, language: Language) -> Updates:
        """What it begins with, and whether that is to be forgotten."""
        if model is None:
            return {self.told: _line(translate("models_gone", language), "error-line")}
        name = model_title(model.name, language)
        program, now = program_defaults(model), model_defaults(model, self.shelf.settings)
        apart = [f"{label(one, language)} {now[one]}" for one in FORM_FIELDS if now[one] != program[one]]
        key = "settings_begin_own" if apart else "settings_begin_plain"
        told = _line(translate(key, language, name=name, settings=", ".join(apart)), "note")
        return {self.told: told, self.forget: gr.update(interactive=bool(apart))}

    def _house(self, language: Language) -> str:
        state, settings = self.parts.service.engine_state(), self.parts.settings
        memory = "" if state.memory_bytes is None else f"{state.memory_bytes / GB:.1f} GB"
        free = "" if state.memory_free_bytes is None else f"{state.memory_free_bytes / GB:.1f} GB"
        rows = {
            "settings_version": VERSION,
            "settings_device": " · ".join(filter(None, (state.device, state.dtype))),
            "settings_memory": memory,
            "settings_memory_free": free,
            # by their names alone: no answer tells under whose name the program lies
            "settings_outputs": settings.output_dir.name,
            "settings_models": " · ".join(folder.name for folder in settings.models_dirs),
            "settings_data": settings.data_dir.name,
        }
        cells = (
            f"<tr><th scope=row>{escaped(translate(key, language))}</th><td>{escaped(value)}</td></tr>"
            for key, value in rows.items()
            if value
        )
        return f'<table class="settings">{"".join(cells)}{self._devices(language)}</table>'

    def _devices(self, language: Language) -> str:
        """A row for each, where there are several."""
        devices = self.parts.service.devices()
        told = [device_line(one, language) for one in devices] if len(devices) > 1 else []
        cells = (f"<tr><th scope=row>{escaped(one['name'])}</th><td>{escaped(_both(one))}</td></tr>" for one in told)
        return "".join(cells)


def _both(told: Mapping[str, str]) -> str:
    return f"{told['text']} · {told['work']}"


def _line(text: str, kind: str) -> str:
    return f'<p class="{kind}">{escaped(text)}</p>'
