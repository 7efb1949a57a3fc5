"""Every failure a person may be shown, on one page, and what they are told: a code with values.

    SeedprintError
    ├── InvalidRequest      a field breaks a rule; `.field` names it; raised before anything is queued
    ├── UnreadableImage     a file that should be a picture is not one we read
    ├── ModelError          a model is missing, unreadable, of another family, or cannot do what was asked
    ├── OutOfMemory         the device has too little memory for this request
    ├── NotFinite           the model gave NaN or infinity; nothing was saved
    ├── EngineLost          the worker process died during a batch
    │   └── EngineAway      ... before it took the batch, which is not to blame
    ├── StorageError        something kept on disk is not as it should be
    │   └── Unavailable     ... a disk is full, a folder gone, a database held: the same may work later
    └── Stopped             the run was ended on purpose
        ├── Cancelled       ... the whole run
        ├── Skipped         ... this batch; the run goes on with the next
        └── Kept            ... likewise, but the batch's pictures are kept as they are at the step it has reached

A bug is none of these: it keeps its own type and traceback. No sentence stands here or anywhere below `webui`: the
words of each code, in every language, are in `webui/words/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

PLAIN = "text"  # the code of a sentence that an earlier version wrote down, or another program: shown as it is


class Note:
    """What is to be told, without its words: a code and the values that its sentence names. Values are JSON values,
    tuples of them, or notes."""

    __slots__ = ("code", "values")

    def __init__(self, code: str, /, **values: Any) -> None:
        self.code = code
        self.values: Mapping[str, Any] = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Note) and (self.code, self.values) == (other.code, other.values)

    def __hash__(self) -> int:
        return hash((self.code, tuple(self.values)))

    def __repr__(self) -> str:
        return f"{self.code}({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"

    __str__ = __repr__

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, **{name: _packed(value) for name, value in self.values.items()}}

    @classmethod
    def from_json(cls, data: object) -> Note:
        """Whatever was kept; text is a sentence of version 0.1.0."""
        if isinstance(data, Mapping) and isinstance(code := data.get("code"), str):
            values = {str(name): _unpacked(value) for name, value in data.items() if name not in ("code", "self")}
            return cls(code, **values)
        return cls(PLAIN, text=data if isinstance(data, str) else repr(data))


def _packed(value: Any) -> Any:
    if isinstance(value, Note):
        return value.to_json()
    return [_packed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Note.from_json(value)
    return tuple(_unpacked(item) for item in value) if isinstance(value, (list, tuple)) else value


class SeedprintError(Exception):
    """Base of every failure with one sentence for a person: `note` is what it tells."""

    def __init__(self, code: str, /, **values: Any) -> None:
        self.note = Note(code, **values)
        super().__init__(code)

    @property
    def told(self) -> Note:
        """The note to keep where the error itself is gone: it names the field too, if there is one."""
        return self.note

    def __str__(self) -> str:
        return str(self.note)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, (type(self), self.note)


class InvalidRequest(SeedprintError):
    """A field breaks a rule: the field's name, the rule's code, and its values (`value` is what was given)."""

    def __init__(self, field: str, code: str, /, **values: Any) -> None:
        super().__init__(code, **values)
        self.field = field

    @property
    def told(self) -> Note:
        return Note(self.note.code, **{**self.note.values, "field": self.field})

    def __str__(self) -> str:
        return f"{self.field}: {super().__str__()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuilt, (type(self), self.note, self.field)


def rebuilt(kind: Callable[..., SeedprintError], note: Note, field: str | None = None) -> SeedprintError:
    """The error as it was, on the other side of a pipe."""
    return kind(*([] if field is None else [field]), note.code, **note.values)


class UnreadableImage(SeedprintError):
    """A file that should be a picture is not one we read."""


class ModelError(SeedprintError):
    """A model is missing, unreadable, of another family, or cannot do what was asked."""


class OutOfMemory(SeedprintError):
    """The device has too little memory for this request."""


class NotFinite(SeedprintError):
    """The model gave NaN or infinity; nothing was saved."""


class EngineLost(SeedprintError):
    """The worker process died."""


class EngineAway(EngineLost):
    """The worker process died before it took the batch: the same may work later."""


class StorageError(SeedprintError):
    """Something kept on disk is not as it should be."""


class Unavailable(StorageError):
    """A disk is full, a folder gone or read-only, a database held by another program: the same may work later."""


class Stopped(SeedprintError):
    """The run was ended on purpose."""


class Cancelled(Stopped):
    """The whole run was ended on purpose."""


class Skipped(Stopped):
    """This batch was ended on purpose; the run goes on with the next."""


class Kept(Stopped):
    """The denoising of this batch is ended on purpose, and its pictures kept. No engine raises it: it ends there."""
