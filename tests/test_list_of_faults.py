"""The list of faults and attacks is whole: each number has a test, and no test has a number that is not listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import faults

FOUND = faults.marked(Path(__file__).parent)


@pytest.mark.parametrize("key", [(kind, number) for kind, listed in faults.LISTS.items() for number in listed], ids=str)
def test_every_fault_has_a_test(key: tuple[str, int]) -> None:
    if key in faults.PENDING:
        assert key not in FOUND, f"{key} has a test now: take it off the pending ones"
        pytest.skip(f"being built: {faults.PENDING[key]}")
    assert FOUND.get(key), f"no test provokes {key[0]} {key[1]}: {faults.LISTS[key[0]][key[1]].name}"


def test_every_mark_is_on_the_list() -> None:
    assert not [key for key in FOUND if key[1] not in faults.LISTS[key[0]]]


def test_numbers_follow_each_other() -> None:
    for listed in faults.LISTS.values():
        assert list(listed) == list(range(1, len(listed) + 1))


def test_marks_are_read_from_the_text(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "@pytest.mark.fault(3, 4)\n@pytest.mark.torch\ndef test_b(): ...\n\n@pytest.mark.attack(1)\ndef helper(): ...\n"
    )
    assert faults.marked(tmp_path) == {("fault", 3): ["test_a.py::test_b"], ("fault", 4): ["test_a.py::test_b"]}


def test_the_worst_case_of_a_test_counts() -> None:
    table = list(faults.lines({("fault", 5): {"a": "passed", "b": "failed"}, ("fault", 6): {"a": "passed"}}))
    told = {line[:9].split()[1]: line for line in table if line.startswith("fault ")}
    assert "NOT HELD" in told["5"]
    assert "held  " in told["6"]
    assert "no test was run" in told["7"]
    assert f"faults held: 1 of {len(faults.FAULTS)}" in table
