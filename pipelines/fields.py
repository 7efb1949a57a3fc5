"""A field of a request is written once, in its dataclass: what it takes, its default, what others call it.

    steps: int = setting(20, whole(1, 150), infotext="Steps")
    init: InitImage | None = group(InitImage)

Checking, JSON, A1111's text both ways, controls of the page, options of the command line, axes of the lab, presets,
settings of a model and the table of docs/metadata.md are derived from it (`fields_of`). No torch, no page, no files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pipelines.errors import InvalidRequest, Note
from pipelines.kinds import Kind, Picture, shown

if TYPE_CHECKING:
    from PIL.Image import Image

REQUIRED = MISSING  # as a default: it must be given
_META = "setting"
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


# -- how a dataclass says it ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What is known of a field beside its name and default."""

    kind: Kind
    name: str = ""  # where it stands alone: on the page, on the command line, in messages; "": the attribute's
    infotext: str = ""  # its key in A1111's text; "": that has no word for it
    words: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # how that text writes some values -> the value
    sparse: bool = False  # that text leaves it out at its default
    needs: str = ""  # ... and wherever this other field is not set
    page: bool = True  # every tab's form has a control for it
    axis: bool = True  # the lab may vary it
    per_model: Literal["", "form", "always"] = (
        ""  # may be settled for a model: where a form begins, or for each request
    )
    option: str = ""  # of the command line; "": the name with dashes


def setting(default: Any, kind: Kind, **more: Any) -> Any:
    """A field of a request: `more` as `Setting` has it. None as a default: it may be left open."""
    return dataclasses.field(default=default, metadata={_META: Setting(kind=kind, **more)})


def group(of: type, *, many: bool = False) -> Any:
    """A dataclass of settings that belong together, or None; `many`: a tuple of such."""
    return dataclasses.field(default=() if many else None, metadata={_META: (of, many)})


# -- what is derived ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field, wherever it stands. `name` is its own among all fields of a request."""

    name: str
    attribute: str
    group: str  # the attribute of the group that it belongs to; "" for the request's own
    default: Any
    setting: Setting

    @property
    def kind(self) -> Kind:
        return self.setting.kind

    @property
    def optional(self) -> bool:
        return self.default is None

    @property
    def is_picture(self) -> bool:
        return isinstance(self.kind, Picture)

    @property
    def option(self) -> str:
        return self.setting.option or self.name.replace("_", "-")

    def check(self, value: Any) -> None:
        """Raises InvalidRequest."""
        if value is not None or not self.optional:
            self.kind.check(self.name, value)

    def accepts(self, value: Any) -> bool:
        try:
            self.check(value)
        except InvalidRequest:
            return False
        return True

    def fits(self, value: object) -> bool:
        """Whether it is a JSON value of the field's kind, whatever the bounds."""
        return self.kind.fits(value) or (value is None and self.optional)


def _once(function: F) -> F:
    """`functools.cache`, typed as the function is: it takes no classes for hashable."""
    return cast("F", cache(function))


def _own(of: type) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    for item in dataclasses.fields(of):
        if _META in item.metadata:
            yield item, item.metadata[_META]


@_once
def fields_of(of: Any) -> tuple[Field, ...]:
    """Every field of a dataclass, those of its groups in their place. A tuple of groups is not among them."""
    found: list[Field] = []
    for item, told in _own(of):
        if isinstance(told, Setting):
            found.append(_field(item, told, ""))
        elif not told[1]:
            found += (replace(inner, group=item.name) for inner in fields_of(told[0]))
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise TypeError(f"{of.__name__}: two fields of one name among {names}")
    return tuple(found)


def _field(item: dataclasses.Field[Any], told: Setting, group_name: str) -> Field:
    name_of = told.name or item.name
    return Field(name=name_of, attribute=item.name, group=group_name, default=item.default, setting=told)


@_once
def field_of(of: Any, wanted: str) -> Field | None:
    return next((one for one in fields_of(of) if one.name == wanted), None)


@_once
def groups_of(of: Any) -> Mapping[str, tuple[type, bool]]:
    """Attribute -> the dataclass of a group, and whether there may be many."""
    return {item.name: told for item, told in _own(of) if not isinstance(told, Setting)}


def check(settings: Any) -> None:
    """Every field of its own, groups excepted: they were checked when they were built. Raises InvalidRequest."""
    for one in fields_of(type(settings)):
        if not one.group:
            one.check(getattr(settings, one.attribute))


def flat(settings: Any) -> dict[str, Any]:
    """Name -> value of every field, without those of groups that are not there."""
    found: dict[str, Any] = {}
    for one in fields_of(type(settings)):
        holder = getattr(settings, one.group) if one.group else settings
        if holder is not None:
            found[one.name] = getattr(holder, one.attribute)
    return found


