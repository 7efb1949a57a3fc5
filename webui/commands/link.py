"""The command `link`: prints the link to the page once more, for who closed it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pipelines.errors import StorageError
from webui.kept import private
from webui.kept.settings import Settings


def add(commands: Any) -> None:
    """To the command line's commands."""
    link = commands.add_parser("link", help="print the link to the page of a program that runs")
    link.add_argument("--data-dir", type=Path, help="of that program; default: .seedprint beside app.py")
    link.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The exit status. Raises StorageError when no program runs."""
    folder = (options.data_dir or Settings().data_dir).absolute()
    found = private.links(folder)
    if not found:
        raise StorageError("not_running", folder=str(folder))
    sys.stdout.writelines(f"{one}\n" for one in found)
    return 0
