"""The command `link`: prints the link to the page once more, for who closed it; or ends what it has opened."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pipelines.errors import StorageError
from webui.kept import private, sessions
from webui.kept.settings import Settings


def add(commands: Any) -> None:
    """To the command line's commands."""
    link = commands.add_parser("link", help="print the link to the page of a program that runs")
    link.add_argument("--data-dir", type=Path, help="of that program; default: .seedprint beside app.py")
    link.add_argument("--end-all", action="store_true", help="every browser must open the link again")
    link.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status. Raises StorageError when no program runs."""
    folder = (options.data_dir or Settings().data_dir).absolute()
    if options.end_all:
        sessions.end_all(folder)
    found = private.links(folder)
    if options.end_all and not found:
        return 0
    if not found:
        raise StorageError("not_running", folder=str(folder))
    sys.stdout.writelines(f"{one}\n" for one in found)
    return 0