def build(of: type[T], values: Mapping[str, Any]) -> T:
    """From names and values. A group is built when all that it must have is given, or, where it needs nothing, when
    its own name is true. Raises InvalidRequest."""
    arguments: dict[str, Any] = {}
    for attribute, (inner, many) in groups_of(of).items():
        own = [one for one in fields_of(of) if one.group == attribute]
        needed = [one.name for one in own if one.default is REQUIRED]
        if not many and (all(name in values for name in needed) if needed else values.get(attribute)):
            arguments[attribute] = inner(**{one.attribute: values[one.name] for one in own if one.name in values})
    own = [one for one in fields_of(of) if not one.group]
    return of(**arguments, **{one.attribute: values[one.name] for one in own if one.name in values})


def changed(settings: T, name_of: str, value: Any) -> T:
    """With one field changed, wherever it stands. Raises InvalidRequest; KeyError when its group is not there."""
    one = field_of(type(settings), name_of)
    if one is None:
        raise KeyError(name_of)
    if not one.group:
        return replace(settings, **{one.attribute: value})  # type: ignore[type-var]
    holder = getattr(settings, one.group)
    if holder is None:
        raise KeyError(one.group)
    return replace(settings, **{one.group: replace(holder, **{one.attribute: value})})  # type: ignore[type-var]


# -- JSON -----------------------------------------------------------------------------------------------------------

Put = Callable[["Image"], Any]  # keeps a picture and names it
Get = Callable[[Any, str], "Image"]  # the picture of that name and mode


def packed(settings: Any, put: Put) -> dict[str, Any]:
    """As JSON values: a group is an object or null, many are a list, a picture is what `put` names it by."""
    data: dict[str, Any] = {}
    for item, told in _own(type(settings)):
        value = getattr(settings, item.name)
        if isinstance(told, Setting):
            data[item.name] = put(value) if isinstance(told.kind, Picture) else value
        elif told[1]:
            data[item.name] = [packed(one, put) for one in value]
        else:
            data[item.name] = None if value is None else packed(value, put)
    return data


def unpacked(of: type[T], data: Mapping[str, Any], get: Get) -> T:
    """What `packed` gave; what is missing has its default, what is not known is left out. Raises InvalidRequest."""
    check_json(of, data)
    values: dict[str, Any] = {}
    for item, told in _own(of):
        if item.name not in data:
            continue
        value = data[item.name]
        if isinstance(told, Setting):
            values[item.name] = get(value, told.kind.mode) if isinstance(told.kind, Picture) else value
        elif told[1]:
            values[item.name] = tuple(unpacked(told[0], one, get) for one in value or ())
        else:
            values[item.name] = None if value is None else unpacked(told[0], value, get)
    return of(**values)


def check_json(of: type, data: Mapping[str, Any]) -> None:
    """Types only: whether the values can be run is the request's own business when it is built. Raises
    InvalidRequest."""
    for item, told in _own(of):
        name_of = told.name or item.name if isinstance(told, Setting) else item.name
        if item.name not in data:
            if item.default is MISSING:
                raise InvalidRequest(name_of, "missing")
        elif isinstance(told, Setting):
            _check_json_value(_field(item, told, ""), data[item.name])
        else:
            _check_json_group(name_of, told, data[item.name])


def _check_json_value(one: Field, value: object) -> None:
    if not one.fits(value):
        wanted = Note(f"type_{one.kind.types[0].__name__}")
        raise InvalidRequest(one.name, "wrong_type", wanted=wanted, value=shown(value))
    if isinstance(value, int) and abs(value) >= 2**63:
        raise InvalidRequest(one.name, "number_too_large", value=shown(value))


def _check_json_group(name_of: str, told: tuple[type, bool], value: Any) -> None:
    of, many = told
    if value is None and not many:
        return
    items: list[Any] = value if many and isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, Mapping):
            raise InvalidRequest(name_of, "wrong_type", wanted=Note("type_object"), value=shown(value))
        check_json(of, item)


def unknown_names(of: type, data: Mapping[str, Any]) -> list[str]:
    """Keys that a later version wrote and this one does not know, as `group.name` within a group."""
    known = {item.name: told for item, told in _own(of)}
    found = [key for key in data if key not in known]
    for key, told in known.items():
        if isinstance(told, Setting) or not data.get(key):
            continue
        items: list[Any] = data[key] if told[1] else [data[key]]
        found += (f"{key}.{inner}" for item in items for inner in unknown_names(told[0], item))
    return found


def flat_json(of: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """`packed` on one level, without pictures: `init.strength` is just `strength`. What is left open is left out."""
    found: dict[str, Any] = {}
    for one in fields_of(of):
        holder = data.get(one.group) if one.group else data
        value = holder.get(one.attribute) if isinstance(holder, Mapping) and not one.is_picture else None
        if value is not None:
            found[one.name] = value
    return found
