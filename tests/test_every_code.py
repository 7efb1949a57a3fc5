"""Every code that the program tells has its words in both languages, with values that are really given, and nothing
else has. Read from the source itself: a code that no test happens to raise is found too."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import ROOT
from webui.words import LANGUAGES, SENTENCES, WORDS

WORDS_FOLDER = ROOT / "webui" / "words"
# Made of a table's key: all that stand there must have words. `Note(f"noun_{kind}")` is `noun_` and every kind of file.
FAMILIES = {
    "noun_": {key.removeprefix("kind_") for key in (*WORDS, "kind_lora", "kind_lycoris", "kind_vae", "kind_controlnet")
              if key.startswith("kind_")} - {"ab", "ablation", "order", "symbols", "weights", "isolation", "grid"}
             - {"pickle", "unknown"},
    "type_": {"int", "float", "str", "bool", "dict", "object"},  # of JSON, as Python calls them
    # of a file in a record
    "role_": {"model", "refiner", "vae", "lora", "embedding", "upscaler", "control", "reference", "encoder",
              "detector"},
    "the_": {"text_encoder", "vae"},  # what a checkpoint must have
}  # fmt: skip
# Calls that are handed a code by name: the function, which of its arguments, and the values that it adds.
HANDED_ON = {"fit_errors": (1, {"name", "problem"})}
# Where a code stands in a table beside the call: file -> the values that the call gives.
TABLES = {
    "webui/archive/files.py": ({"folder_full", "folder_closed", "folder_gone", "folder_path_too_long"}, {"folder"}),
    "webui/proof/badges.py": ({"proof_identical_when", "proof_differs_when", "proof_cannot_when"}, {"day", "on"}),
}
# Codes that are only handed on: kept by the job table, sent by a process, told by another function.
PASSED_ON = {"PLAIN", "code"}
# Names of things and joints of other notes: the same in Chinese.
SAME = {
    "lab_beside",
    "lab_level",
    "lab_of_factor",
    "lab_field",
    "library_place",
    "inside",
    "missing_file",
    "missing_lora",
    "form_field",
    "model_unusable",
    "of_model",
}
SAME |= {"file_broken", "the_vae", "role_vae", "role_lora", "role_embedding"}
SAME |= {f"noun_{kind}" for kind in ("lora", "lycoris", "vae", "controlnet")}


@dataclass(frozen=True)
class Site:
    """A place that tells `code`. `values`: the names it gives; None when they come from elsewhere."""

    code: str
    values: frozenset[str] | None
    place: str


def sources() -> dict[str, ast.Module]:
    paths = [path for top in ("pipelines", "webui") for path in sorted((ROOT / top).rglob("*.py"))]
    kept = [path for path in paths if WORDS_FOLDER not in path.parents]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in kept}


SOURCES = sources()


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def told_by() -> set[str]:
    """`Note`, our errors by their bases and other names, and the refusal of the process that opens pickles."""
    found = {"SeedprintError"}
    for _ in range(4):  # an error of an error of ours, likewise
        for tree in SOURCES.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and found & set(map(name_of, node.bases)):
                    found.add(node.name)
            for node in tree.body:
                if isinstance(node, ast.Assign) and name_of(node.value) in found:
                    found |= set(map(name_of, node.targets))
    assert {"InvalidRequest", "StorageError", "LibraryError", "PresetError", "Cancelled"} <= found
    return found | {"Note", "Refused"}


def calls() -> Iterator[tuple[str, ast.Call, ast.expr]]:
    """File, call, and what it gives as code."""
    telling = told_by()
    for file, tree in SOURCES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = name_of(node.func)
            if name in telling or name in HANDED_ON:
                at = HANDED_ON[name][0] if name in HANDED_ON else int(name == "InvalidRequest")
                assert node.args, f"{file}:{node.lineno}: no code"
                yield file, node, node.args[min(at, len(node.args) - 1)]


def literals(code: ast.expr) -> list[str]:
    if isinstance(code, ast.IfExp):
        return [*literals(code.body), *literals(code.orelse)]
    return [code.value] if isinstance(code, ast.Constant) and isinstance(code.value, str) else []


CALLS = list(calls())


def sites() -> list[Site]:
    found = []
    for file, call, code in CALLS:
        given = {word.arg for word in call.keywords}
        values = HANDED_ON[name_of(call.func)][1] if name_of(call.func) in HANDED_ON else given
        known = None if None in values else frozenset(value for value in values if value)
        found += [Site(one, known, f"{file}:{call.lineno}") for one in literals(code)]
    for file, (codes, values) in TABLES.items():
        strings = {node.value for node in ast.walk(SOURCES[file]) if isinstance(node, ast.Constant)}
        assert codes <= strings, f"{file}: {codes - strings} stand there no more"
        found += [Site(code, frozenset(values), file) for code in codes]
    found += [Site(prefix + key, frozenset(), prefix) for prefix, keys in FAMILIES.items() for key in keys]
    return found


SITES = sites()


def names_in(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_there_is_something_to_look_at() -> None:
    assert len(SITES) > 250
    assert len({site.code for site in SITES}) > 200


def test_every_code_has_words() -> None:
    assert sorted({(site.code, site.place) for site in SITES if site.code not in SENTENCES}) == []


def test_no_words_are_dead() -> None:
    assert sorted(SENTENCES.keys() - {site.code for site in SITES}) == []


def test_a_code_is_written_where_it_is_told() -> None:
    """No sentence, no f-string but a family's, nothing from elsewhere but what is only handed on."""
    odd = []
    for file, call, code in CALLS:
        if isinstance(code, ast.JoinedStr):
            head = code.values[0]
            fine = name_of(call.func) == "Note" and isinstance(head, ast.Constant) and head.value in FAMILIES
        elif isinstance(code, (ast.Constant, ast.IfExp)):
            fine = bool(found := literals(code)) and all(re.fullmatch(r"[a-z][a-z0-9_]*", one) for one in found)
        elif isinstance(code, ast.Attribute):
            fine = code.attr == "code"
        else:
            fine = name_of(code) in PASSED_ON or file in TABLES
        odd += [] if fine else [f"{file}:{call.lineno}: {ast.unparse(call)}"]
    assert odd == []


