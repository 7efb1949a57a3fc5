"""A field of a request is written once, in its dataclass: what it takes, its default, what others call it.

    steps: int = setting(20, whole(1, 150), infotext="Steps")
    init: InitImage | None = group(InitImage)

Checking, JSON, A1111's text both ways, controls of the page, options of the command line, axes of the lab, presets,
settings of a model and the table of docs/metadata.md are derived from it (`fields_of`). No torch, no page, no files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pipelines.errors import InvalidRequest, Note
from pipelines.kinds import Flag, Kind, Picture, shown

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
    # what is told where it must be given and is not
    needed: Note = dataclasses.field(default_factory=lambda: Note("missing"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What is known of a group beside its name. It is there when the fields that it must have are given; one that
    must have none has a flag of its own, its switch."""

    of: type  # a dataclass of settings
    many: bool = False  # a tuple of such; nothing of them is a field yet
    numbered: bool = False  # there are several of its kind: its fields bear its name before their own
    tasks: tuple[str, ...] = ()  # that have it; (): every one
    switch: Setting | None = None


def setting(default: Any, kind: Kind, **more: Any) -> Any:
    """A field of a request: `more` as `Setting` has it. None as a default: it may be left open."""
    return dataclasses.field(default=default, metadata={_META: Setting(kind=kind, **more)})


def group(of: type, *, many: bool = False, numbered: bool = False, tasks: tuple[str, ...] = (), **switch: Any) -> Any:
    """A dataclass of settings that belong together, or None; `many`: a tuple of such; `numbered`: one of several of a
    kind. `switch`: as `Setting` has it, of the flag that says whether a group is there all of whose fields have
    defaults. Raises TypeError."""
    needs = [one.name for one in fields_of(of) if one.default is REQUIRED]
    if switch and (many or needs):
        raise TypeError(f"a group has a switch where it needs nothing: {of.__name__} is many or needs {needs}")
    flag = None if many or needs else Setting(kind=Flag(), **switch)
    told = Group(of=of, many=many, numbered=numbered, tasks=tasks, switch=flag)
    return dataclasses.field(default=() if many else None, metadata={_META: told})


# -- what is derived ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field, wherever it stands. `name` is its own among all fields of a request."""

    name: str
    attribute: str
    group: str  # the attribute of the group that it belongs to; "" for the request's own
    default: Any
    setting: Setting
    switch: bool = False  # whether its group is there: no attribute of the group

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
        elif not told.many:
            if told.switch is not None:
                found.append(replace(_field(item, told.switch, item.name), default=False, switch=True))
            found += (
                replace(inner, group=item.name, name=_name(told, item.name, inner.name)) for inner in fields_of(told.of)
            )
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        raise TypeError(f"{of.__name__}: two fields of one name among {names}")
    return tuple(found)


def _name(told: Group, attribute: str, own: str) -> str:
    """Of a group's field among all fields of a request."""
    return f"{attribute}_{own}" if told.numbered else own


