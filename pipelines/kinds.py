"""What a field of a request takes: its JSON type, its bounds, and how it is written as text. No torch, no page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pipelines import boxes
from pipelines.errors import InvalidRequest, Note

TEXT_LIMIT = 20_000  # characters
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # NUL and halves of surrogate pairs
_SHOWN = 80  # characters of a value that is no good
_SEVERAL = 12  # names told of many
_PARTS = (2, 4)  # that a side may be shared out into
_LARGEST_PART = 1000


def shown(value: object) -> Any:
    """A value as a note may tell it: a JSON value of bounded length."""
    if value is None:
        return Note("nothing")
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int):  # too large to be written out
        return "10^" + str(int(value.bit_length() * math.log10(2)))
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair cannot be sent to a page
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def several(names: Sequence[str | Note]) -> tuple[Any, ...]:
    """Names of files as a note may tell them: the first, and how many more there are."""
    more = len(names) - _SEVERAL
    return (*names[:_SEVERAL], *((Note("and_more", count=more),) if more > 0 else ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What a field takes. `types`: of its JSON values."""

    types: ClassVar[tuple[type, ...]]

    def check(self, name: str, value: Any) -> None:
        """Raises InvalidRequest."""
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """The value that a text stands for, not checked yet. Raises ValueError."""
        raise NotImplementedError

    def write(self, value: Any) -> str:
        """The text that `read` takes back."""
        return str(value)

    def fits(self, value: object) -> bool:
        """Whether it is a JSON value of this kind; true and false are no numbers."""
        return isinstance(value, self.types) and (bool in self.types or not isinstance(value, bool))


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole(Kind):
    types = (int,)
    low: int
    high: int
    step: int = 1

    def check(self, name: str, value: Any) -> None:
        if not self.fits(value) or not self.low <= value <= self.high:
            raise InvalidRequest(name, "whole_number", low=self.low, high=self.high, value=shown(value))
        if value % self.step:
            raise InvalidRequest(name, "multiple", step=self.step, value=value)

    def read(self, text: str) -> int:
        return int(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Number(Kind):
    types = (int, float)
    low: float
    high: float
    step: float = 0.5  # of its slider

    def check(self, name: str, value: Any) -> None:
        # a whole number may be too large for a float; NaN is never between two numbers
        if not self.fits(value) or not self.low <= value <= self.high:
            raise InvalidRequest(name, "number", low=self.low, high=self.high, value=shown(value))

    def read(self, text: str) -> float:
        return float(text)

    def write(self, value: Any) -> str:
        """7.0 -> "7", 7.5 -> "7.5"; reads back to the same number."""
        return str(int(value)) if value == int(value) else repr(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice(Kind):
    types = (str,)
    choices: tuple[str, ...]

    def check(self, name: str, value: Any) -> None:
        if not self.fits(value) or value not in self.choices:
            raise InvalidRequest(name, "choice", choices=self.choices, value=shown(value))

    def read(self, text: str) -> str:
        found = {choice.lower(): choice for choice in self.choices}.get(text.lower())
        if found is None:
            raise ValueError(text)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag(Kind):
    types = (bool,)

    def check(self, name: str, value: Any) -> None:
        if not self.fits(value):
            raise InvalidRequest(name, "flag", value=shown(value))

    def read(self, text: str) -> bool:
        if text.lower() not in ("true", "false", "yes", "no"):
            raise ValueError(text)
        return text.lower() in ("true", "yes")

    def write(self, value: Any) -> str:
        return "true" if value else "false"


@dataclass(frozen=True, kw_only=True, slots=True)
class Text(Kind):
    types = (str,)

    def check(self, name: str, value: Any) -> None:
        if not self.fits(value):
            raise InvalidRequest(name, "text_wanted", value=shown(value))
        if len(value) > TEXT_LIMIT:
            raise InvalidRequest(name, "text_too_long", limit=TEXT_LIMIT, value=len(value))
        if _NO_TEXT.search(value):
            raise InvalidRequest(name, "text_not_unicode")

    def read(self, text: str) -> str:
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Name(Kind):
    """What a file, or one of a few things beside files, is called."""

    types = (str,)

    def check(self, name: str, value: Any) -> None:
        if not self.fits(value) or not value:
            raise InvalidRequest(name, "name_wanted", value=shown(value))

    def read(self, text: str) -> str:
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Regions(Text):
    """Boxes of a picture, as `pipelines.boxes` reads them."""

    def check(self, name: str, value: Any) -> None:
        Text.check(self, name, value)
        try:
            boxes.read(value)
        except ValueError as error:
            raise InvalidRequest(name, "boxes_wanted", most=boxes.MOST, value=shown(value)) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratios(Text):
    """How a side is shared out: "1:2:1"."""

    def check(self, name: str, value: Any) -> None:
        Text.check(self, name, value)
        try:
            shares_of(value)
        except ValueError as error:
            low, high = _PARTS
            raise InvalidRequest(name, "ratios_wanted", low=low, high=high, value=shown(value)) from error


def shares_of(ratios: str) -> tuple[float, ...]:
    """Of the whole, 1 together. Raises ValueError."""
    parts = [float(one) for one in ratios.split(":")]
    low, high = _PARTS
    if not low <= len(parts) <= high or not all(0 < one <= _LARGEST_PART for one in parts):
        raise ValueError(ratios)
    return tuple(one / sum(parts) for one in parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture(Kind):
    """An image in memory. In JSON it is whatever the keeper of pictures names it by."""

    types = (object,)
    mode: Literal["RGB", "L"]

    def check(self, name: str, value: Any) -> None:
        if getattr(value, "mode", None) != self.mode:
            raise InvalidRequest(name, "picture_mode", mode=self.mode, value=shown(getattr(value, "mode", value)))


def whole(low: int, high: int, *, step: int = 1) -> Whole:
    return Whole(low=low, high=high, step=step)


def number(low: float, high: float, *, step: float = 0.5) -> Number:
    return Number(low=low, high=high, step=step)


def choice(*choices: str) -> Choice:
    return Choice(choices=choices)


def flag() -> Flag:
    return Flag()


def text() -> Text:
    return Text()


def name() -> Name:
    return Name()


def regions() -> Regions:
    return Regions()


def ratios() -> Ratios:
    return Ratios()


def picture(mode: Literal["RGB", "L"]) -> Picture:
    return Picture(mode=mode)
