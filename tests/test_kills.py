"""A few of the kills of `python -m tools.bench faults`: nothing is lost, nothing stands twice, all is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.kills import provoked

pytestmark = pytest.mark.lengthy


@pytest.mark.fault(7, 9)
@pytest.mark.attack(27)
def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    found = provoked(10, "fake", 1, tmp_path)
    assert found["queue"] == "drained", found
    assert found["pictures asked"] > 0
    # more where a kill came between accepting a wish and saying so
    assert (found["pictures there"] >= found["pictures asked"], found["failed"]) == (True, []), found
    assert {found[name] for name in ("lost", "twice", "unreadable", "cells missing from the table")} == {0}, found
    assert found["verified identical"] == f"{found['pictures there']} of {found['pictures there']}", found
    again, of = found["made again in the queue"].split(" of ")
    assert again == of, found
    assert set(found["kills"]) <= {"page", "runner", "worker"}, found
