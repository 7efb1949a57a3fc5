"""The command `index`: makes the index of the outputs folder again from its files. The page may be open meanwhile."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from pipelines.errors import InvalidRequest
from webui.kept.settings import Settings


def add(commands: Any) -> None:
    """To the command line's commands."""
    index = commands.add_parser("index", help="make the history's index again from the files; stars and tags stay")
    index.add_argument("--output-dir", type=Path, help="where the pictures are; default: outputs beside app.py")
    index.add_argument("--data-dir", type=Path, help="where the index is; default: .seedprint beside app.py")
    index.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status. Raises InvalidRequest, StorageError."""
    from webui.archive.history import INDEX, History

    default = Settings()
    root = (options.output_dir or default.output_dir).absolute()
    if not root.is_dir():
        raise InvalidRequest("output-dir", "folder_wanted", value=str(root))
    history = History((options.data_dir or default.data_dir).absolute() / INDEX, root)
    start = time.perf_counter()
    try:
        with _Bar() as bar:
            count = history.rebuild(bar.show)
    finally:
        history.close()
    sys.stdout.write(f"{count:,} pictures in {time.perf_counter() - start:.1f} s\n")
    return 0


class _Bar:
    """A progress bar on a terminal, else nothing."""

    def __init__(self) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

        self._bar = tqdm(unit="file", file=sys.stderr, disable=None, leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *ending: object) -> None:
        self._bar.close()

    def show(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)
