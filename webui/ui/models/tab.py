"""The Models tab: what lies in the models folders, what a model is made of, and what is settled for it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from pipelines.errors import InvalidRequest, ModelError, SeedprintError
from pipelines.sampling.samplers import SAMPLERS, SCHEDULES
from pipelines.types import PREDICTION_TYPES, ModelInfo
from webui.jobs.defaults import program_defaults
from webui.ui.again.send import LEAVES, Sender
from webui.ui.generate.adapters import vae_choices
from webui.ui.generate.controls import Choice, Updates, Values, whole
from webui.ui.generate.handlers import escaped
from webui.ui.house import House
from webui.ui.labels import word
from webui.ui.models import view as models_view
from webui.ui.widgets.models import ModelList
from webui.words import Language, language_of, sentence, translate

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_YES_NO = {"yes": True, "no": False}
_WHOLE = ("width", "height", "steps", "clip_skip")


@dataclass(frozen=True, kw_only=True)
class SettledForm:
    """What can be settled for a model: an empty field is not settled."""

    width: gr.Number
    height: gr.Number
    steps: gr.Number
    guidance: gr.Number
    sampler: Choice
    schedule: Choice
    clip_skip: gr.Number
    vae: Choice
    prediction_type: Choice
    zero_terminal_snr: Choice

    def by_name(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def read(self, values: Values) -> dict[str, Any]:
        found = {name: values[component] for name, component in self.by_name().items()}
        found |= {name: whole(found[name]) for name in _WHOLE}
        found["zero_terminal_snr"] = _YES_NO.get(found["zero_terminal_snr"])
        return {name: None if value == "" else value for name, value in found.items()}

    def show(self, settled: dict[str, Any], model: ModelInfo, vaes: list[tuple[Any, str]]) -> Updates:
        """What is settled; behind an empty field stands what the program takes then."""
        program = program_defaults(model)
        updates: Updates = {}
        for name, component in self.by_name().items():
            value = settled.get(name)
            if isinstance(component, gr.Number):
                updates[component] = gr.update(value=value, placeholder=str(program[name]))
            elif name == "zero_terminal_snr":
                updates[component] = gr.update(value="" if value is None else "yes" if value else "no")
            else:
                updates[component] = gr.update(value=value or "")
        updates[self.vae] = gr.update(value=settled.get("vae") or "", choices=[(word("models_program"), ""), *vaes])
        return self.unmark(updates)

    def unmark(self, updates: Updates) -> Updates:
        for component in self.by_name().values():
            updates[component] = {"info": "", "elem_classes": [], **updates.get(component, gr.update())}
        return updates


class ModelsTab:
    """The components."""

    def __init__(self, house: House) -> None:
        self.house = house

    def build(self, opened: gr.Tab) -> ModelsTab:
        """Call inside `opened`."""
        self.opened = opened
        with gr.Row(elem_classes="columns", equal_height=False):
            with gr.Column(scale=9, min_width=340, elem_classes="left"):
                gr.Markdown(word("models_hint"), elem_classes="note")
                self.list = ModelList(elem_id="models_list")
            with gr.Column(scale=11, min_width=340, elem_classes="right"):
                self.empty = gr.Markdown(word("models_choose"), elem_id="models_empty")
                self.anatomy = gr.HTML(elem_id="models_anatomy")
                with gr.Column(elem_classes="card", visible=False, elem_id="models_settled") as self.card:
                    gr.Markdown(word("models_settle"), elem_classes="section-title")
                    gr.Markdown(word("models_settle_hint"), elem_classes="note")
                    self.form = _build_form()
                    self.told = gr.HTML(elem_id="models_told", visible=False)
                    with gr.Row(elem_classes="actions"):
                        self.save = gr.Button(word("models_save"), size="sm", elem_id="models_save")
                        self.forget = gr.Button(word("models_forget"), size="sm", elem_id="models_forget")
                        self.use = gr.Button(word("models_use"), size="sm", elem_id="models_use", variant="primary")
        return self

    def wire(self, sender: Sender) -> None:
        """Call once all tabs stand."""
        handlers = ModelsHandlers(self, sender)
        shown = [self.empty, self.anatomy, self.card, self.told, *self.form.by_name().values()]
        gr.on(
            [self.opened.select, self.list.input], handlers.refresh, self.list, self.list, api_name="models", **_QUIET
        )
        self.list.select(handlers.choose, self.list, shown, api_name="models_choose", **_QUIET)
        inputs = {self.list, *self.form.by_name().values()}
        self.save.click(handlers.save, inputs, shown, api_name="models_save", **_QUIET)
        self.forget.click(handlers.forget, self.list, shown, api_name="models_forget", **_QUIET)
        sent = self.use.click(
            handlers.use, self.list, [*sender.targets(), self.told], js=LEAVES, api_name="models_use", **_QUIET
        )
        sender.travels(sent)


def _build_form() -> SettledForm:
    def number(name: str, step: float = 1) -> gr.Number:
        return gr.Number(None, label=word(name), step=step, elem_id=f"models_{name}", min_width=110)

    def choice(name: str, empty: str, options: list[tuple[Any, str]]) -> Choice:
        choices = [(word(empty), ""), *options]
        return Choice(choices, value="", label=word(name), elem_id=f"models_{name}", min_width=150)

    with gr.Row(elem_classes="tight"):
        width, height = number("width", 8), number("height", 8)
        steps, guidance, clip_skip = number("steps"), number("guidance", 0.5), number("clip_skip")
    with gr.Row(elem_classes="tight"):
        sampler = choice("sampler", "models_program", [(name, name) for name in SAMPLERS])
        schedule = choice("schedule", "models_program", [(word(f"schedule_{name}"), name) for name in SCHEDULES])
        vae = choice("vae", "models_program", vae_choices(()))
    with gr.Row(elem_classes="tight"):
        predictions = [(word(f"prediction_{name}"), name) for name in PREDICTION_TYPES]
        prediction = choice("prediction_type", "models_as_file", predictions)
        zero_snr = choice("zero_terminal_snr", "models_as_file", [(word(name), name) for name in _YES_NO])
    return SettledForm(
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        schedule=schedule,
        clip_skip=clip_skip,
        vae=vae,
        prediction_type=prediction,
        zero_terminal_snr=zero_snr,
    )


class ModelsHandlers:
    """Values in, updates out. A browser names a file by the id it was given; a path of its own counts nothing."""

    def __init__(self, tab: ModelsTab, sender: Sender) -> None:
        self.tab, self.sender, self.house = tab, sender, tab.house
        self.shelf = tab.house.service.shelf

    def refresh(self, value: Any, request: gr.Request) -> dict[str, Any]:
        """The folders as they are now."""
        items = models_view.listed(self.shelf.everything(), self.shelf.uses(), language_of(request))
        return {"items": items, "selected": _selected(value)}

    def choose(self, value: Any, request: gr.Request) -> Updates:
        language, info = language_of(request), self._chosen(value)
        if info is None:
            gone = f'<p class="error-line">{escaped(translate("models_gone", language))}</p>'
            return {self.tab.anatomy: gone, self.tab.card: gr.update(visible=False)}
        return {self.tab.empty: gr.update(visible=False)} | self._shown(info, language) | self._told("")

    def save(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        language, info, form = language_of(request), self._chosen(values[self.tab.list]), self.tab.form
        if info is None:
            return self._told(translate("models_gone", language), fault=True)
        try:
            self.shelf.settings.put(info, form.read(values))
        except InvalidRequest as error:
            updates = form.unmark({})
            component = form.by_name().get(error.field)
            if component is None:
                return updates | self._told(str(error), fault=True)
            rule = sentence(None, error.rule, language)
            return updates | {component: gr.update(info=rule, elem_classes=["field-error"])} | self._told("")
        except SeedprintError as error:
            return self._told(str(error), fault=True)
        return self._shown(info, language) | self._told(translate("models_kept", language))

    def forget(self, value: Any, request: gr.Request) -> Updates:
        language, info = language_of(request), self._chosen(value)
        if info is None:
            return self._told(translate("models_gone", language), fault=True)
        try:
            self.shelf.settings.put(info, {})
        except SeedprintError as error:
            return self._told(str(error), fault=True)
        return self._shown(info, language) | self._told(translate("models_forgotten", language))

    def use(self, value: Any, request: gr.Request) -> Updates:
        """On txt2img, with what is settled for it."""
        info = self._chosen(value)
        if info is None:
            return self._told(translate("models_gone", language_of(request)), fault=True)
        return self.sender.with_model(info.name)

    def _chosen(self, value: Any) -> ModelInfo | None:
        wanted = _selected(value)
        return next((info for info in self.shelf.everything() if models_view.identity(info) == wanted), None)

    def _shown(self, info: ModelInfo, language: Language) -> Updates:
        tab = self.tab
        try:
            parts = self.shelf.parts(info)
        except ModelError as error:
            told: Any = "" if info.problem else str(error)
        else:
            told = parts
        state, used = self.house.service.engine_state(), self.shelf.uses().get(info.name)
        updates: Updates = {
            tab.anatomy: models_view.anatomy(info, told, used, state, language),
            tab.card: gr.update(visible=models_view.usable(info)),
        }
        vaes = vae_choices(self.house.service.adapters())
        return updates | tab.form.show(self.shelf.settings.get(info), info, vaes)

    def _told(self, text: str, *, fault: bool = False) -> Updates:
        kind = "error-line" if fault else "note"
        line = f'<p class="{kind}">{escaped(text)}</p>' if text else ""
        return {self.tab.told: gr.update(value=line, visible=bool(text))}


def _selected(value: Any) -> str | None:
    found = value.get("selected") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None
