"""The values of an axis as people write them."""

import pytest

from pipelines.errors import InvalidRequest
from webui.lab.axes import Axis
from webui.lab.ranges import numbers, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-10", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
        ("1-10 (+2)", (1, 3, 5, 7, 9)),
        ("1-5(+ 2)", (1, 3, 5)),
        ("10-1 (-3)", (10, 7, 4, 1)),
        ("3-1", (3, 2, 1)),
        ("1-10 [5]", (1, 3, 6, 8, 10)),  # 1, 3.25, 5.5, 7.75, 10: halves to the even number
        ("5 - 7 [1]", (5,)),
        ("-2-1", (-2, -1, 0, 1)),
        ("-3--1", (-3, -2, -1)),
        ("20, 1-3, 2 ,", (20, 1, 2, 3)),
        ("7", (7,)),
    ],
)
def test_whole_numbers(text: str, expected: tuple[int, ...]) -> None:
    found = numbers(text, "steps", whole=True)
    assert found == expected
    assert all(type(one) is int for one in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1-0.3 (+0.1)", (0.1, 0.2, 0.3)),  # in binary, 0.1 + 0.2 would be 0.30000000000000004
        ("1-2 [3]", (1.0, 1.5, 2.0)),
        ("1.5, .5, 2.", (1.5, 0.5, 2.0)),
        ("0.5-1.2 (+0.5)", (0.5, 1.0)),
    ],
)
def test_numbers(text: str, expected: tuple[float, ...]) -> None:
    assert numbers(text, "guidance") == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "1-", "1-10 (2)", "1-10 (-1)", "10-1 (+1)", "1-10 (+0)", "1-5 [0]", "1-10000", "1-9999 [5000]", "1.5"],
)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        numbers(text, "steps", whole=True)
    assert caught.value.field == "steps"


def test_words() -> None:
    assert words('red, blue,"a, b" , red') == ("red", "blue", "a, b")
    assert words("") == ()


def test_an_axis_reads_what_its_field_needs() -> None:
    assert Axis.read("steps", "5-15 (+5)").values == (5, 10, 15)
    assert Axis.read("strength", "0.5-1 [2]").values == (0.5, 1.0)
    assert Axis.read("sampler", "Euler, DPM++ 2M").values == ("Euler", "DPM++ 2M")
    assert Axis.read("invert", "yes, no").values == (True, False)
    with pytest.raises(InvalidRequest):
        Axis.read("batch_size", "1, 2")
    with pytest.raises(InvalidRequest):
        Axis.read("steps", " ")
    with pytest.raises(InvalidRequest):
        Axis.read("invert", "perhaps")
