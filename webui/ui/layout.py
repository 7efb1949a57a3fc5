"""The page: its tabs. `build_page` and `mount_options` are all that the rest of the program needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from webui.jobs.service import GenerationService
from webui.kept.settings import HERE
from webui.lab import shipped
from webui.parts import Parts
from webui.ui.again.send import Sender
from webui.ui.again.tab import AgainTab
from webui.ui.generate.changes import Changes
from webui.ui.generate.control_handlers import ControlHandlers, wire_controls
from webui.ui.generate.controls import TABS
from webui.ui.generate.filling import wire_filling
from webui.ui.generate.form_handlers import KEPT_AS, FormHandlers, wire_form
from webui.ui.generate.handlers import GenerateHandlers
from webui.ui.generate.starting import StartHandlers
from webui.ui.generate.wiring import wire_memory, wire_start, wire_workspace
from webui.ui.generate.workspace import Workspace
from webui.ui.history.tab import HistoryTab
from webui.ui.house import House, engine_line
from webui.ui.inputs import Page
from webui.ui.lab.tab import LabTab
from webui.ui.lab.taken import wire_compare
from webui.ui.labels import word
from webui.ui.models.tab import ModelsTab
from webui.ui.process.tab import ProcessTab
from webui.ui.settings.tab import SettingsTab
from webui.ui.style import mount_options
from webui.ui.widgets.composer import PresetLists, wire_composer
from webui.ui.widgets.drop import DropAnywhere
from webui.ui.widgets.header import Header
from webui.ui.widgets.queue import QueueList
from webui.ui.widgets.reading import Reader, wire_opening, wire_reading
from webui.ui.widgets.shortcuts import Shortcuts
from webui.words import language_of

__all__ = ["build_page", "house_of", "mount_options"]


def house_of(parts: Parts) -> House:
    """What every part of the page needs."""
    return House(
        service=parts.service,
        inputs=parts.store.inputs,
        outputs=parts.store.root,
        library=parts.library,
        reading=parts.reading,
        presets=parts.presets,
        own=frozenset(preset.name for preset in parts.library.saved.listing().presets),
    )


def build_page(parts: Parts) -> gr.Blocks:
    """A fresh page. Mount it with `gr.mount_gradio_app(app, page, path="/", **mount_options(parts.presets))`.

    GRADIO_TEMP_DIR must be set before. Its pictures are fetched from `webui.http.files`.
    """
    house = house_of(parts)
    blocks = Page(title="Seedprint", fill_width=True, delete_cache=(3600, 86400), analytics_enabled=False)
    with blocks:
        space = Workspace(house).build_task()
        with gr.Row(elem_id="head", equal_height=False):
            gr.HTML("<h1>Seedprint</h1>", elem_id="brand", apply_default_css=False)
            space.build_model()
            header = Header(elem_id="header")
        drop = DropAnywhere(house).build()
        Shortcuts(elem_id="shortcuts")
        with gr.Tabs(elem_id="frame") as frame:
            for task in TABS:
                with _tab(task):
                    pass  # they choose the task; the workspace is one for all of them
            with _tab("again") as opened:
                again = AgainTab(house).build(opened)
            with _tab("history") as opened:
                history = HistoryTab(house).build(opened)
            with _tab("lab") as opened:
                ready = shipped.load(HERE / "presets" / "experiments")
                lab = LabTab(house, parts.lab, ready).build(opened)
                lab.wire()
            with _tab("process") as opened:
                process = ProcessTab(house, parts.lab, parts.history).build(opened)
                process.wire()
            with _tab("models") as opened:
                models = ModelsTab(house).build(opened)
            with _tab("settings") as opened:
                settings = SettingsTab(parts).build(opened)
        space.build()
        QueueList(elem_id="queue")
        sender = Sender(house, space, frame, process.view)
        blocks.load(None, None, frame, js="() => window.seedprintOpened()", api_visibility="private")
        turn = gr.Button("", elem_id="frame_turn", visible="hidden")
        turn.click(None, None, frame, js="() => window.seedprintTurned()", api_visibility="private")
        blocks.load(engine_shown(parts.service), None, header, **_QUIET)
        form = FormHandlers(space, parts.forms)
        _wire_workspace(space, sender, again, parts, (blocks, header, form))
        settings.wire(space, form, blocks)
        again.wire(sender)
        history.wire(sender, again)
        drop.wire(sender, again)
        models.wire(sender)
        wire_compare(space, lab.form, sender)
        boxes = {"image": space.image, "painter": space.painter, "again": again.image, "process": process.view}
        of_lab = {f"lab_{name}": box for name, box in lab.form.boxes().items()}
        _wire_kept_pictures({**boxes, **space.pictures(), **of_lab}, blocks)
        _tell_no_component(blocks)
        wire_filling(blocks, space.form, parts.forms, KEPT_AS[0])
    return blocks


def _wire_kept_pictures(boxes: Mapping[str, Any], blocks: gr.Blocks) -> None:
    """What was given is there again in a page that loads again."""
    private: dict[str, Any] = {"api_visibility": "private"}
    for name, box in boxes.items():
        box.change(None, box, None, js=f"value => void window.seedprintRemember({name!r}, value)", **private)
    blocks.load(None, None, [*boxes.values()], js=f"() => window.seedprintPictures({[*boxes]})", **private)


def _tell_no_component(blocks: gr.Blocks) -> None:
    """Gradio tells every output of an event how far that is, and from then on at each status of any event, and looks
    for each of them in the whole page. Ours show nothing of it."""
    for event in blocks.fns.values():
        if event.show_progress == "hidden":
            event.show_progress_on = []


_QUIET: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "api_name": "engine",
}


def _tab(name: str) -> gr.Tab:
    return gr.Tab(word(f"tab_{name}"), id=name, elem_id=f"tab_{name}")


def _wire_workspace(
    space: Workspace, sender: Sender, again: AgainTab, parts: Parts, page: tuple[gr.Blocks, Header, FormHandlers]
) -> None:
    """What generates. The form comes first: when a page opens, what others tell is of the form as it was kept."""
    blocks, header, form = page
    library, house = parts.library, sender.house
    lists = PresetLists(parts.presets, library, house.own, [space.preset])
    handlers = GenerateHandlers(space)
    changes = Changes()
    wire_form(space, form, handlers, blocks, changes)
    wire_workspace(space, handlers, sender, again, blocks, changes)
    wire_start(space, StartHandlers(space), blocks, changes)
    wire_controls(space, ControlHandlers(space), changes)
    wire_composer(space.composer, space.form, library, lists)
    wire_reading(space.reading, {name: space.form[name] for name in ("model", "clip_skip", "dialect")})
    asking = [space.form[name] for name in ("model", "dialect", "prompt", "negative_prompt")]
    wire_opening(space.reading, Reader(parts.service, library), asking, blocks)
    wire_memory(space, handlers, [blocks.load, header.submit], changes)
    changes.wire()


def engine_shown(service: GenerationService) -> Callable[[gr.Request], dict[str, str]]:
    """A handler that tells the engine's state."""

    def show(request: gr.Request) -> dict[str, str]:
        return engine_line(service.engine_state(), language_of(request))

    return show
