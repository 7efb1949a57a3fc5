"""The words of `webui.words` as gradio wants them: the browser chooses the language."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr
from gradio.i18n import I18nData

from webui.words import WORDS


def translations(more: Mapping[str, tuple[str, str]] | None = None) -> gr.I18n:
    """Every word for the browser, and `more` of the same shape. zh-TW would fall back to English without its own."""
    table = {**WORDS, **(more or {})}
    places = {"en": 0, "zh": 1, "zh-CN": 1, "zh-TW": 1, "zh-HK": 1, "zh-SG": 1}
    return gr.I18n(**{tag: {key: words[place] for key, words in table.items()} for tag, place in places.items()})


def word(key: str) -> I18nData:
    """The words of `key` for a label: the browser chooses the language."""
    if key not in WORDS:
        raise KeyError(key)
    return I18nData(key)
