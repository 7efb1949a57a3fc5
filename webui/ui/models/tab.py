"""The Models tab: what lies in the models folders, what a model is made of, and what is settled for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from pipelines.errors import InvalidRequest, ModelError, SeedprintError
from pipelines.fields import Field
from pipelines.kinds import Choice, Flag, Number, Whole
from pipelines.types import REQUEST_FIELDS, ModelInfo
from webui.jobs.defaults import program_defaults
from webui.networks.cards import identity
from webui.ui.again.send import LEAVES, Sender
from webui.ui.generate.adapters import vae_choices
from webui.ui.generate.controls import Updates, Values, choice_label, whole
from webui.ui.generate.handlers import escaped
from webui.ui.house import House
from webui.ui.inputs import Checkbox, Dropdown, NumberBox
from webui.ui.labels import word
from webui.ui.models import view as models_view
from webui.ui.widgets.models import ModelList
from webui.words import Language, fault, language_of, translate

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_YES_NO = {"yes": True, "no": False}


_SETTLED = tuple(one for one in REQUEST_FIELDS if one.setting.per_model)


@dataclass(frozen=True, kw_only=True)
class SettledForm:
    """What can be settled for a model: an empty field is not settled. Field name -> component."""

    named: Mapping[str, Any]

    def read(self, values: Values) -> dict[str, Any]:
        found = {one.name: values[self.named[one.name]] for one in _SETTLED}
        for one in _SETTLED:
            if isinstance(one.kind, Whole):
                found[one.name] = whole(found[one.name])
            elif isinstance(one.kind, Flag):
                found[one.name] = _YES_NO.get(found[one.name], found[one.name])
        return {name: None if value == "" else value for name, value in found.items()}

    def show(self, settled: dict[str, Any], model: ModelInfo, vaes: list[tuple[Any, str]]) -> Updates:
        """What is settled; behind an empty field stands what the program takes then."""
        program = program_defaults(model)
        updates: Updates = {}
        for one in _SETTLED:
            component, value = self.named[one.name], settled.get(one.name)
            if isinstance(component, gr.Number):
                updates[component] = gr.update(value=value, placeholder=str(program[one.name]))
            elif isinstance(one.kind, Flag):
                updates[component] = gr.update(value="" if value is None else "yes" if value else "no")
            else:
                updates[component] = gr.update(value=value or "")
        choices = [(word("models_program"), ""), *vaes]
        updates[self.named["vae"]] = gr.update(value=settled.get("vae") or "", choices=choices)
        return self.unmark(updates)

    def unmark(self, updates: Updates) -> Updates:
        for component in self.named.values():
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
                self.monthly = Checkbox(label=word("models_monthly"), value=True, elem_id="models_monthly")
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
        shown = [self.empty, self.anatomy, self.card, self.told, *self.form.named.values()]
        gr.on(
            [self.opened.select, self.list.input], handlers.refresh, self.list, self.list, api_name="models", **_QUIET
        )
        self.opened.select(self.house.reading.monthly, None, self.monthly, api_name="models_reading", **_QUIET)
        self.monthly.input(handlers.monthly, self.monthly, self.told, api_name="models_monthly", **_QUIET)
        self.list.select(handlers.choose, self.list, shown, api_name="models_choose", **_QUIET)
        inputs = {self.list, *self.form.named.values()}
        self.save.click(handlers.save, inputs, shown, api_name="models_save", **_QUIET)
        self.forget.click(handlers.forget, self.list, shown, api_name="models_forget", **_QUIET)
        sent = self.use.click(
            handlers.use, self.list, [*sender.targets(), self.told], js=LEAVES, api_name="models_use", **_QUIET
        )
        sender.travels(sent)


def _build_form() -> SettledForm:
    """Numbers in one row, choices and names in another, what a file does not tell in a third."""
    of_form = [one for one in _SETTLED if one.setting.per_model == "form"]
    numbers = [one for one in of_form if isinstance(one.kind, (Whole, Number))]
    others = [one for one in of_form if one not in numbers]
    named: dict[str, Any] = {}
    for row in (numbers, others, [one for one in _SETTLED if one not in of_form]):
        with gr.Row(elem_classes="tight"):
            named |= {one.name: _settled_control(one) for one in row}
    return SettledForm(named=named)


def _settled_control(one: Field) -> Any:
    shared: dict[str, Any] = {"label": word(one.name), "elem_id": f"models_{one.name}"}
    if isinstance(one.kind, (Whole, Number)):
        return NumberBox(None, step=one.kind.step, min_width=110, **shared)
    empty = word("models_program" if one.setting.per_model == "form" else "models_as_file")
    offered: list[tuple[Any, str]] = []
    if isinstance(one.kind, Choice):
        offered = [(choice_label(one.name, choice), choice) for choice in one.kind.choices]
    elif isinstance(one.kind, Flag):
        offered = [(word(name), name) for name in _YES_NO]
    return Dropdown([(empty, ""), *offered], value="", min_width=150, **shared)


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
            component = form.named.get(error.field)
            if component is None:
                return updates | self._told(fault(error, language), fault=True)
            marked = gr.update(info=fault(error, language), elem_classes=["field-error"])
            return updates | {component: marked} | self._told("")
        except SeedprintError as error:
            return self._told(fault(error, language), fault=True)
        return self._shown(info, language) | self._told(translate("models_kept", language))

    def forget(self, value: Any, request: gr.Request) -> Updates:
        language, info = language_of(request), self._chosen(value)
        if info is None:
            return self._told(translate("models_gone", language), fault=True)
        try:
            self.shelf.settings.put(info, {})
        except SeedprintError as error:
            return self._told(fault(error, language), fault=True)
        return self._shown(info, language) | self._told(translate("models_forgotten", language))

    def monthly(self, value: Any, request: gr.Request) -> Updates:
        try:
            self.house.reading.keep(monthly=bool(value))
        except SeedprintError as error:
            return self._told(fault(error, language_of(request)), fault=True)
        return self._told("")

    def use(self, value: Any, request: gr.Request) -> Updates:
        """On txt2img, with what is settled for it."""
        info = self._chosen(value)
        if info is None:
            return self._told(translate("models_gone", language_of(request)), fault=True)
        return self.sender.with_model(info.name)

    def _chosen(self, value: Any) -> ModelInfo | None:
        wanted = _selected(value)
        return next((info for info in self.shelf.everything() if identity(info) == wanted), None)

    def _shown(self, info: ModelInfo, language: Language) -> Updates:
        tab = self.tab
        try:
            parts = self.shelf.parts(info)
        except ModelError as error:
            told: Any = () if info.problem else error.note
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
