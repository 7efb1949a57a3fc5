"""Which event of a generating tab calls which handler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from webui.archive import metadata
from webui.ui.again.send import LEAVES, Sender
from webui.ui.again.tab import AgainTab
from webui.ui.generate.controls import Updates
from webui.ui.generate.handlers import GenerateHandlers
from webui.ui.generate.tab import GenerateTab
from webui.ui.lists import offer
from webui.words import fault, language_of, translate

# brings the field a fault concerns into view
_TO_FAULT = """() => setTimeout(() => { const at = [...document.querySelectorAll('.field-error, .error-line')].find(
  one => one.offsetParent !== null && one.textContent.trim()); if (at) at.scrollIntoView({block: 'center'}); }, 60)"""

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def wire_tab(tab: GenerateTab, handlers: GenerateHandlers, sender: Sender, again: AgainTab, blocks: gr.Blocks) -> None:
    """Connects everything on `tab`."""
    _wire_running(tab, handlers, blocks)
    _wire_form(tab, handlers)
    _wire_files(tab, handlers)
    _wire_pictures(tab, handlers, sender, again)


def _wire_running(tab: GenerateTab, handlers: GenerateHandlers, blocks: gr.Blocks) -> None:
    task, form = tab.task, tab.form
    errors = [] if task == "txt2img" else [tab.source_error]
    outputs = [tab.jobs, tab.live, tab.extras.advanced, *form.components(), *errors]
    watching: dict[str, Any] = {
        "inputs": [tab.jobs, tab.live],
        "outputs": [tab.live, tab.pictures, tab.recent],
        "show_progress": "hidden",
        "concurrency_limit": None,
        "api_visibility": "private",
        "api_name": f"{task}_watch",
    }
    inputs = {*form.components(), *tab.source_inputs(), tab.jobs}
    # one that watches sees every job, and many would take the threads of everything else; "always_last": once more
    # afterwards, for what was handed in just as it ended
    tab.generate.click(
        handlers.submit, inputs, outputs, trigger_mode="multiple", api_name=f"{task}_submit", **_QUIET
    ).then(None, None, None, js=_TO_FAULT, api_visibility="private").then(
        handlers.watch, trigger_mode="always_last", **watching
    ).then(handlers.told, tab.jobs, list(form.components()), api_name=f"{task}_told", **_QUIET)
    blocks.load(handlers.watch, **watching)
    fresh = [tab.recent, *_offered(tab), *([tab.steps_run] if "strength" in form else [])]
    gr.on(
        [blocks.load, tab.opened.select],
        handlers.load,
        set(form.components()),
        fresh,
        api_name=f"{task}_load",
        **_QUIET,
    )
    tab.cancel.click(handlers.cancel, None, tab.live, api_name=f"{task}_cancel", **_QUIET)
    tab.skip.click(handlers.skip, None, tab.live, api_name=f"{task}_skip", **_QUIET)


def _offered(tab: GenerateTab) -> list[Any]:
    return [tab.form["model"], tab.form["vae"], tab.extras.lora]


def wire_memory(tab: GenerateTab, handlers: GenerateHandlers, warm: Any) -> None:
    """The line about memory, when `warm` (an event) is over and whenever what it depends on changes."""
    form = tab.form
    told: dict[str, Any] = {"inputs": tab.form.components(), "outputs": tab.extras.memory, **_QUIET}
    warm.then(handlers.memory, api_name=f"{tab.task}_memory_warm", **told)
    counted = (
        *(form["model"], form["width"], form["height"], form["batch_size"], form["guidance"]),
        *(form["steps"], form["batches"], tab.recent),  # a finished picture tells how long they take here
    )
    changes: list[Any] = [component.change for component in counted]
    gr.on(changes, handlers.memory, trigger_mode="always_last", api_name=f"{tab.task}_memory", **told)


def _wire_files(tab: GenerateTab, handlers: GenerateHandlers) -> None:
    form, extras = tab.form, tab.extras
    offer(extras.refresh.click, handlers.offered, None, _offered(tab), api_name=f"{tab.task}_refresh", **_QUIET)
    extras.lora.input(
        None,
        [extras.lora, form["prompt"]],
        [extras.lora, form["prompt"]],
        js="(name, text) => [null, name ? `${(text || '').trimEnd()} <lora:${name}:1>`.trimStart() : text]",
        api_visibility="private",
    )


def _wire_form(tab: GenerateTab, handlers: GenerateHandlers) -> None:
    task, form, extras = tab.task, tab.form, tab.extras
    form["sampler"].input(
        handlers.sampler_chosen,
        [form["sampler"], form["schedule"]],
        form["schedule"],
        api_name=f"{task}_sampler",
        **_QUIET,
    )
    tab.preset.input(
        handlers.preset_chosen,
        {tab.preset, form["prompt"], form["negative_prompt"]},
        list(form.components()),
        api_name=f"{task}_preset",
        **_QUIET,
    )
    for button in tab.examples:
        button.click(None, button, form["prompt"], js="text => text", api_visibility="private")
    extras.swap.click(
        None,
        [form["width"], form["height"]],
        [form["width"], form["height"]],
        js="(width, height) => [height, width]",
        api_visibility="private",
    )
    extras.seed_random.click(None, None, form["seed"], js="() => -1", api_visibility="private")
    if "strength" in form:
        counted = [form["steps"], form["strength"]]
        gr.on(
            [component.change for component in counted],
            handlers.steps_run,
            counted,
            tab.steps_run,
            api_name=f"{task}_steps_run",
            **_QUIET,
        )
    if tab.painter is not None:
        tab.painter.upload(
            handlers.painter_upload,
            tab.painter,
            [tab.painter, tab.source_error],
            api_name=f"{task}_upload",
            **_QUIET,
        )


def _wire_pictures(tab: GenerateTab, handlers: GenerateHandlers, sender: Sender, again: AgainTab) -> None:
    """The strip shows a picture large; the buttons work on the picture that is shown large."""
    task, actions = tab.task, PictureActions(tab, sender, again)
    tab.recent.select(actions.show, tab.recent, tab.pictures, api_name=f"{task}_show", **_QUIET)
    tab.looks.wire(tab.pictures, [tab.generate.click, tab.recent.select, tab.pictures.select])
    targets = sender.targets()
    for button, handler, outputs in (
        (tab.to_img2img, actions.to_img2img, targets),
        (tab.to_inpaint, actions.to_inpaint, targets),
        (tab.to_again, actions.to_again, [sender.way, again.image]),
        (tab.reuse_all, actions.reuse_all, targets),
    ):
        name = f"{task}_{handler.__name__}"
        sent = button.click(handler, tab.pictures, [*outputs, tab.live], js=LEAVES, api_name=name, **_QUIET)
        sender.travels(sent)
    for button in (tab.reuse_seed, tab.extras.seed_reuse):
        outputs = [tab.form["seed"], tab.live]
        button.click(actions.reuse_seed, tab.pictures, outputs, api_name=f"{task}_reuse_seed", **_QUIET)


class PictureActions:
    """What can be done with the picture selected on a tab."""

    def __init__(self, tab: GenerateTab, sender: Sender, again: AgainTab) -> None:
        self.tab, self.sender, self.again, self.house = tab, sender, again, tab.house

    def show(self, recent: Any) -> Any:
        return recent if self.house.chosen(recent) is not None else gr.skip()

    def to_img2img(self, chosen: Any, request: gr.Request) -> Any:
        return self._with(chosen, request, lambda path: self.sender.as_source(path, "img2img"))

    def to_inpaint(self, chosen: Any, request: gr.Request) -> Any:
        return self._with(chosen, request, lambda path: self.sender.as_source(path, "inpaint"))

    def to_again(self, chosen: Any, request: gr.Request) -> Any:
        return self._with(chosen, request, lambda path: self.sender.open("again") | {self.again.image: str(path)})

    def reuse_all(self, chosen: Any, request: gr.Request) -> Any:
        return self._with(chosen, request, self.sender.as_run)

    def reuse_seed(self, chosen: Any, request: gr.Request) -> Any:
        return self._with(chosen, request, self._seed)

    def _seed(self, path: Path) -> Updates:
        seed = metadata.read(path).fields.get("seed")
        return {self.tab.form["seed"]: seed} if isinstance(seed, int) else {}

    def _with(self, chosen: Any, request: gr.Request, act: Callable[[Path], Updates]) -> Any:
        language = language_of(request)
        path = self.house.chosen(chosen)
        if path is None:
            selected = isinstance(chosen, dict) and chosen.get("items") and chosen.get("selected", -1) != -1
            return self._told(translate("fault_gone" if selected else "fault_select", language))
        try:
            return act(path) or gr.skip()
        except SeedprintError as error:
            return self._told(fault(error, language))

    def _told(self, text: str) -> Updates:
        return {self.tab.live: {"state": "refused", "error": text}}
