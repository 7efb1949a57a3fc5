"""What to do while a disk is full, a folder gone or a database held: tell it, wait, try again. Nothing fails for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from pipelines.errors import EngineAway, Note, Unavailable
from webui.jobs.board import Board

log = logging.getLogger(__name__)
FIRST, LONGEST = 1.0, 30.0  # seconds until the next try: doubled each time
T = TypeVar("T")


class Trouble:
    """Of one thread. While it is held, the board says why."""

    def __init__(self, board: Board, elsewhere: Callable[[], bool] = lambda: False) -> None:
        """`elsewhere`: whether another device may do what an engine that is away cannot."""
        self._board, self._elsewhere = board, elsewhere

    def surely(self, act: Callable[[], T], given_up: Callable[[], bool]) -> T:
        """`act` again and again until it works. Raises what it raised, once `given_up`; and at once what no waiting
        mends."""
        wait = FIRST
        try:
            while True:
                tries = self._board.tries  # before: whoever asks while it is tried must not be missed
                try:
                    return act()
                except (Unavailable, EngineAway) as error:
                    if given_up() or (isinstance(error, EngineAway) and self._elsewhere()):
                        raise
                    log.warning("The queue waits: %s", error)
                    self._board.hold(self, error.told)
                    self._wait(tries, wait, given_up)
                    wait = min(2 * wait, LONGEST)
        finally:
            self._board.hold(self, None)

    def ask(self, why: Note, given_up: Callable[[], bool]) -> None:
        """Until a person says that it may go on."""
        tries = self._board.tries
        self._board.hold(self, why)
        try:
            self._wait(tries, None, given_up)
        finally:
            self._board.hold(self, None)

    def _wait(self, tries: int, seconds: float | None, given_up: Callable[[], bool]) -> None:
        self._board.wait(lambda: self._board.tries != tries or given_up(), seconds)
