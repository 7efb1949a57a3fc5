"""Work counted and not timed: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class TooMuch(AssertionError):
    """More calls than were allowed."""


@contextmanager
def at_most(calls: int) -> Iterator[list[int]]:
    """Ends what this thread does as soon as it has called more functions, Python's and C's; what it gives counts them.
    Work inside one C function (a regular expression) is one call."""
    count = [0]

    def called(frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            count[0] += 1
            if count[0] > calls:
                sys.setprofile(None)
                raise TooMuch(f"more than {calls:,} calls")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        yield count
    finally:
        sys.setprofile(before)


def calls_of(work: Callable[[], Any], limit: int = 50_000_000) -> int:
    """How many functions it calls."""
    with at_most(limit) as count:
        work()
    return count[0]