@contextmanager
def _named(told: Group, attribute: str) -> Iterator[None]:
    """A group checks itself and knows not what it is called: its faults are told of the names among all fields."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(_name(told, attribute, error.field), error.note.code, **error.note.values) from error


def _field(item: dataclasses.Field[Any], told: Setting, group_name: str) -> Field:
    name_of = told.name or item.name
    if told.per_model == "always" and item.default is not None:
        raise TypeError(f"{name_of}: what a model settles for each request must be one that may be left open")
    return Field(name=name_of, attribute=item.name, group=group_name, default=item.default, setting=told)


@_once
def field_of(of: Any, wanted: str) -> Field | None:
    return next((one for one in fields_of(of) if one.name == wanted), None)


@_once
def switch_of(of: Any, group_name: str) -> Field | None:
    """The field that says whether the group is there; None: one that it must have does."""
    return next((one for one in fields_of(of) if one.switch and one.group == group_name), None)


@_once
def groups_of(of: Any) -> Mapping[str, Group]:
    """Attribute -> what is known of the group."""
    return {item.name: told for item, told in _own(of) if not isinstance(told, Setting)}


def there(settings: Any, of: type[T]) -> dict[str, T]:
    """Attribute -> each group of that kind that is there."""
    held = {name: getattr(settings, name) for name, told in groups_of(type(settings)).items() if told.of is of}
    return {name: one for name, one in held.items() if one is not None}


def check(settings: Any) -> None:
    """Every field of its own, groups excepted: they were checked when they were built. Raises InvalidRequest."""
    for one in fields_of(type(settings)):
        if not one.group:
            one.check(getattr(settings, one.attribute))


def flat(settings: Any) -> dict[str, Any]:
    """Name -> value of every field, without those of groups that are not there; a switch says which are."""
    found: dict[str, Any] = {}
    for one in fields_of(type(settings)):
        holder = getattr(settings, one.group) if one.group else settings
        if one.switch:
            found[one.name] = holder is not None
        elif holder is not None:
            found[one.name] = getattr(holder, one.attribute)
    return found


def build(of: type[T], values: Mapping[str, Any]) -> T:
    """From names and values. A group is built when all that it must have is given, or, where it needs nothing, when
    its switch is on; else what is said of it counts nothing. Raises InvalidRequest."""
    arguments: dict[str, Any] = {}
    for attribute, told in groups_of(of).items():
        own = [one for one in fields_of(of) if one.group == attribute]
        if own and _is_wanted(own, values):
            given = {one.attribute: values[one.name] for one in own if one.name in values and not one.switch}
            with _named(told, attribute):
                arguments[attribute] = told.of(**given)
    own = [one for one in fields_of(of) if not one.group]
    return of(**arguments, **{one.attribute: values[one.name] for one in own if one.name in values})


def _is_wanted(own: list[Field], values: Mapping[str, Any]) -> bool:
    switch = own[0]
    if not switch.switch:
        return all(one.name in values for one in own if one.default is REQUIRED)
    value = values.get(switch.name, switch.default)
    switch.check(value)
    return bool(value)


def check_values(of: type, values: Mapping[str, Any]) -> None:
    """Each by itself, also those of groups that are not there, then what goes with what. Raises InvalidRequest."""
    for name_of, value in values.items():
        if (one := field_of(of, name_of)) is not None:
            one.check(value)
    build(of, values)


def changed(settings: T, name_of: str, value: Any) -> T:
    """With one field changed, wherever it stands; a switch brings its group or takes it away. Raises InvalidRequest,
    also when the field's group is not there; KeyError: there is no such field."""
    one = field_of(type(settings), name_of)
    if one is None:
        raise KeyError(name_of)
    if not one.group:
        return replace(settings, **{one.attribute: value})  # type: ignore[type-var]
    holder = getattr(settings, one.group)
    if one.switch:
        one.check(value)
        there = groups_of(type(settings))[one.group].of() if holder is None else holder
        return replace(settings, **{one.group: there if value else None})  # type: ignore[type-var]
    if holder is None:
        raise _absent(type(settings), one.group)
    with _named(groups_of(type(settings))[one.group], one.group):
        held = replace(holder, **{one.attribute: value})
    return replace(settings, **{one.group: held})  # type: ignore[type-var]


def _absent(of: type, group_name: str) -> InvalidRequest:
    switch = switch_of(of, group_name)
    if switch is not None:
        return InvalidRequest(switch.name, "switched_off")
    first = next(one for one in fields_of(of) if one.group == group_name and one.default is REQUIRED)
    return InvalidRequest(first.name, first.setting.needed.code)


# -- JSON -----------------------------------------------------------------------------------------------------------

Put = Callable[["Image"], Any]  # keeps a picture and names it
Get = Callable[[Any, str], "Image"]  # the picture of that name and mode


def no_picture(named: Any, mode: str) -> Image:
    """A `Get` where no pictures are. Raises InvalidRequest."""
    raise InvalidRequest("picture", "missing")


def packed(settings: Any, put: Put) -> dict[str, Any]:
    """As JSON values: a group is an object or null, many are a list, a picture is what `put` names it by."""
    data: dict[str, Any] = {}
    for item, told in _own(type(settings)):
        value = getattr(settings, item.name)
        if isinstance(told, Setting):
            data[item.name] = put(value) if isinstance(told.kind, Picture) else value
        elif told.many:
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
        elif told.many:
            values[item.name] = tuple(unpacked(told.of, one, get) for one in value or ())
        else:
            with _named(told, item.name):
                values[item.name] = None if value is None else unpacked(told.of, value, get)
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


def _check_json_group(name_of: str, told: Group, value: Any) -> None:
    if value is None and not told.many:
        return
    items: list[Any] = value if told.many and isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, Mapping):
            raise InvalidRequest(name_of, "wrong_type", wanted=Note("type_object"), value=shown(value))
        check_json(told.of, item)


def unknown_names(of: type, data: Mapping[str, Any]) -> list[str]:
    """Keys that a later version wrote and this one does not know, as `group.name` within a group."""
    known = {item.name: told for item, told in _own(of)}
    found = [key for key in data if key not in known]
    for key, told in known.items():
        if isinstance(told, Setting) or not data.get(key):
            continue
        items: list[Any] = data[key] if told.many else [data[key]]
        found += (f"{key}.{inner}" for item in items for inner in unknown_names(told.of, item))
    return found


def flat_json(of: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """`packed` on one level, without pictures: `init.strength` is just `strength`. What is left open is left out; a
    switch is always told."""
    found: dict[str, Any] = {}
    for one in fields_of(of):
        holder = data.get(one.group) if one.group else data
        if one.switch:
            found[one.name] = isinstance(holder, Mapping)
            continue
        value = holder.get(one.attribute) if isinstance(holder, Mapping) and not one.is_picture else None
        if value is not None:
            found[one.name] = value
    return found
