"""One axis of a grid: a field of the request and the values it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.fields import changed
from pipelines.kinds import Flag, Number, Text, Whole, shown
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from webui.lab.ranges import numbers, words

PROMPT_WORDS = "prompt_words"  # search and replace: the first value is looked for and the others stand in its place
# a cell is one image, and a model's nature is settled with the model
_FIELDS = {one.name: one for one in REQUEST_FIELDS if one.setting.axis and not one.is_picture}
AXIS_FIELDS = (PROMPT_WORDS, *_FIELDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """Values are as the request wants them: int, float, bool or str."""

    field: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if self.field not in AXIS_FIELDS:
            raise InvalidRequest("axes", "choice", choices=AXIS_FIELDS, value=shown(self.field))
        if not self.values:
            raise InvalidRequest("axes", "axis_empty", axis=self.field)

    @classmethod
    def read(cls, field: str, text: str) -> Axis:
        """From what a person writes: `1-10 (+2)` for numbers, words with commas for the rest. Raises InvalidRequest."""
        kind = _FIELDS[field].kind if field in _FIELDS else Text()
        if isinstance(kind, (Whole, Number)):
            return cls(field=field, values=numbers(text, field, whole=isinstance(kind, Whole)))
        found = (word for word in words(text) if word or isinstance(kind, Text))
        try:
            return cls(field=field, values=tuple(kind.read(word) if isinstance(kind, Flag) else word for word in found))
        except ValueError as error:
            raise InvalidRequest(field, "flag", value=shown(text.strip())) from error

    def label(self, value: Any) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    def apply(self, request: GenerationRequest, value: Any) -> GenerationRequest:
        """The request with this value. Raises InvalidRequest when the request does not allow it."""
        if self.field == PROMPT_WORDS:
            wanted = str(self.values[0])
            if wanted not in request.prompt and wanted not in request.negative_prompt:
                raise InvalidRequest("axes", "axis_words", value=shown(wanted))
            return replace(
                request,
                prompt=request.prompt.replace(wanted, value),
                negative_prompt=request.negative_prompt.replace(wanted, value),
            )
        return changed(request, self.field, value)

    def to_json(self) -> dict[str, Any]:
        return {"field": self.field, "values": list(self.values)}

    @classmethod
    def from_json(cls, data: Any) -> Axis:
        """Values as a list, or as text that `read` understands."""
        if not isinstance(data, Mapping) or set(data) != {"field", "values"}:
            raise InvalidRequest("axes", "axis_json", value=shown(data))
        if isinstance(data["values"], str):
            return cls.read(data["field"], data["values"])
        if not isinstance(data["values"], list) or not all(
            isinstance(value, (str, int, float, bool)) for value in data["values"]
        ):
            raise InvalidRequest("axes", "axis_json", value=shown(data["values"]))
        return cls(field=data["field"], values=tuple(data["values"]))
