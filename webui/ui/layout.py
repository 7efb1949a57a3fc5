"""The page: its tabs. `build_page` and `mount_options` are all that the rest of the program needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import gradio as gr

from pipelines.types import Task
from webui.archive.store import ImageStore, SavedImage
from webui.lab import shipped
from webui.lab.runner import Lab
from webui.library.collection import open_library
from webui.library.presets import Preset
from webui.service import GenerationService
from webui.settings import HERE
from webui.ui.again import AgainTab
from webui.ui.composer import PresetLists, wire_composer
from webui.ui.generate import GenerateTab
from webui.ui.handlers import GenerateHandlers
from webui.ui.history import HistoryTab
from webui.ui.house import House, saved_url
from webui.ui.lab import LabTab
from webui.ui.reading import wire_reading
from webui.ui.send import Sender
from webui.ui.style import mount_options
from webui.ui.widgets import Header
from webui.ui.wiring import wire_memory, wire_tab
from webui.ui.words import language_of, translate, word

__all__ = ["build_page", "mount_options"]

TASKS: tuple[Task, ...] = ("txt2img", "img2img", "inpaint")


def build_page(
    service: GenerationService,
    *,
    store: ImageStore,
    presets: tuple[Preset, ...] = (),
    lab: Lab | None = None,
    image_url: Callable[[SavedImage], str] = saved_url,
    thumb_url: Callable[[SavedImage], str] = saved_url,
) -> gr.Blocks:
    """A fresh page. Mount it with `gr.mount_gradio_app(app, page, path="/", **mount_options(presets))`.

    GRADIO_TEMP_DIR must be set before. Without `image_url` and `thumb_url` the output folder is served as it is.
    """
    outputs = store.root.resolve()
    gr.set_static_paths([outputs])
    library = open_library(HERE / "presets")
    own = frozenset(preset.name for preset in library.saved.listing().presets)
    house = House(
        service=service,
        inputs=store.inputs,
        outputs=outputs,
        library=library,
        presets=presets,
        own=own,
        image_url=image_url,
        thumb_url=thumb_url,
    )
    blocks = gr.Blocks(title="Seedprint", fill_width=True, delete_cache=(3600, 86400), analytics_enabled=False)
    with blocks:
        header = Header(elem_id="header")
        tabs: dict[Task, GenerateTab] = {}
        with gr.Tabs(elem_id="frame") as frame:
            for task in TASKS:
                with gr.Tab(word(f"tab_{task}"), id=task, elem_id=f"tab_{task}") as opened:
                    tabs[task] = GenerateTab(task, house).build(opened)
            with gr.Tab(word("tab_again"), id="again", elem_id="tab_again") as opened:
                again = AgainTab(house).build(opened)
            with gr.Tab(word("tab_history"), id="history", elem_id="tab_history") as opened:
                history = HistoryTab(house).build(opened)
            if lab is not None:
                with gr.Tab(word("tab_lab"), id="lab", elem_id="tab_lab") as opened:
                    ready = shipped.load(HERE / "presets" / "experiments")
                    LabTab(house, lab, ready).build(opened).wire(blocks)
        sender = Sender(house, tabs, frame)
        handlers = {task: GenerateHandlers(tab) for task, tab in tabs.items()}
        for task, tab in tabs.items():
            wire_tab(tab, handlers[task], sender, again, blocks)
        lists = PresetLists(presets, library, own, [tab.preset for tab in tabs.values()])
        for tab in tabs.values():
            wire_composer(tab.composer, tab.form, library, lists)
            wire_reading(tab.reading, tab.form.controls.model, tab.form.controls.clip_skip)
        again.wire(sender, blocks)
        history.wire(sender, again)
        warm = blocks.load(
            engine_states(service),
            None,
            header,
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
            api_name="engine",
        )
        for task, tab in tabs.items():
            wire_memory(tab, handlers[task], warm)
    return blocks


def engine_states(service: GenerationService, poll: float = 1.0) -> Callable[[gr.Request], Iterator[dict[str, str]]]:
    """A handler that shows the engine's state until it is warm, or has failed."""

    def watch_engine(request: gr.Request) -> Iterator[dict[str, str]]:
        language = language_of(request)
        while True:
            engine = service.engine_state()
            facts = [one for one in (engine.device, engine.dtype) if one and one != "none"]
            text = translate(f"engine_{engine.state}", language)
            if engine.state == "failed" and engine.message:
                facts = [engine.message]
            if engine.state != "warming":
                text = " · ".join([text, *facts])
            yield {"state": engine.state, "text": text}
            if engine.state != "warming":
                return
            time.sleep(poll)

    return watch_engine
