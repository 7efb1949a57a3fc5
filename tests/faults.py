"""Everything that has gone wrong in programs like this one, and attacks on them: each has a test that provokes it.

A test says which it provokes by `@pytest.mark.fault(7)` or `@pytest.mark.attack(3, 4)`; `python -m tests --faults` runs
these and prints what holds.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

Kind = Literal["fault", "attack"]
KINDS: tuple[Kind, ...] = ("fault", "attack")
Key = tuple[str, int]
PROPERTY = "provokes"  # of a report


@dataclass(frozen=True, slots=True)
class Fault:
    """`card`: what happens on a real graphics card; the tests without one put something in its place."""

    name: str
    card: bool = False


FAULTS: dict[int, Fault] = {
    1: Fault("no memory left while denoising", card=True),
    2: Fault("no memory left while decoding", card=True),
    3: Fault("a driver that moves what does not fit to main memory", card=True),
    4: Fault("numbers that are not finite, a black picture", card=True),
    5: Fault("the disk is full while a picture is saved"),
    6: Fault("the output folder is gone or cannot be written"),
    7: Fault("killed while a picture is saved"),
    8: Fault("the power fails"),
    9: Fault("the program dies in the middle of a job"),
    10: Fault("a model is deleted or replaced while the program runs"),
    11: Fault("a model file cut short or damaged"),
    12: Fault("a model file with other bytes, of the same size and time"),
    13: Fault("a model file that is a program"),
    14: Fault("a LoRA made for another family"),
    15: Fault("the page is loaded anew or closed during a job"),
    16: Fault("two pages at once"),
    17: Fault("five hundred jobs in the queue, and ten thousand"),
    18: Fault("a prompt of a hundred thousand characters"),
    19: Fault("control characters, NUL and half a character"),
    20: Fault("emoji and texts from right to left"),
    21: Fault("a prompt that would be a path or a device"),
    22: Fault("a small file that unpacks to a huge picture"),
    23: Fault("metadata that is huge or leads round in circles"),
    24: Fault("pictures of every colour mode, and animations"),
    25: Fault("pictures of sixteen bits"),
    26: Fault("a mask that is empty or of another size"),
    27: Fault("a seed that is none"),
    28: Fault("a size that no model draws"),
    29: Fault("numbers out of every bound"),
    30: Fault("links among models and pictures"),
    31: Fault("another site's page speaks to this one"),
    32: Fault("other machines reach the page"),
    33: Fault("the clock goes back"),
    34: Fault("the device or its process is lost", card=True),
    35: Fault("two programs on one folder"),
    36: Fault("uploads that nobody takes away"),
}

ATTACKS: dict[int, Fault] = {
    1: Fault("another name for this machine (DNS rebinding)"),
    2: Fault("a form that another site posts here, also from an origin called null"),
    3: Fault("a WebSocket that another site opens"),
    4: Fault("an address here that leads the browser elsewhere"),
    5: Fault("a name to save under that is a path"),
    6: Fault("a script in the name of a model file"),
    7: Fault("a pickle that runs when it is opened"),
    8: Fault("an uploaded pickle, to be opened by a job"),
    9: Fault("a path in place of a picture's id, and files that run when they are shown"),
    10: Fault("code or settings installed over the page's routes"),
    11: Fault("an upload that writes over the program"),
    12: Fault("code that lies beside a model"),
    13: Fault("a model to be fetched from an address"),
    14: Fault("files deleted or packed outside the archive"),
    15: Fault("an address that the program is to open for another"),
    16: Fault("any file of the machine read over the file routes"),
    17: Fault("an address in a file that a page sends"),
    18: Fault("libraries with known holes, pages shared to the world"),
    19: Fault("pickles that scanners take for harmless"),
    20: Fault("pickles that get past the library's own safe mode"),
    21: Fault("a model folder that names code to be loaded"),
    22: Fault("a safetensors header that lies or floods"),
    23: Fault("file types whose decoders are seldom used"),
    24: Fault("a service for other machines that asks nobody who they are"),
    25: Fault("nonsense in a request that the library takes in silence"),
    26: Fault("a flipped byte of a format without a checksum"),
    27: Fault("killed between two writes of one save"),
}

LISTS: dict[str, dict[int, Fault]] = {"fault": FAULTS, "attack": ATTACKS}

# what has no test yet, and why; empty when all is done
PENDING: dict[Key, str] = {}


def marked(folder: Path) -> dict[Key, list[str]]:
    """Which test functions provoke what, read from the files' text: `file::test`."""
    found: dict[Key, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for key in _keys(node):
                    found[key].append(f"{path.relative_to(folder).as_posix()}::{node.name}")
    return dict(found)


def _keys(test: ast.FunctionDef) -> Iterator[Key]:
    for one in test.decorator_list:
        if isinstance(one, ast.Call):
            _, _, kind = ast.unparse(one.func).rpartition("pytest.mark.")
            if kind in KINDS:
                yield from ((kind, ast.literal_eval(number)) for number in one.args)


class Table:
    """A plugin of pytest: notes how the marked tests end and prints a line for each fault and attack."""

    def __init__(self) -> None:
        self._ends: dict[Key, dict[str, str]] = defaultdict(dict)  # test -> how its worst case ended

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        keys = [(mark.name, number) for kind in KINDS for mark in item.iter_markers(kind) for number in mark.args]
        item.user_properties.append((PROPERTY, keys))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.partition("[")[0].removeprefix("tests/")
            for kind, number in dict(report.user_properties).get(PROPERTY, ()):
                ends = self._ends[kind, number]
                ends[name] = min(ends.get(name, "skipped"), report.outcome)  # failed < passed < skipped

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("faults and attacks")
        for line in lines(self._ends):
            terminalreporter.write_line(line)


def lines(ends: Mapping[Key, Mapping[str, str]]) -> Iterator[str]:
    """Number, name, whether it holds, its tests; then how many of how many."""
    for kind, listed in LISTS.items():
        held = 0
        for number, one in listed.items():
            tests = ends.get((kind, number), {})
            verdict = _verdict((kind, number), one, tests)
            held += verdict.startswith("held")
            yield f"{kind:6} {number:2}  {verdict:28} {one.name}"
            yield from (f"           {end:8} {name}" for name, end in tests.items())
        yield f"{kind}s held: {held} of {len(listed)}"


def _verdict(key: Key, fault: Fault, tests: Mapping[str, str]) -> str:
    ended = set(tests.values())
    if "failed" in ended:
        return "NOT HELD"
    if "passed" in ended:
        return "held (no card: in its place)" if fault.card and not _on_card() else "held"
    if key in PENDING:
        return "being built"
    if not ended:
        return "no test was run"
    return "needs a card" if fault.card else "left out here"


def _on_card() -> bool:
    torch = sys.modules.get("torch")  # no test of a card ran without it
    return torch is not None and bool(torch.cuda.is_available())
