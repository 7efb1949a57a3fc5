"""Our own components: each is HTML, a style sheet and a script in `assets/`, over gradio's gr.HTML. No build step."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from webui.words import SCRIPT_WORDS, WORDS


@cache
def asset(name: str) -> str:
    """A file of `assets/`, as text."""
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")


@cache
def _look(name: str, options: str = "{}") -> dict[str, Any]:
    words = json.dumps(SCRIPT_WORDS, ensure_ascii=False)
    place = "window.seedprintLanguage === 'zh' ? 1 : 0"
    begin = f"const language = {place}, say = key => ({words})[key][language], options = {options};\n"
    return {
        "html_template": asset(f"{name}.html"),
        "css_template": asset(f"{name}.css"),
        "js_on_load": begin + asset(f"{name}.js"),
        "apply_default_css": False,
    }


class Widget(gr.HTML):
    """A component whose value is an object. Gradio builds it again, from all its arguments, for every update."""

    asset_name = ""
    empty: ClassVar[dict[str, Any]] = {}

    def __init__(self, value: Any = None, *, options: dict[str, Any] | None = None, **rest: Any) -> None:
        # options are written into the script: a component on a tab not yet open loses its properties with an update
        look = _look(self.asset_name, json.dumps(options or {}, ensure_ascii=False))
        super().__init__(value or self.empty, **rest | look)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}


class Header(Widget):
    """Name, the engine's state, language and light or dark. Value: {"state", "text"}."""

    asset_name = "header"


class Live(Widget):
    """How far a run is. Value: {"job": its id, "state", "line", "detail", "share": 0 … 1 or None, "preview": base64
    JPEG or None, "error"}, any of them."""

    asset_name = "live"


class Pictures(Widget):
    """A row of pictures. Value: {"items": [{"id", "url", "thumb", "label", "text"}], "selected": place or -1}.

    Options: `empty`, what to say without pictures, and `strip`: one scrolling line, else the selected picture large
    above the others. Event `select`.
    """

    asset_name = "pictures"
    empty: ClassVar[dict[str, Any]] = {"items": [], "selected": -1}


class MaskPainter(Widget):
    """A picture with a mask over it. Event `upload`: the visitor gave another picture.

    Value, from the server: {"source": its hash in the input store, "url", "mask_url"?}; from the browser besides:
    {"mask": path of an uploaded PNG, white where painted on black, "uploaded": path of an uploaded picture}.
    """

    asset_name = "painter"


def empty_words(key: str) -> list[str]:
    return list(WORDS[key])
