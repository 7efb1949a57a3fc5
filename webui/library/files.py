"""How the library's YAML files are read: lists and mappings in UTF-8, faults told with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import SeedprintError

FILE_LIMIT = 256 * 1024  # bytes
DEPTH_LIMIT = 20  # of lists and mappings within each other

SHOWN = 40  # characters of a value

# written in C where the wheel has it: a tenth of the time
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_LOADER):  # type: ignore[misc]
    """What looks like a number or a date and is none is told with its line."""

    file = Path()

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise LibraryError("library_scalar", at=place(self.file, node), value=str(node.value)[:SHOWN]) from error


class LibraryError(SeedprintError):
    """A file of the library breaks a rule; the message begins with file and line."""


def read_yaml(file: Path) -> tuple[Any, yaml.Node | None]:
    """The data of one file and the nodes it was made from, which know their lines. Raises LibraryError."""
    try:
        if file.stat().st_size > FILE_LIMIT:
            raise LibraryError("library_large", at=file.name, high=FILE_LIMIT // 1024)
        return parsed(file, file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        detail = str(error).partition("\n")[0]
        raise LibraryError("library_unread", at=file.name, form="YAML", problem=detail) from error


def parsed(file: Path, text: str) -> tuple[Any, yaml.Node | None]:
    """As `read_yaml`, of what would stand in the file. Raises LibraryError."""
    try:
        _check_depth(file, text)
        loader = _Loader(text)
        loader.file = file
        try:
            node = loader.get_single_node()
            if node is None:
                return None, None
            _check_nodes(file, node)
            return loader.construct_document(node), node
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise LibraryError("library_yaml", at=f"{file.name}:{line}", problem=error.problem or "") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        detail = str(error).partition("\n")[0]
        raise LibraryError("library_unread", at=file.name, form="YAML", problem=detail) from error


def place(file: Path, node: yaml.Node) -> str:
    """`file:line` of a node."""
    return _at(file, node.start_mark)


def _at(file: Path, mark: Any) -> str:
    return f"{file.name}:{mark.line + 1 if mark else 1}"


def children(node: yaml.Node | None, key: str = "") -> list[yaml.Node]:
    """The nodes of a list, or of the list under `key` of a mapping; none for anything else."""
    if isinstance(node, yaml.MappingNode) and key:
        node = next((value for name, value in node.value if name.value == key), None)
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_depth(file: Path, text: str) -> None:
    """Before anything recursive runs over it."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):  # a few lines of them can stand for gigabytes
            raise LibraryError("library_aliases", at=_at(file, event.start_mark))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_LIMIT:
            raise LibraryError("library_deep", at=_at(file, event.start_mark), high=DEPTH_LIMIT)


def _check_nodes(file: Path, root: yaml.Node) -> None:
    """YAML itself lets the second of two equal keys win in silence."""
    for mapping in _mappings(root):
        seen: set[str] = set()
        for key, _value in mapping.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise LibraryError("library_key_twice", at=place(file, key), key=key.value)
            seen.add(str(key.value))


def _mappings(root: yaml.Node) -> Iterator[yaml.MappingNode]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting += [value for _key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
