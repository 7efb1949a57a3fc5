"""Under a prompt box: how the model reads it, and Chinese words of the library offered in English.

One HTML component with its own script, which asks whenever the text has rested for a moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pipelines.errors import Note, SeedprintError
from pipelines.kinds import Text
from pipelines.prompts.grammar import tag_fault
from pipelines.tokens import PromptReading, Token, TokenChunk
from pipelines.types import BUILT_IN, BUILTIN
from webui.jobs.choices import unbalanced
from webui.jobs.service import GenerationService
from webui.library.chinese import Dictionary
from webui.library.collection import Library
from webui.library.wildcards import fault as missing_list
from webui.ui.widgets.widget import Widget
from webui.words import LANGUAGES, fault, label, say

NAMES: Mapping[str, tuple[str, str]] = {
    "title": ("Tokens", "词元"),
    "prompt": ("Prompt", "提示词"),
    "negative_prompt": ("Negative prompt", "反向提示词"),
    "becomes": ("In English:", "译成英文："),
    "apply": ("Use it", "采用"),
    "unknown": ("CLIP cannot read this:", "CLIP 读不懂："),
    "unknown_more": (
        "No word of the library; write it in English.",
        "词库中没有，请改用英文。",
    ),
    "chunk": ("Chunk {number}: {count} of {room}", "第 {number} 块：{count}/{room}"),
    "part": ("Part {number} of AND, weight {weight}", "AND 第 {number} 部分，权重 {weight}"),
    "empty": ("No words.", "没有文字。"),
    "token": ("token {id}, weight {weight}", "词元 {id}，权重 {weight}"),
    "pieces": ("the model knows it only in {count} pieces", "模型只认识它的 {count} 个碎片"),
    "learned": ("a learned word of {count} vectors", "学习词，{count} 个向量"),
    "same": ("CLIP-L and OpenCLIP bigG read the same tokens.", "CLIP-L 与 OpenCLIP bigG 读到的词元相同。"),
    "clip_skip": (
        "CLIP skip {skip}: every word below is taken {earlier} layer(s) before the text encoder's last.",
        "CLIP 跳过 {skip}：以下每个词都取文本编码器最后一层之前第 {earlier} 层。",
    ),
    "clip_skip_sdxl": (
        "SDXL reads the last layer but one at CLIP skip 1 and 2; {skip} takes every word below {earlier} layers before"
        " the last.",
        "SDXL 在 CLIP 跳过 1 与 2 时都读倒数第二层；{skip} 时以下每个词取最后一层之前第 {earlier} 层。",
    ),
    "compel": (
        "Compel: the parts of .and() stand one after the other, those of .blend() are mixed by their weights.",
        "Compel：.and() 的各部分依次排列，.blend() 的各部分按权重混合。",
    ),
    "compel_part": ("Part {number}, weight {weight}", "第 {number} 部分，权重 {weight}"),
    "changes": (
        "Shown as the first step reads it; [a:b:0.5] or [a|b] reads otherwise later.",
        "此处为第一步读到的内容；[a:b:0.5] 或 [a|b] 之后会变化。",
    ),
    "whole": (
        "CLIP's tokens: it reads the first chunk alone; the model's T5 encoder, where it has one, reads the text to its"
        " end.",
        "此处为 CLIP 的词元：CLIP 只读第一块；若模型含 T5 编码器，它读完整文本。",
    ),
    "pieces_note": (
        "Dashed: a word that the model knows only in pieces. Hexadecimal: bytes of a letter or sign it does not know.",
        "虚线：模型只认识其碎片的词。十六进制：模型不认识的字或符号的字节。",
    ),
}
BOXES = ("prompt", "negative_prompt")
_TEXT = Text()


class Reading(Widget):
    """Value: {"model": name, "clip_skip": number, "dialect": name}; as the page opens also what the script would ask
    for at once, `asked`, and the `answer`."""

    folder = "reading"
    words = NAMES
    empty: ClassVar[dict[str, Any]] = {"model": BUILTIN, "clip_skip": 1}


def build_reading(place: str, service: GenerationService, library: Library, model: str) -> Reading:
    """Call inside a Blocks context, below the boxes `{place}_prompt` and `{place}_negative_prompt`."""
    reader = Reader(service, library)

    def read(request: list[str]) -> dict[str, Any]:
        return reader.read([str(one) for one in request])

    options = {"task": place, "boxes": list(BOXES)}
    value = {"model": model, "clip_skip": 1}
    return Reading(value, options=options, elem_id=f"{place}_reading", server_functions=[read])


def wire_opening(reading: Reading, reader: Reader, asking: Sequence[Any], blocks: Any) -> None:
    """What is read as soon as the page opens. `asking`: the components of a request to `Reader.read`."""

    def read(value: Any, *request: Any) -> dict[str, Any]:
        asked = ["" if one is None else str(one) for one in request]
        return {**(value if isinstance(value, dict) else {}), "asked": asked, "answer": reader.read(asked)}

    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    blocks.load(read, [reading, *asking], reading, api_name="form_reading", **quiet)


class Reader:
    """Answers the script."""

    def __init__(self, service: GenerationService, library: Library) -> None:
        self._service, self._lists = service, library.wildcards.lists
        self._dictionaries = {builtin: Dictionary(library.categories, for_builtin=builtin) for builtin in (True, False)}

    def read(self, request: Sequence[str]) -> dict[str, Any]:
        """`request`: model, dialect, the texts of `BOXES`. Of each its encoders' chunks, `warnings` and Chinese in
        English; a `fault` in both languages instead, where it cannot be read."""
        model, dialect, *texts = (*request, "", "", "", "")[:4]
        answer: dict[str, Any] = {}
        for name, text in zip(BOXES, texts, strict=True):
            try:
                _TEXT.check(name, text)
                reading = self._service.read_prompt(model, text, negative=name == "negative_prompt", dialect=dialect)
            except SeedprintError as error:
                return {"fault": [fault(error, language) for language in LANGUAGES]}
            answer[name] = shown(reading)
            notes = self._noted(text)
            answer[name]["warnings"] = [
                [say(one, language, label(name, language)) for language in LANGUAGES] for one in notes
            ]
            translation = self._dictionaries[answer[name]["family"] in BUILT_IN].translate(text)
            if translation is not None:
                changed = translation.text if translation.text != text else ""
                answer[name]["chinese"] = {"text": changed, "unknown": list(translation.unknown)}
        return answer

    def _noted(self, text: str) -> tuple[Note, ...]:
        """What will be refused when the picture is asked for, or was begun and not ended."""
        missing = missing_list(text, self._lists().lists)
        return (*filter(None, (missing, tag_fault(text))), *unbalanced(text))


def shown(reading: PromptReading) -> dict[str, Any]:
    """A reading as the script wants it."""
    first, *others = reading.encoders
    return {
        "encoders": [[_chunk(one) for one in chunks] for chunks in (first, *(o for o in others if o != first))],
        "family": reading.family,
        "changes": reading.changes,
        "weights": [round(weight, 4) for weight in reading.weights],
    }


def _chunk(chunk: TokenChunk) -> dict[str, Any]:
    return {"part": chunk.part, "room": chunk.room, "words": _words(chunk.tokens)}


def _words(tokens: Sequence[Token]) -> list[dict[str, Any]]:
    """The tokens of each word together."""
    words: list[dict[str, Any]] = []
    ended = True
    for token in tokens:
        if ended:
            words.append({"weight": round(token.weight, 4), "learned": token.learned, "tokens": []})
        words[-1]["tokens"].append([token.text, token.id])
        ended = token.ends_word
    return words


def wire_reading(reading: Reading, components: Mapping[str, Any]) -> None:
    """Connects it with the components that say what reads the prompt, by their names in its value."""
    for name, component in components.items():
        js = f"(chosen, value) => ({{...value, {name}: chosen}})"
        component.change(None, [component, reading], reading, js=js, api_visibility="private")
