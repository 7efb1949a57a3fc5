"""An operating system that fails, or kills the program, at the k-th file operation.

Run as a program it saves images into a folder, notes them in the index, and dies:
`python -m tests.archive.faulty FOLDER before|after|index`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.groups import InitImage
from pipelines.types import GenerationRequest
from tests.archive.helpers import NOON, results, tiles
from webui.archive import files, numbers, store
from webui.archive.history import History
from webui.archive.store import ImageStore, SavedImage

INSTRUCTIONS = 12  # of SQLite's machine between two places where it may be killed
COUNTED = {"mkdir", "open", "write", "fsync", "close", "link", "rename", "unlink", "scandir", "stat"}


class FaultyOs:
    """Stands for `os` in the archive's modules. `fault` is called before or after the k-th operation (from 1)."""

    def __init__(self, k: int, fault: Callable[[], None], *, after: bool = False) -> None:
        self.calls: list[str] = []
        self._k, self._fault, self._after = k, fault, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._wrapped(name, real) if name in COUNTED else real

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            hit = len(self.calls) == self._k
            if hit and not self._after and name != "close":
                if name == "write":  # a disk that fills up takes the first half
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                self._fault()
            if name == "write":  # writes may always be short
                arguments = (arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2 + 1])
            value = real(*arguments, **named)
            if hit:
                if name == "scandir":
                    value.close()
                self._fault()
            return value

        return call


class Killer:
    """Called every so often; the k-th call is the last."""

    def __init__(self, k: int) -> None:
        self._left = k

    def __call__(self) -> int:
        self._left -= 1
        if not self._left:
            os._exit(9)
        return 0  # go on


def request() -> GenerationRequest:
    from PIL import Image

    picture = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    return GenerationRequest(
        prompt="a red star", seed=7, batch_size=2, steps=2, width=64, height=64, init=InitImage(image=picture)
    )


def save_all(root: Path, note: Callable[[SavedImage], None] = lambda _: None) -> list[Path]:
    """Two images and their grid, each noted as soon as it is saved."""
    archive = ImageStore(root, clock=lambda: NOON)
    made = results(request())
    saved: list[SavedImage] = []
    for result in made:
        saved.append(archive.save(result))
        note(saved[-1])
    grid = archive.save_grid(made[0], tiles(made), beside=saved[0])
    assert grid is not None
    note(grid)
    return [entry.path for entry in [*saved, grid]]


def index_of(root: Path) -> Path:
    return root.with_suffix(".sqlite")


def main(folder: str, when: str) -> None:
    """Forks one child for each k; each dies at its k-th operation, in a folder of its own. Ends when one does not.

    Operations: of files, or (`index`) every so many instructions that SQLite works through."""
    k = 0
    while True:
        k += 1
        root = Path(folder) / f"{k:03d}"
        child = os.fork()
        if child == 0:
            root.mkdir()
            history = History(index_of(root), root)
            if when == "index":
                history._database.set_progress_handler(Killer(k), INSTRUCTIONS)
            else:
                faulty = FaultyOs(k, lambda: os._exit(9), after=when == "after")
                files.os = store.os = numbers.os = faulty  # type: ignore[attr-defined]
            save_all(root, history.add)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != 9:
            print(k - 1, os.waitstatus_to_exitcode(status))
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
