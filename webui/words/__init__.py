"""Every word of the program, in English and Simplified Chinese: one file a room, and no sentence anywhere else.

A room's file holds `WORDS`, what is written on the page (key -> both languages), and `SENTENCES`, what is told of a
code of `pipelines.errors` (code -> both languages). In a sentence `{name}` is a value of the note, `{field}` the
field that broke the rule. No library of pages is known here: the command line speaks through this too.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

from pipelines.details import BY_HAND
from pipelines.errors import PLAIN, InvalidRequest, Note, SeedprintError
from pipelines.groups import NO_REFINER
from pipelines.leading import AUTOMATIC, OWN_CONTROL
from pipelines.types import BUILT_IN
from pipelines.upscaling.plain import OF_LATENTS, OWN
from pipelines.upscaling.plain import PLAIN as PLAIN_UPSCALERS
from webui.words.control import SLOTS
from webui.words.frame import SCRIPT_WORDS
from webui.words.reference import SLOTS as REFERENCES

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
COOKIE = "seedprint-language"  # set by the page's head script, so that Python and the browser agree

Words = dict[str, tuple[str, str]]
_BESIDE = ("info", "help")  # FIELD_info and FIELD_help are written beside a field
_NO_FILES: Mapping[str, Sequence[str]] = {
    "model": BUILT_IN,
    "vae": (AUTOMATIC,),
    "detail_detector": (BY_HAND,),
    "hires_upscaler": (*OF_LATENTS, *PLAIN_UPSCALERS, OWN),
    "refiner_model": (NO_REFINER,),
    **{f"{slot}_model": (OWN_CONTROL,) for slot in SLOTS},
    **{f"{slot}_{name}": (AUTOMATIC,) for slot in REFERENCES for name in ("model", "encoder")},
}  # of fields that take names of files: those that are none
_CHOSEN = ("choices", "value")  # the values of a note that are choices of its field


def _gathered(table: str) -> Words:
    """The tables of that name of every room, as one. A key that stands in two rooms is a mistake."""
    found: Words = {}
    for room in pkgutil.iter_modules(__path__):
        words: Words = getattr(importlib.import_module(f"{__name__}.{room.name}"), table, {})
        if twice := found.keys() & words.keys():
            raise ValueError(f"{table} of {room.name}: {sorted(twice)} stand in another room too")
        found |= words
    return found


WORDS = _gathered("WORDS")
SENTENCES = _gathered("SENTENCES")


class Visitor(Protocol):
    """What a request of a browser tells of its language."""

    @property
    def cookies(self) -> Mapping[str, str]: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


def translate(key: str, language: Language, **values: object) -> str:
    """The words of `key`, with `{name}` filled from `values`."""
    text = WORDS[key][language == "zh"]
    return text.format(**values) if values else text


def label(field: str, language: Language) -> str:
    """What a field of a request is called."""
    return WORDS[field][language == "zh"] if field in WORDS else field


def model_title(name: str, language: Language) -> str:
    """What a model is called: a file by its name."""
    key = choice_key("model", name)
    return name if key is None else translate(key, language)


def choice_key(field: str, choice: object) -> str | None:
    """The key of what the page calls a choice of a field; None where it is called as it is."""
    if field == "axes" and choice in WORDS:  # whose choices are fields
        return str(choice)
    if choice in _BESIDE or choice not in _NO_FILES.get(field, (choice,)):
        return None
    # a field of a second pass has the choices of the first's, those of several of a kind have them together
    keys = f"{field}_{choice}", f"{_alike(field)}_{choice}"
    return next((key for key in keys if key in WORDS), None)


def _alike(field: str) -> str:
    """What fields of the same choices are called."""
    for kind, slots in (("control", SLOTS), ("reference", REFERENCES)):
        for slot in slots:
            if field.startswith(f"{slot}_"):
                return f"{kind}_{field.removeprefix(f'{slot}_')}"
    return field.removeprefix("hires_")


def say(note: Note, language: Language, field: str = "") -> str:
    """The sentence of a note, as the page tells it: a field and its choices by their labels. `field`: what its
    `{field}` is called, where the note does not name it. A code without words, or with other values, which another
    version may have kept, is shown as it is."""
    if "field" in note.values:
        name = str(note.values["field"])
        return _told(_labelled(note, name, language), language, label(name, language))
    return _told(note, language, field)


def _told(note: Note, language: Language, field: str) -> str:
    if note.code == PLAIN:
        return str(note.values.get("text", ""))
    words = SENTENCES.get(note.code)
    if words is None:
        return str(note)
    values = {name: _said(value, language) for name, value in note.values.items()}
    if isinstance(given := values.get("value"), str) and not given.strip():
        values["value"] = f'"{given}"'  # else the sentence would end on nothing
    try:
        return words[language == "zh"].format(**{**values, "field": field})
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError):  # another version gave other values
        return str(note)


def _labelled(note: Note, field: str, language: Language) -> Note:
    """With the labels of the field's choices, where the note lists them."""

    def shown(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return tuple(map(shown, value))
        key = choice_key(field, value) if isinstance(value, str) else None
        return value if key is None else translate(key, language)

    if "choices" not in note.values:
        return note
    return Note(
        note.code,
        **{name: shown(note.values[name]) if name in _CHOSEN else value for name, value in note.values.items()},
    )


def _said(value: Any, language: Language) -> Any:
    if isinstance(value, Note):
        return say(value, language)
    if isinstance(value, (list, tuple)):
        return ("、" if language == "zh" else ", ").join(str(_said(item, language)) for item in value)
    return value


def fault(error: SeedprintError, language: Language) -> str:
    """One sentence for the page."""
    return say(error.told, language)


def line(error: SeedprintError) -> str:
    """One line for the command line, which calls a field by its name: field, rule and value."""
    if not isinstance(error, InvalidRequest):
        return say(error.note, "en")
    told = _told(error.note, "en", error.field)
    named = "{field}" in SENTENCES.get(error.note.code, ("",))[0]
    return told if named else f"{error.field}: {told}"


def language_of(request: Visitor | None) -> Language:
    """The visitor's language: what the page chose (a cookie), else what the browser asks for first."""
    if request is None:
        return "en"
    chosen = request.cookies.get(COOKIE)
    if chosen in {"en", "zh"}:
        return "zh" if chosen == "zh" else "en"
    asked = request.headers.get("accept-language") or ""
    return "zh" if asked.strip().lower().startswith("zh") else "en"


__all__ = [
    "COOKIE",
    "LANGUAGES",
    "SCRIPT_WORDS",
    "SENTENCES",
    "WORDS",
    "Language",
    "fault",
    "label",
    "language_of",
    "line",
    "say",
    "translate",
]
