"""A request's fields are written once: what is derived from them, field by field. The walk through every face is in
tests/test_every_field.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from pipelines import fields, kinds
from pipelines.errors import InvalidRequest
from pipelines.fields import fields_of
from pipelines.kinds import Choice, Flag, Name, Number, Picture, Ratios, Regions, Text, Whole
from pipelines.types import REQUEST_FIELDS, GenerationRequest
from tests.refusals import refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """Stands for what is to come: a group with a picture, of which there may be many."""

    map: Image.Image = fields.setting(fields.REQUIRED, kinds.picture("RGB"))
    weight: float = fields.setting(1.0, kinds.number(0, 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Second:
    """A group that needs nothing to be there."""

    scale: float = fields.setting(2.0, kinds.number(1, 4))

    def __post_init__(self) -> None:
        fields.check(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    steps: int = fields.setting(20, kinds.whole(1, 150, step=1))
    second: Second | None = fields.group(Second)
    controls: tuple[Control, ...] = fields.group(Control, many=True)

    def __post_init__(self) -> None:
        fields.check(self)


def keeper() -> tuple[list[Image.Image], fields.Put, fields.Get]:
    kept: list[Image.Image] = []

    def put(image: Image.Image) -> int:
        kept.append(image)
        return len(kept) - 1

    return kept, put, lambda place, _mode: kept[place]


def test_any_number_of_pictures_goes_to_json_and_back() -> None:
    maps = [Image.new("RGB", (2, 2), colour) for colour in ("red", "green", "blue")]
    wish = Wish(second=Second(scale=3.0), controls=tuple(Control(map=one, weight=0.5) for one in maps))
    kept, put, get = keeper()
    data = fields.packed(wish, put)
    assert data["controls"] == [{"map": place, "weight": 0.5} for place in range(3)]
    assert kept == maps
    assert fields.unpacked(Wish, data, get) == wish


def test_what_a_later_version_wrote_is_named_and_left_out() -> None:
    _, put, get = keeper()
    data = fields.packed(Wish(controls=(Control(map=Image.new("RGB", (1, 1))),)), put)
    data["film"], data["controls"][0]["mode"] = True, "canny"
    assert fields.unknown_names(Wish, data) == ["film", "controls.mode"]
    assert fields.unpacked(Wish, data, get).controls[0].weight == 1.0


@pytest.mark.parametrize(
    ("data", "field", "code"),
    [
        ({"steps": "20"}, "steps", "wrong_type"),
        ({"steps": True}, "steps", "wrong_type"),
        ({"steps": 2**63}, "steps", "number_too_large"),
        ({"steps": 0}, "steps", "whole_number"),
        ({"second": []}, "second", "wrong_type"),
        ({"second": True}, "second", "wrong_type"),
        ({"second": {"scale": "3"}}, "scale", "wrong_type"),
        ({"second": {"scale": 99}}, "scale", "number"),
        ({"controls": {}}, "map", "missing"),
        ({"controls": [1]}, "controls", "wrong_type"),
        ({"controls": [{"weight": 1}]}, "map", "missing"),
    ],
)
def test_bad_json_is_refused_at_its_field(data: dict[str, Any], field: str, code: str) -> None:
    with refused(field, code):
        fields.unpacked(Wish, data, lambda place, mode: Image.new(mode, (1, 1)))


def test_a_group_that_needs_nothing_has_a_switch_before_its_fields() -> None:
    assert [(one.name, one.group, one.switch) for one in fields_of(Wish)] == [
        ("steps", "", False),
        ("second", "second", True),
        ("scale", "second", False),
    ]
    switch = fields_of(Wish)[1]
    assert isinstance(switch.kind, Flag)
    assert switch.default is False
    assert fields.switch_of(Wish, "second") is switch


def test_the_groups_of_a_request_that_need_a_picture_have_none() -> None:
    """Whether they are there the picture says, as before there were switches."""
    assert [fields.switch_of(GenerationRequest, name) for name in ("init", "inpaint", "")] == [None] * 3


def test_a_switch_builds_its_group_or_drops_what_is_said_of_it() -> None:
    assert fields.build(Wish, {"steps": 5, "scale": 3}) == Wish(steps=5)
    assert fields.build(Wish, {"second": False, "scale": 99}) == Wish()
    assert fields.build(Wish, {"second": True}) == Wish(second=Second())
    assert fields.build(Wish, {"second": True, "scale": 3}) == Wish(second=Second(scale=3))


@pytest.mark.parametrize("value", [1, 0, None, "true", {}, []])
def test_a_switch_is_true_or_false(value: object) -> None:
    with refused("second", "flag"):
        fields.build(Wish, {"second": value})
    with refused("second", "flag"):
        fields.changed(Wish(), "second", value)


def test_what_is_said_of_a_group_that_is_off_is_still_checked_where_it_is_kept() -> None:
    fields.check_values(Wish, {"second": False, "scale": 3})
    with refused("scale", "number"):
        fields.check_values(Wish, {"second": False, "scale": 99})


@pytest.mark.parametrize("wish", [Wish(steps=5), Wish(second=Second()), Wish(second=Second(scale=3))])
def test_a_switch_is_told_flat_and_built_again(wish: Wish) -> None:
    told = fields.flat(wish)
    assert told["second"] is (wish.second is not None)
    assert ("scale" in told) is (wish.second is not None)
    assert fields.build(Wish, told) == wish
    _, put, get = keeper()
    data = fields.packed(wish, put)
    assert data["second"] == (None if wish.second is None else {"scale": wish.second.scale})
    assert fields.unpacked(Wish, data, get) == wish
    assert fields.flat_json(Wish, data) == told


def test_what_was_kept_before_there_was_such_a_group_has_it_off() -> None:
    assert fields.flat_json(Wish, {"steps": 5}) == {"steps": 5, "second": False}
    assert fields.unpacked(Wish, {"steps": 5}, keeper()[2]) == Wish(steps=5)


def test_a_switch_is_changed_and_keeps_what_is_there() -> None:
    there = Wish(second=Second(scale=3))
    assert fields.changed(Wish(), "second", True) == Wish(second=Second())
    assert fields.changed(there, "second", True) == there
    assert fields.changed(there, "second", False) == Wish()
    assert fields.changed(there, "scale", 4) == Wish(second=Second(scale=4))


def test_a_field_of_a_group_that_is_not_there_cannot_be_changed() -> None:
    with refused("second", "switched_off"):
        fields.changed(Wish(), "scale", 3)
    with refused("init_image", "picture_needed"):
        fields.changed(GenerationRequest(), "strength", 0.5)
    with refused("mask", "mask_needed"):
        fields.changed(GenerationRequest(), "mask_blur", 5)
    with pytest.raises(KeyError, match="nothing of the kind"):
        fields.changed(Wish(), "nothing of the kind", 3)


@pytest.mark.parametrize(("of", "many"), [(Control, False), (Control, True), (Second, True)])
def test_only_a_group_that_needs_nothing_has_a_switch_to_tell_of(of: type, many: bool) -> None:
    with pytest.raises(TypeError, match="a group has a switch where it needs nothing"):
        fields.group(of, many=many, per_model="form")


def test_what_a_model_settles_for_each_request_can_be_left_open() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Closed:
        second: Second | None = fields.group(Second, per_model="always")
        steps: int = fields.setting(20, kinds.whole(1, 150), per_model="always")

    with pytest.raises(TypeError, match="may be left open"):
        fields_of(Closed)


def test_two_fields_of_one_name_are_a_mistake() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Twice:
        scale: int = fields.setting(1, kinds.whole(1, 2))
        second: Second | None = fields.group(Second)

    with pytest.raises(TypeError, match="two fields of one name"):
        fields_of(Twice)


OUTSIDE: dict[type, Any] = {
    Whole: lambda kind: [
        kind.low - kind.step,
        kind.high + kind.step,
        kind.low + 0.5,
        "7",
        True,
        None,
        math.nan,
        10**400,
    ],
    Number: lambda kind: [kind.low - 0.01, kind.high + 0.01, math.nan, math.inf, -math.inf, "7", True, 10**400],
    Choice: lambda kind: ["", "nothing of the kind", kind.choices[0].upper() + " ", 3, None, []],
    Flag: lambda kind: [0, 1, "true", None],
    Regions: lambda kind: [
        None,
        3,
        "1,2,3",
        "0,0,0,4",
        "-1,0,4,4",
        "a,b,c,d",
        "nan,0,1,1",
        "; ".join(["0,0,1,1"] * 33),
    ],
    Ratios: lambda kind: [None, 3, "", "1", "1:1:1:1:1", "1:0", "1:-1", "1:nan", "1:1001", "a:b", "1,1"],
    Text: lambda kind: [None, 3, b"a", "\0", "\ud800", "x" * (kinds.TEXT_LIMIT + 1)],
    Name: lambda kind: ["", None, 3],
    Picture: lambda kind: [None, "a.png", Image.new("RGBA", (1, 1))],
}


@pytest.mark.parametrize("one", REQUEST_FIELDS, ids=lambda one: one.name)
def test_every_field_refuses_what_is_outside_and_names_itself(one: fields.Field) -> None:
    for value in OUTSIDE[type(one.kind)](one.kind):
        if value is None and one.optional:
            assert one.accepts(value)
            continue
        with pytest.raises(InvalidRequest) as caught:
            one.check(value)
        assert caught.value.field == one.name


@pytest.mark.parametrize("one", [one for one in REQUEST_FIELDS if not one.is_picture], ids=lambda one: one.name)
def test_every_default_is_allowed_and_goes_to_text_and_back(one: fields.Field) -> None:
    one.check(one.default)
    if one.default is not None:
        assert one.kind.read(one.kind.write(one.default)) == one.default


def test_the_request_has_every_attribute_as_a_field_or_a_group() -> None:
    """Nobody adds an attribute beside the table."""
    import dataclasses

    for of in (GenerationRequest, *(group.of for group in fields.groups_of(GenerationRequest).values())):
        told = {one.attribute for one in fields_of(of) if not one.group} | set(fields.groups_of(of))
        assert {item.name for item in dataclasses.fields(of)} == told


@pytest.mark.parametrize("value", ["\ud800", "a\udfff" * 100, ["\ud800"]], ids=ascii)
def test_a_value_that_is_told_can_be_sent(value: object) -> None:
    assert kinds.shown(value).encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbered:
    """Two groups of one kind."""

    weight: float = fields.setting(1.0, kinds.number(0, 2))
    control_1: Second | None = fields.group(Second, numbered=True)
    control_2: Second | None = fields.group(Second, numbered=True)


def test_groups_of_one_kind_are_told_apart_by_their_slots() -> None:
    assert [one.name for one in fields_of(Numbered)] == [
        *("weight", "control_1", "control_1_scale", "control_2", "control_2_scale"),
    ]
    built = fields.build(Numbered, {"control_2": True, "control_2_scale": 3.0})
    assert fields.there(built, Second) == {"control_2": Second(scale=3.0)}
    assert fields.build(Numbered, fields.flat(built)) == built
    assert fields.changed(built, "control_2_scale", 4.0).control_2 == Second(scale=4.0)


def test_what_is_wrong_within_one_of_several_is_told_of_it() -> None:
    built = Numbered(control_2=Second())
    for wrong in (
        lambda: fields.build(Numbered, {"control_2": True, "control_2_scale": 9.0}),
        lambda: fields.changed(built, "control_2_scale", 9.0),
        lambda: fields.unpacked(Numbered, {"control_2": {"scale": 9.0}}, fields.no_picture),
    ):
        with pytest.raises(InvalidRequest) as caught:
            wrong()
        assert caught.value.field == "control_2_scale"
