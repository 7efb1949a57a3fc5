"""What our own components share: HTML, a style sheet and a script over gradio's gr.HTML. No build step.

`webui/ui/widgets/NAME/` holds the Python class beside `NAME.html`, style sheets and `NAME.js`, a module with a function
`mount(parts, options)`. `parts` are gradio's: the element, its props, and trigger, watch, upload and server; the words
are among the options. A rule of the style sheets counts within the component alone, and `&` is its element.

The page says of each component only that it begins: `shared/begin.js` puts its HTML into the element.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gradio as gr

from webui.ui.widgets.sources import EVERY, address, class_of
from webui.words import SCRIPT_WORDS, WORDS

Words = Mapping[str, tuple[str, str]]


class Widget(gr.HTML):
    """A component whose value is an object. Gradio builds it again, from all its arguments, for every update."""

    folder: ClassVar[str]  # below `webui/ui/widgets/`
    words: ClassVar[Words] = {}  # what its script says, in both languages
    empty: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        value: Any = None,
        *,
        options: dict[str, Any] | None = None,
        elem_classes: Sequence[str] = (),
        **rest: Any,
    ) -> None:
        super().__init__(value or self.empty, **rest | self._look(options or {}, elem_classes))

    def _look(self, options: dict[str, Any], classes: Sequence[str]) -> dict[str, Any]:
        # options are written into the script: a component on a tab not yet open loses its properties with an update
        told = json.dumps(options, ensure_ascii=False)
        parts = "{ element, props, trigger, watch, upload, server }"
        begin = f'it.begin("{self.folder}", {parts}, {told})'
        return {
            "html_template": "",
            "js_on_load": f'import("{address("shared/begin.js")}").then((it) => {begin});',
            "apply_default_css": False,
            "elem_classes": list(dict.fromkeys([*classes, EVERY, class_of(self.folder)])),
        }

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}


def script_words(*keys: str) -> Words:
    return {key: SCRIPT_WORDS[key] for key in keys}


def empty_words(key: str) -> list[str]:
    return list(WORDS[key])
