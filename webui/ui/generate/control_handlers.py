"""What the parts for ControlNets do by themselves: show the map that will be followed, take the start picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from PIL.Image import Image

from pipelines.errors import SeedprintError
from webui.archive import pictures
from webui.jobs.maps import SLOTS, with_maps
from webui.ui.generate.changes import Changes
from webui.ui.generate.control_form import MADE_OF
from webui.ui.generate.handlers import task_in
from webui.ui.generate.wiring import OF_TASK
from webui.ui.generate.workspace import Workspace
from webui.words import Language, language_of, translate

_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class ControlHandlers:
    """Values in, updates out, as in `GenerateHandlers`."""

    def __init__(self, space: Workspace) -> None:
        self.space, self.form, self.house = space, space.form, space.house

    def looked_inputs(self, slot: str) -> set[Any]:
        names = ("width", "height", *(f"{slot}_{name}" for name in MADE_OF))
        return {self.space.extras.controls[slot].picture, *(self.form[name] for name in names)}

    def looker(self, slot: str) -> Callable[..., str]:
        """Gradio gives its request only to what it can read the types of, which it cannot of a `partial`."""

        def look(values: dict[Any, Any], request: gr.Request) -> str:
            return self.looked(slot, values, language_of(request))

        return look

    def looked(self, slot: str, values: dict[Any, Any], language: Language) -> str:
        """Its map as it would be followed; nothing where it cannot be made, which is told when it is asked for."""
        path, settings = values[self.space.extras.controls[slot].picture], dict[str, Any]()
        for name, component in self.form.named.items():
            if component in values:
                settings |= {name: values[component]}
        if not path:
            return ""
        try:
            given = {f"{slot}_map": pictures.read(self.house.readable(path, f"{slot}_map"))}
            (made,) = with_maps(given, settings).values()
        except SeedprintError:
            return ""
        told = translate("control_look", language)
        return f'<img src="{_address(made)}" alt="{told}"><span>{told}</span>'

    def taken(self, slot: str, values: dict[Any, Any]) -> Any:
        """The picture that is started from becomes the one that is followed."""
        space, found = self.space, None
        if task_in(values[space.task]) == "inpaint":
            painted = values[space.painter]
            file = self.house.inputs.file(str(painted.get("source"))) if isinstance(painted, dict) else None
            found = None if file is None else str(file)
        elif (path := values[space.image]) is not None:
            try:
                found = str(self.house.readable(path))
            except SeedprintError:
                found = None
        return gr.skip() if found is None else found


def _address(image: Image) -> str:
    """A picture in its own address."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def wire_controls(space: Workspace, handlers: ControlHandlers, changes: Changes) -> None:
    """Which event calls which handler."""
    form = space.form
    for slot in SLOTS:
        part = space.extras.controls[slot]
        inputs = handlers.looked_inputs(slot)
        look: dict[str, Any] = {"outputs": part.look, "api_name": f"form_{slot}_look", **_QUIET}
        changes.ask(inputs, handlers.looker(slot), inputs=inputs, **look)
        asked = {space.task, *space.sources()}
        take: dict[str, Any] = {"js": OF_TASK, "api_name": f"form_{slot}_take", **_QUIET}
        part.take.click(partial(handlers.taken, slot), asked, part.picture, **take)
        way = form[f"{slot}_preprocessor"]
        folded = f"way => void (form_{slot}_fold.dataset.way = way)"
        way.change(None, way, None, js=folded, api_visibility="private")