def test_a_name_that_hands_a_code_on_is_one_of_those_known() -> None:
    """`code` as a name: only where a table, `HANDED_ON` or the class itself explains where it comes from."""
    by_name = {file for file, _, code in CALLS if isinstance(code, ast.Name) and code.id == "code"}
    assert by_name == {"pipelines/errors.py", "pipelines/models/weights/loading.py", "webui/archive/files.py"}


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_both_languages_name_what_every_place_gives(code: str) -> None:
    english, chinese = SENTENCES[code]
    assert names_in(english) == names_in(chinese)
    for site in (site for site in SITES if site.code == code):
        if site.values is not None:
            assert names_in(english) - {"field"} <= site.values, site.place


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_each_language_is_that_language(code: str) -> None:
    english, chinese = SENTENCES[code]
    assert english.strip()
    assert not re.search(r"[\u4e00-\u9fff]", english)
    assert bool(re.search(r"[\u4e00-\u9fff]", chinese)) == (code not in SAME)


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_each_is_told_without_a_fault(code: str) -> None:
    """A value with a format is a number; every other may be anything that a note holds."""
    for place, language in enumerate(LANGUAGES):
        text = SENTENCES[code][place]
        values: dict[str, object] = {}
        for _, name, form, _ in string.Formatter().parse(text):
            if name:
                assert name.isidentifier(), name
                values[name] = 1234.5 if form else f"<{name}>"
                if form and not form.endswith(("f", "g")):
                    values[name] = 1234
        told = text.format(**values)
        assert "{" not in told, language
        assert all(f"<{name}>" in told for name, value in values.items() if isinstance(value, str))


def test_nobody_reads_a_sentence() -> None:
    """Notes are told apart by codes. Below the page and beside it, no pattern looks at what `say`, `line` or `fault`
    made."""
    reading = []
    for file, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and name_of(node.func.value) == "re":
                spoken = {name_of(one.func) for one in ast.walk(node) if isinstance(one, ast.Call)}
                if spoken & {"say", "line", "fault", "translate"}:
                    reading.append(f"{file}:{node.lineno}")
    assert reading == []
    for path in WORDS_FOLDER.glob("*.py"):
        assert "import re" not in path.read_text(encoding="utf-8").splitlines(), path
