"""Every reader of another program's metadata is asked: a new file, or a function in one, that nobody lists is found."""

from __future__ import annotations

import ast
from pathlib import Path

from webui.archive import readers

FOLDER = Path(readers.__file__).parent
ROOM = FOLDER.parent  # `metadata.py` asks readers too


def functions(file: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]


def given(function: ast.FunctionDef) -> set[str]:
    """The names in what it is said to return."""
    return {node.id for node in ast.walk(function.returns or ast.Constant(None)) if isinstance(node, ast.Name)}


def asked(file: Path) -> set[str]:
    """`comfyui.read` for each `foreign_comfy.read` in a file that imports the module under that name."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "webui.archive.readers":
            names |= {one.asname or one.name: one.name for one in node.names}
    return {
        f"{names[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
    }


def test_every_function_that_finds_settings_is_asked() -> None:
    """A reader is a public function that gives `Findings`."""
    there = {
        f"{file.stem}.{function.name}"
        for file in FOLDER.glob("*.py")
        if file.stem != "__init__"
        for function in functions(file)
        if "Findings" in given(function) and not function.name.startswith("_")
    }
    assert {"comfyui.read", "flat.invokeai"} <= there
    assert there - asked(FOLDER / "__init__.py") - asked(ROOM / "metadata.py") == set()


def test_every_function_that_knows_a_programs_texts_is_in_the_list() -> None:
    found = functions(FOLDER / "__init__.py")
    knowing = {one.name for one in found if "Foreign" in given(one) and [a.arg for a in one.args.args] == ["texts"]}
    read = next(one for one in found if one.name == "read")
    loops = [node.iter for node in ast.walk(read) if isinstance(node, ast.For)]
    listed = {node.id for loop in loops for node in ast.walk(loop) if isinstance(node, ast.Name)}
    assert "_comfyui" in listed
    assert knowing - {"read"} == listed


def test_every_file_is_imported_in_its_room() -> None:
    """One whose reader is written otherwise too."""
    imported: set[str] = set()
    for file in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "webui.archive.readers":
                imported |= {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("webui.archive.readers."):
                imported.add(str(node.module).rpartition(".")[2])
    assert {file.stem for file in FOLDER.glob("*.py")} - {"__init__"} - imported == set()
