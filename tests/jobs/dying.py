"""A queue whose program is killed at its k-th operation: of files, of the job table or of the index.

`python -m tests.jobs.dying FOLDER` forks one child for each k, each with a folder of its own; it ends with the first
that outlives its run, and prints how many died."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pipelines import database
from tests.archive.faulty import FaultyOs
from tests.jobs.test_service import Harness, request
from webui.archive import files, store
from webui.jobs import trouble

_connect = sqlite3.connect
_lock = threading.Lock()


class Count:
    """Of all operations, on any thread; the last one is not done."""

    left = 0

    @classmethod
    def one(cls) -> None:
        with _lock:
            cls.left -= 1
            if cls.left == 0:
                os._exit(9)


class Dying(sqlite3.Connection):
    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:  # type: ignore[override]
        Count.one()
        return super().execute(statement, *values)


class DyingOs(FaultyOs):
    def __init__(self) -> None:
        super().__init__(-1, lambda: None)

    def _wrapped(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            Count.one()
            return real(*arguments, **named)

        return call


def run(folder: Path, k: int) -> None:
    """The program, from the moment that its queue begins."""
    trouble.FIRST = trouble.LONGEST = 0.05
    harness = Harness(folder)
    service = harness.start(run=False)
    service.submit(request(seed=7, batch_size=2))
    service.submit(request(seed=50))
    database.sqlite3.connect = lambda path, **named: _connect(path, factory=Dying, **named)  # type: ignore[attr-defined,assignment]
    Count.left = k
    files.os = store.os = DyingOs()  # type: ignore[attr-defined,assignment]
    service = harness.start()
    while service.unfinished():
        time.sleep(0.005)
    os._exit(0)


def main(folder: str) -> None:
    for k in range(1, 10_000):
        child = os.fork()
        if child == 0:
            run(Path(folder) / f"{k:04d}", k)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != 9:
            print(k - 1, os.waitstatus_to_exitcode(status))
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
