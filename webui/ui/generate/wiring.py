"""Which event of the workspace calls which handler."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from webui.jobs.maps import REFERENCES, SLOTS
from webui.ui.again.send import LEAVES, Sender
from webui.ui.again.tab import AgainTab
from webui.ui.generate.changes import Changes
from webui.ui.generate.handlers import GenerateHandlers, refused
from webui.ui.generate.many import wire_many
from webui.ui.generate.starting import StartHandlers
from webui.ui.generate.workspace import Workspace
from webui.ui.jobs import refusal
from webui.ui.lists import offer
from webui.ui.looks import watcher
from webui.words import language_of, translate

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

# the first input is the task: only the page knows which tab is open
OF_TASK = "(_, ...rest) => [window.seedprintTask(), ...rest]"
_PRESSED = "(_, ...rest) => { window.seedprintPressed(); return [window.seedprintTask(), ...rest]; }"


def wire_workspace(
    space: Workspace,
    handlers: GenerateHandlers,
    sender: Sender,
    again: AgainTab,
    blocks: gr.Blocks,
    changes: Changes,
) -> None:
    """Connects everything in it but what `wire_form` and `wire_memory` do."""
    _wire_running(space, handlers)
    _wire_form(space, handlers, blocks, changes)
    _wire_files(space, handlers)
    _wire_canvas(space, sender, again)


def _wire_running(space: Workspace, handlers: GenerateHandlers) -> None:
    watching: dict[str, Any] = {
        "inputs": [space.jobs, space.live],
        "outputs": [space.live, space.canvas],
        "show_progress": "hidden",
        "concurrency_limit": None,
        "api_visibility": "private",
        "api_name": "form_watch",
    }
    pictures = {*space.sources(), *space.pictures().values(), *space.many.inputs()}
    inputs = {space.task, *space.form.components(), *pictures, space.jobs}
    outputs = [space.jobs, space.live]
    # one that watches sees every job, and many would take the threads of everything else; "always_last": once more
    # afterwards, for what was handed in just as it ended
    space.generate.click(
        handlers.submit, inputs, outputs, trigger_mode="multiple", js=_PRESSED, api_name="form_submit", **_QUIET
    ).then(handlers.watch, trigger_mode="always_last", **watching).then(
        handlers.memory,
        api_name="form_memory_after",
        **_memory_told(space),  # now known: how long a picture takes
    )
    space.live.submit(handlers.watch, **watching)  # a page that was opened again
    space.cancel.click(handlers.cancel, None, space.live, api_name="form_cancel", **_QUIET)
    space.keep.click(handlers.keep, None, space.live, api_name="form_keep", **_QUIET)
    space.skip.click(handlers.skip, None, space.live, api_name="form_skip", **_QUIET)


def _memory_told(space: Workspace) -> dict[str, Any]:
    inputs = {space.task, *space.form.components(), *space.pictures().values()}
    return {"inputs": inputs, "outputs": space.memory, "js": OF_TASK, **_QUIET}


def wire_memory(space: Workspace, handlers: GenerateHandlers, others: list[Any], changes: Changes) -> None:
    """The line about memory, at `others` (when the page opens and when the engine is warm) and whenever what it depends
    on changes."""
    form = space.form
    counted = (
        *(form["model"], form["width"], form["height"], form["batch_size"], form["guidance"]),
        *(form["hires"], form["hires_by"], form["hires_width"], form["hires_height"], form["hires_upscaler"]),
        *(form["guiding"], form["guiding_attention"], form["guiding_layers"], form["guiding_smoothing"]),
        *(form["steps"], form["batches"], form["reuse"], form["refiner"], form["refiner_model"]),
        *(form["tiles"], form["tiles_side"]),
        *(form["detail"], form["detail_size"]),
        *(form[f"{slot}_model"] for slot in (*SLOTS, *REFERENCES)),
        *space.pictures().values(),
    )
    changes.ask(counted, handlers.memory, also=others, api_name="form_memory", **_memory_told(space))


def _wire_files(space: Workspace, handlers: GenerateHandlers) -> None:
    form = space.form
    offer(space.refresh.click, handlers.offered, None, form.lists(), api_name="form_refresh", **_QUIET)
    form["model"].change(None, form["model"], space.networks, js="name => ({model: name})", api_visibility="private")


def _wire_form(space: Workspace, handlers: GenerateHandlers, blocks: gr.Blocks, changes: Changes) -> None:
    form, extras = space.form, space.extras
    sizes = [form["width"], form["height"]]
    offer(
        form["sampler"].input,
        handlers.sampler_chosen,
        [form["sampler"], form["schedule"]],
        [form["schedule"]],
        api_name="form_sampler",
        **_QUIET,
    )
    space.preset.input(
        handlers.preset_chosen,
        {space.preset, form["prompt"], form["negative_prompt"]},
        [*form.components(), space.live],
        api_name="form_preset",
        **_QUIET,
    )
    for button in space.examples:
        button.click(None, button, form["prompt"], js="text => text", api_visibility="private")
    way = form["guiding_method"]
    way.change(None, way, None, js="way => void (form_guiding_fold.dataset.way = way)", api_visibility="private")
    swapped = "(width, height) => [height, width]"
    extras.swap.click(None, sizes, sizes, js=swapped, api_visibility="private")
    extras.seed_random.click(None, None, form["seed"], js="() => -1", api_visibility="private")
    counted = [form["steps"], form["strength"]]
    told = {"inputs": counted, "outputs": space.steps_run, "api_name": "form_steps_run", **_QUIET}
    changes.ask(counted, handlers.steps_run, also=[blocks.load], **told)


def wire_start(space: Workspace, handlers: StartHandlers, blocks: gr.Blocks, changes: Changes) -> None:
    """The picture to start from, the size that follows it, and shapes."""
    form, inputs, outputs = space.form, handlers.inputs(), handlers.outputs()
    wire_many(space.many, space.image, space.painter)
    asked: dict[str, Any] = {"js": OF_TASK, **_QUIET}
    space.image.upload(handlers.given, inputs, outputs, api_name="form_given", **asked)
    space.painter.upload(handlers.painted, inputs, [*outputs, space.painter], api_name="form_upload", **asked)
    boxes = {*space.pictures().values()}
    gr.on([one.upload for one in boxes], handlers.followed, boxes, space.live, api_name="form_followed", **_QUIET)
    several = space.many.inputs()
    gr.on([one.upload for one in several], handlers.several, several, space.live, api_name="form_several", **_QUIET)
    space.outpaint.extend.click(
        handlers.extended,
        {*inputs, *space.outpaint.inputs()},
        [*outputs, space.painter],
        api_name="form_outpaint",
        **asked,
    )
    for shape, button in space.extras.shapes.items():
        name = f"form_shape_{shape.replace(':', '_')}"
        button.click(partial(handlers.shaped, shape), inputs, outputs, api_name=name, **asked)
    for side, other in (("width", "height"), ("height", "width")):
        asking = {space.extras.lock, form["model"], form[side]}
        name = f"form_locked_{side}"
        form[side].input(
            partial(handlers.locked, side), asking, form[other], trigger_mode="always_last", api_name=name, **_QUIET
        )
    fields = (form["width"], form["height"], form["resize_mode"], space.image, space.painter)
    told = {"inputs": inputs, "outputs": space.fitting, "api_name": "form_fitting", **asked}
    changes.ask(fields, handlers.told, also=[blocks.load], **told)


def _wire_canvas(space: Workspace, sender: Sender, again: AgainTab) -> None:
    """What is done with the picture that is shown large."""
    sending = Sending(space, sender, again)
    outputs = [*sender.targets(), again.image]
    sent = space.canvas.select(sending.send, space.canvas, outputs, js=LEAVES, api_name="form_send", **_QUIET)
    sender.travels(sent)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    look = watcher(sender.house)
    space.canvas.expand(look, space.canvas, space.looks, concurrency_limit=None, api_name="form_looks", **quiet)
    shown = space.canvas
    reuse = "value => ({...value, send: 'seed'})"
    space.extras.seed_reuse.click(sending.send, shown, outputs, js=reuse, api_name="form_reuse_seed", **_QUIET)


class Sending:
    """The picture that is shown large, on its way into the form or to another tab."""

    def __init__(self, space: Workspace, sender: Sender, again: AgainTab) -> None:
        self.space, self.house = space, sender.house
        self._ways = sender.ways(again.image)

    def send(self, value: Any, request: gr.Request) -> Any:
        """`value`: of the canvas, with `send` and `place`."""
        language, asked = language_of(request), value if isinstance(value, dict) else {}
        way, place = self._ways.get(str(asked.get("send"))), asked.get("place")
        path = self.house.output_file(place)
        if way is None or path is None:
            told = translate("fault_gone" if place else "fault_select", language)
            return {self.space.live: refusal(error=told)}
        try:
            return way(path, language) or gr.skip()
        except SeedprintError as error:
            return {self.space.live: refused(error, language)}
