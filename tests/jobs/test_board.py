"""What changed is told, and memory does not grow with the jobs."""

from __future__ import annotations

import threading

import pytest

from pipelines.errors import Note
from webui.jobs.board import REMEMBERED, Board


def test_every_change_is_newer_than_the_one_before() -> None:
    board, seen = Board(), list[int]()
    for job in ("a", "b", "a"):
        board.touch(job)
        seen.append(board.version(job))
    assert seen == sorted(set(seen))
    assert board.version("never heard of") == 0


def test_a_warning_stays_until_another_comes() -> None:
    board = Board()
    board.touch("a", Note("slow"))
    board.touch("a")
    assert board.warning("a") == Note("slow")
    board.touch("a", Note("spilled"))
    assert board.warning("a") == Note("spilled")


@pytest.mark.fault(17)
def test_ten_thousand_jobs_take_no_more_memory_than_the_last_ones() -> None:
    board = Board()
    for number in range(10_000):
        board.touch(str(number), Note("slow"))
    assert len(board._told) == REMEMBERED
    assert board.warning("0") is None
    assert board.warning("9999") == Note("slow")


def test_who_waits_is_woken() -> None:
    board = Board()
    waiting = threading.Thread(target=board.wait, args=(lambda: board.version("a") > 0, 30))
    waiting.start()
    board.touch("a")
    waiting.join(30)
    assert not waiting.is_alive()
