"""What the page takes from a browser, as handlers want it. Gradio's own components answer a value that they do not
like with a fault of the server, in English. These hand on what they get: what is wrong with it the handler says, in
one sentence of `webui.words`. A page that was open before may well offer what is gone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import gradio as gr
from gradio.blocks import Block
from gradio.data_classes import ImageData

from pipelines.kinds import shown


def plain(value: Any) -> Any:
    """One text, number, truth or nothing; of anything else the text that shows it."""
    return value if value is None or isinstance(value, (str, int, float)) else shown(value)


class TextBox(gr.Textbox):
    """What is no text its handler refuses, as gradio would make text of it."""

    is_template = True  # to the browser this is gradio's own

    def preprocess(self, payload: Any) -> Any:
        return payload


class Slider(gr.Slider):
    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return plain(payload)


class NumberBox(gr.Number):
    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return plain(payload)


class Checkbox(gr.Checkbox):
    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return plain(payload)


class Dropdown(gr.Dropdown):
    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return plain(payload)


class CheckboxGroup(gr.CheckboxGroup):
    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """A list in any case."""
        if payload is None:
            return []
        return [plain(one) for one in payload] if isinstance(payload, list) else [plain(payload)]


class Picture(gr.Image):
    """A place for one picture file, kept as it comes. Its value for a handler is what the browser says its path is."""

    is_template = True
    data_model: Any = None  # gradio's would be asked whether the value is a file before any handler is

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}

    def preprocess(self, payload: Any) -> Any:
        return plain(payload.get("path") if isinstance(payload, Mapping) else payload)

    def postprocess(self, value: str | None) -> ImageData | None:  # type: ignore[override]
        """A file as it lies there, whatever it is called: gradio would read one named `.svg` as text."""
        return None if value is None else ImageData(path=value, orig_name=Path(value).name)


class Uploads(gr.File):
    """A place for any number of picture files. Its value for a handler is a list of what the browser says their paths
    are."""

    is_template = True

    # none, as `Picture` has it; gradio's constructor sets its own
    data_model: Any = property(lambda _: None, lambda _, __: None)

    def api_info(self) -> dict[str, Any]:
        return {"type": "array"}

    def preprocess(self, payload: Any) -> list[Any]:
        given = payload if isinstance(payload, list) else [] if payload is None else [payload]
        return [plain(one.get("path") if isinstance(one, Mapping) else one) for one in given]

    def postprocess(self, value: Any) -> None:
        return None


class Fold(Protocol):
    """What makes one output of several."""

    def outputs(self, whole: list[Any]) -> list[Any]: ...

    def fold(self, whole: list[Any], answer: list[Any]) -> list[Any]:
        """An answer for `whole` as one for `outputs(whole)`."""
        ...


class Page(gr.Blocks):
    """Takes no file that a request names: gradio would copy it to where files are served, or fail, before any handler
    is asked whether it may be read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._folds: dict[int, tuple[Fold, Any]] = {}  # number of an event -> what folds it, and the event as it was

    def fold(self, event: Any, fold: Fold) -> None:
        """The event has fewer outputs from now on than its handler answers for."""
        whole = copy(event)
        event.outputs = fold.outputs(whole.outputs)
        self._folds[event._id] = fold, whole

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **options: Any) -> Any:
        return await super().preprocess_data(block_fn, [_without_files(one) for one in inputs], *args, **options)

    async def postprocess_data(self, block_fn: Any, *args: Any, **options: Any) -> list[Any]:
        """Half of a surrogate pair, which a browser may send but no answer can hold, is written out in what comes
        back; a file that gradio has copied to serve it is called as an upload is, from the working folder."""
        fold, whole = self._folds.get(block_fn._id, (None, block_fn))
        answer = [_sendable(one) for one in await super().postprocess_data(whole, *args, **options)]
        return fold.fold(whole.outputs, answer) if fold else answer


def _sendable(value: Any) -> Any:
    if isinstance(value, list):
        return [_sendable(one) for one in value]
    if isinstance(value, dict):
        value = _called_from_here(value) if "meta" in value and isinstance(value.get("path"), str) else value
        return {_sendable(name): _sendable(one) for name, one in value.items()}
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _called_from_here(file: dict[str, Any]) -> dict[str, Any]:
    path, here = Path(file["path"]), Path.cwd()
    if not path.is_relative_to(here):
        return file
    name = path.relative_to(here).as_posix()
    return {**file, "path": name, "url": f"/gradio_api/file={quote(name)}"}


def _without_files(value: Any) -> Any:
    """The same value, in which nothing is a file to gradio."""
    if isinstance(value, list):
        return [_without_files(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_files(one) for name, one in value.items() if not (name == "meta" and "path" in value)}
    return value


def remember_signatures(kind: type[Block] = Block) -> None:
    """Of every component's constructor: gradio asks for them anew at each update of each component, and half of the
    seconds of an answer went there. `inspect.signature` takes what a function has as `__signature__`."""
    constructor = vars(kind).get("__init__")
    while constructor is not None:
        constructor.__signature__ = inspect.signature(constructor)
        constructor = getattr(constructor, "__wrapped__", None)
    for narrower in kind.__subclasses__():
        remember_signatures(narrower)


remember_signatures()
