"""One axis of a grid: a field of the request and the values it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.types import REQUEST_FIELDS, GenerationRequest, InitImage, Inpaint
from webui.lab.ranges import numbers, words

PROMPT_WORDS = "prompt_words"  # search and replace: the first value is looked for and the others stand in its place
_START = tuple(item.name for item in fields(InitImage) if item.name != "image")
_MASK = tuple(item.name for item in fields(Inpaint) if item.name != "mask")
_WHOLE = {"steps", "width", "height", "seed", "clip_skip", "mask_blur", "mask_grow", "padding"}
_REAL = {"guidance", "strength"}
_FLAGS = {"invert", "only_masked"}
# a cell is one image, and a model's nature is settled with the model
_APART = {"init", "inpaint", "batch_size", "batches", "template", "negative_template"}
_APART |= {"prediction_type", "zero_terminal_snr"}
AXIS_FIELDS = (PROMPT_WORDS, *(name for name in REQUEST_FIELDS if name not in _APART), *_START, *_MASK)


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """Values are as the request wants them: int, float, bool or str."""

    field: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if self.field not in AXIS_FIELDS:
            raise InvalidRequest("axes", f"must be one of {', '.join(AXIS_FIELDS)}, got {self.field!r:.80}")
        if not self.values:
            raise InvalidRequest("axes", f"must have at least one value of {self.field}, got none")

    @classmethod
    def read(cls, field: str, text: str) -> Axis:
        """From what a person writes: `1-10 (+2)` for numbers, words with commas for the rest. Raises InvalidRequest."""
        values: tuple[Any, ...]
        if field in _WHOLE | _REAL:
            values = numbers(text, field, whole=field in _WHOLE)
        else:
            values = tuple(word for word in words(text) if word or field in {"prompt", "negative_prompt"})
        if field in _FLAGS:
            values = tuple(_flag(field, str(word)) for word in values)
        return cls(field=field, values=values)

    def label(self, value: Any) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    def apply(self, request: GenerationRequest, value: Any) -> GenerationRequest:
        """The request with this value. Raises InvalidRequest when the request does not allow it."""
        if self.field == PROMPT_WORDS:
            wanted = str(self.values[0])
            if wanted not in request.prompt and wanted not in request.negative_prompt:
                raise InvalidRequest("axes", f"must begin with words of the prompt to replace, got {wanted!r}")
            return replace(
                request,
                prompt=request.prompt.replace(wanted, value),
                negative_prompt=request.negative_prompt.replace(wanted, value),
            )
        if self.field in _START:
            if request.init is None:
                raise InvalidRequest("init_image", "must be given, got none")
            return replace(request, init=replace(request.init, **{self.field: value}))
        if self.field in _MASK:
            if request.inpaint is None:
                raise InvalidRequest("mask", "must be given, got none")
            return replace(request, inpaint=replace(request.inpaint, **{self.field: value}))
        return replace(request, **{self.field: value})

    def to_json(self) -> dict[str, Any]:
        return {"field": self.field, "values": list(self.values)}

    @classmethod
    def from_json(cls, data: Any) -> Axis:
        """Values as a list, or as text that `read` understands."""
        if not isinstance(data, Mapping) or set(data) != {"field", "values"}:
            raise InvalidRequest("axes", f"must be field and values, got {data!r:.80}")
        if isinstance(data["values"], str):
            return cls.read(data["field"], data["values"])
        if not isinstance(data["values"], list) or not all(
            isinstance(value, (str, int, float, bool)) for value in data["values"]
        ):
            raise InvalidRequest("axes", f"must have a list of values, got {data['values']!r:.80}")
        return cls(field=data["field"], values=tuple(data["values"]))


def _flag(field: str, word: str) -> bool:
    if word.lower() not in {"true", "false", "yes", "no"}:
        raise InvalidRequest(field, f"must be true or false, got {word!r}")
    return word.lower() in {"true", "yes"}
