"""The command `upscale`: makes pictures larger."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipelines.fields import fields_of
from pipelines.groups import Upscale

_FIELDS = {one.attribute: one for one in fields_of(Upscale)}
_TOLD = {
    "by": (float, "N", "so many times as wide and high"),
    "upscaler": (str, "NAME", "lanczos, nearest, or the name of a file in the models folder"),
    "tile": (int, "N", "pixels that a network sees at once; fewer need less memory"),
    "overlap": (int, "N", "pixels that neighbouring tiles share"),
}


def add(commands: Any) -> argparse.ArgumentParser:
    """To the command line's commands."""
    command: argparse.ArgumentParser = commands.add_parser("upscale", help="make pictures larger")
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a picture, or a folder of pictures")
    for name, (kind, metavar, told) in _TOLD.items():
        default = _FIELDS[name].default
        command.add_argument(f"--{name}", type=kind, metavar=metavar, default=default, help=f"{told}; {default}")
    command.add_argument("--json", action="store_true", help="one JSON line a picture on stdout, nothing else")
    return command


def wanted(options: argparse.Namespace) -> dict[str, Any]:
    """What differs in `Upscale`."""
    return {name: getattr(options, name) for name in _TOLD}
