"""What each test file is marked with, read from its text, so that nothing heavy is imported to know it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HEAVY = frozenset({"torch", "browser", "slow", "gpu", "lengthy"})  # marks that `--fast` leaves out


def marks_of(path: Path) -> set[str]:
    """The marks that a test file gives to all its tests: the names in its `pytestmark`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    values = [node.value for node in tree.body if isinstance(node, ast.Assign) and _is_mark(node.targets[0])]
    return set(_marks_in(values))


def _is_mark(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id == "pytestmark"


def _marks_in(values: list[ast.expr]) -> Iterator[str]:
    """`pytest.mark.NAME`, called or not, alone or in a list."""
    for value in values:
        for node in ast.walk(value):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark":
                yield node.attr
