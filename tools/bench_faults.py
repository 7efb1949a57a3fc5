"""`python -m tools.bench faults`: the program killed at random moments, and thousands of pictures in a row."""

from __future__ import annotations

import argparse
import random
from typing import Any

from tools.kills import provoked
from tools.soak import soaked


def add_fault_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kills", type=int, default=200)
    command.add_argument("--builtin-kills", type=int, default=None, help="of them; an eighth when left out")
    command.add_argument("--pictures", type=int, default=2000, help="of the soak on the fake engine")
    command.add_argument("--builtin-pictures", type=int, default=200)
    command.add_argument("--seed", type=int, default=1)


def bench_faults(arguments: argparse.Namespace) -> dict[str, Any]:
    real = arguments.kills // 8 if arguments.builtin_kills is None else arguments.builtin_kills
    found: dict[str, Any] = {}
    choose = random.Random(arguments.seed)
    for engine, kills in (("fake", arguments.kills - real), ("builtin", real)):
        if kills > 0:
            found[f"kills, {engine}"] = provoked(kills, engine, choose.randrange(2**32))
    for engine, pictures in (("fake", arguments.pictures), ("builtin", arguments.builtin_pictures)):
        if pictures > 0:
            found[f"soak, {engine}"] = soaked(engine, pictures)
    return found
