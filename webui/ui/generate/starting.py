"""The picture that img2img and Inpaint start from, and the size that follows it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import InvalidRequest, SeedprintError
from webui.archive import metadata, pictures
from webui.jobs.sizes import Size, fitting, other_side, size_for
from webui.ui.generate.controls import Updates, accepted, whole
from webui.ui.generate.form import OWN
from webui.ui.generate.handlers import escaped, refused, task_in
from webui.ui.generate.outpainting import extended_source, told_beside
from webui.ui.generate.workspace import Workspace
from webui.ui.house import input_url, uploaded_file
from webui.words import language_of, say


class StartHandlers:
    """Values in, updates out, as in `GenerateHandlers`."""

    def __init__(self, space: Workspace) -> None:
        self.space, self.form, self.house = space, space.form, space.house

    def inputs(self) -> set[Any]:
        form, space = self.form, self.space
        return {space.task, *space.sources(), form["model"], form["width"], form["height"], form["resize_mode"]}

    def outputs(self) -> list[Any]:
        return [self.form["width"], self.form["height"], self.space.live]

    def given(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """A picture for img2img: what is wrong with it is told at once; the size follows it."""
        try:
            file = self.house.readable(values[self.space.image])
            size = pictures.read(file).size  # the whole of it: what is damaged is told now
        except SeedprintError as error:
            return {self.space.live: refused(error, language_of(request), "init_image")}
        return self._sized(size, values)

    def followed(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """A picture for a ControlNet, or one that the new one is to be like: what is wrong with it is told at once."""
        return self._looked_at({name: [values[box]] for name, box in self.space.pictures().items()}, request)

    def several(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """Pictures for a run each, and their masks: likewise."""
        many = self.space.many
        given = {"init_image": values[many.pictures], "mask": values[many.masks]}
        return self._looked_at({name: files or [] for name, files in given.items()}, request)

    def _looked_at(self, given: Mapping[str, list[Any]], request: gr.Request) -> Any:
        for name, files in given.items():
            try:
                for file in filter(None, files):
                    pictures.read(self.house.readable(file, name))
            except SeedprintError as error:
                return {self.space.live: refused(error, language_of(request), name)}
        return gr.skip()

    def painted(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """A picture for the painter: it is brought to upright sRGB and kept, then shown; the size follows it."""
        painter, value = self.space.painter, values[self.space.painter]
        file = uploaded_file(value.get("uploaded")) if isinstance(value, dict) else None
        try:
            if file is None:
                raise InvalidRequest("init_image", "picture_needed")
            image = metadata.read_input(file, self.house.inputs)
            sha256 = self.house.inputs.put(image)
        except SeedprintError as error:
            return {self.space.live: refused(error, language_of(request), "init_image")}
        return self._sized(image.size, values) | {painter: {"source": sha256, "url": input_url(sha256)}}

    def extended(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """The painter's picture goes on beyond its sides, and what is new of it is masked; the size follows it."""
        painter, language = self.space.painter, language_of(request)
        try:
            larger, value = extended_source(self.house, self.space.outpaint, values, values[painter])
        except SeedprintError as error:
            return {self.space.live: told_beside(error, language) or refused(error, language, "init_image")}
        return self._sized(larger.size, values, keep=False) | {painter: value}

    def shaped(self, shape: str, values: dict[Any, Any]) -> Any:
        """This shape, of the area that the model was made for. `shape`: "3:2", width to height, or `OWN`."""
        size = self.start_size(values) if shape == OWN else tuple(100 * int(part) for part in shape.split(":"))
        return gr.skip() if size is None else self._sized((size[0], size[1]), values, keep=False)

    def locked(self, side: str, values: dict[Any, Any]) -> Any:
        """A side was typed: the other one keeps the shape, where that is locked."""
        other = "height" if side == "width" else "width"
        lock, typed = values[self.space.extras.lock], whole(values[self.form[side]])
        shape: list[Any] = [whole(lock.get(one)) if isinstance(lock, dict) else None for one in (side, other)]
        if not all(accepted(side, one) for one in (typed, *shape)):
            return gr.skip()
        model = self.house.model(values[self.form["model"]])
        return other_side(typed, (shape[0], shape[1]), model)

    def told(self, values: dict[Any, Any], request: gr.Request) -> str:
        """What becomes of the picture at the size that is asked for."""
        start, size = self.start_size(values), self._size(values)
        note = None if start is None or size is None else fitting(start, size, values[self.form["resize_mode"]])
        return "" if note is None else escaped(say(note, language_of(request)))

    def start_size(self, values: Mapping[Any, Any]) -> Size | None:
        """Of the picture that is given on the task that is open."""
        task = task_in(values[self.space.task])
        if task == "inpaint":
            painted = values[self.space.painter]
            return self.house.inputs.size(str(painted.get("source"))) if isinstance(painted, dict) else None
        try:
            return None if task == "txt2img" else _whole_size(self.house.readable(values[self.space.image]))
        except SeedprintError:
            return None

    def _size(self, values: Mapping[Any, Any]) -> Size | None:
        width, height = (whole(values[self.form[side]]) for side in ("width", "height"))
        return (width, height) if accepted("width", width) and accepted("height", height) else None

    def _sized(self, picture: Size, values: Mapping[Any, Any], *, keep: bool = True) -> Updates:
        """`keep`: a size that has the picture's shape already stays."""
        model = self.house.model(values[self.form["model"]])
        size = size_for(picture, model, self._size(values) if keep else None)
        return dict(zip((self.form["width"], self.form["height"]), size, strict=True))


@lru_cache(maxsize=32)
def _whole_size(upload: Path) -> Size:
    """Of a picture that is not damaged; an upload never changes. Raises UnreadableImage."""
    return pictures.read(upload).size
