"""Styles of other programs: A1111's styles.csv, in and out, and Fooocus' lists of styles in JSON, in.

A style there is a prompt and a negative prompt; `{prompt}` marks the slot, and without one the words are appended. Our
presets always have the slot. The forms are described in docs/presets.md.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import InvalidRequest, Note
from webui.library.files import LibraryError
from webui.library.presets import SLOT, Preset, make

FILE_LIMIT = 8 * 1024 * 1024  # bytes; collections of thousands of styles exist
HEADER = ("name", "prompt", "negative_prompt")
LEGACY_PROMPT = "text"  # the header was `name,text` once

_DIVIDER = re.compile(r"-{2,}.*-{2,}|-{3,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """A row as it stands in the file."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""

    @property
    def is_comment(self) -> bool:
        """Kept in the file, never offered: `# …` and dividers such as `---- PORTRAITS ----`."""
        name = self.name.strip()
        return not name or name.startswith("#") or bool(_DIVIDER.fullmatch(name))


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What a file gave, and a sentence for each row that could not be taken."""

    presets: tuple[Preset, ...] = ()
    problems: tuple[Note, ...] = ()


def read_styles(file: Path) -> Imported:
    """A `.csv` of A1111 or a `.json` of Fooocus. Raises LibraryError when it is neither."""
    try:
        if file.stat().st_size > FILE_LIMIT:
            raise LibraryError("library_large", at=file.name, high=FILE_LIMIT // 1024)
        data = file.read_bytes()
    except OSError as error:
        raise LibraryError(
            "library_unread", at=file.name, form="a file", problem=error.strerror or str(error)
        ) from error
    parse = parse_json if file.suffix.lower() == ".json" else parse_csv
    try:
        return to_presets(parse(_decoded(data)), file.name)
    except LibraryError as error:
        values = {**error.note.values, "at": f"{file.name}{error.note.values['at']}"}
        raise LibraryError(error.note.code, **values) from error


def parse_csv(text: str) -> tuple[tuple[int, Style], ...]:
    """Line and style of each row, comments and dividers too. Raises LibraryError."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), skipinitialspace=True, strict=False)
    rows: list[tuple[int, Style]] = []
    columns: dict[str, int] = {}
    start = 1
    try:
        for cells in reader:
            if cells and not columns:
                columns = _columns(cells)
            elif cells:
                rows.append((start, Style(**{key: cells[at] for key, at in columns.items() if at < len(cells)})))
            start = reader.line_num + 1
    except csv.Error as error:
        raise LibraryError("library_place", at=f":{reader.line_num}", problem=str(error)) from error
    if not columns:
        raise LibraryError("library_header", at=":1", header=",".join(HEADER), value="")
    return tuple(rows)


def parse_json(text: str) -> tuple[tuple[int, Style], ...]:
    """Place in the list (from 1) and style. Other keys of an entry are left out. Raises LibraryError."""
    try:
        data = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise LibraryError("library_place", at=f":{error.lineno}", problem=error.msg) from error
    except (ValueError, RecursionError) as error:
        raise LibraryError("library_json", at=":1") from error
    if not isinstance(data, list):
        raise LibraryError("library_styles", at=":1", value=type(data).__name__)
    return tuple((place, _json_style(item, place)) for place, item in enumerate(data, 1))


def to_presets(styles: Iterable[tuple[int, Style]], source: str = "") -> Imported:
    """Presets with the slot in both prompts. Names that are there already get a number, as no style may be lost."""
    presets: dict[str, Preset] = {}
    problems: list[Note] = []
    for line, style in styles:
        if style.is_comment:
            continue
        at = f"{source}:{line}"
        name = _free(" ".join(style.name.split()), presets)
        words = {key: getattr(style, key) for key in ("prompt", "negative_prompt")}
        fields = {key: _with_slot(text) for key, text in words.items() if text.strip()}
        try:
            presets[name.casefold()] = make({"name": name, "name_zh": name, **fields}, at, "imported")
        except LibraryError as error:
            problems.append(error.told)
    return Imported(presets=tuple(presets.values()), problems=tuple(problems))


def to_csv(styles: Iterable[Style]) -> bytes:
    """The file as A1111 writes it: UTF-8 with BOM, its header, every row ended by CR LF."""
    rows = [HEADER, *((style.name, style.prompt, style.negative_prompt) for style in styles)]
    lines = [",".join(map(_cell, row)) + "\r\n" for row in rows]
    return b"\xef\xbb\xbf" + "".join(lines).encode()


def from_preset(preset: Preset) -> Style:
    """The words of a preset; other settings have no place in a style. Raises InvalidRequest without slot."""
    texts = {key: str(preset.fields.get(key, "")) for key in ("prompt", "negative_prompt")}
    for key, text in texts.items():
        if text.strip() and SLOT not in text:  # A1111 would append it to the words instead of replacing them
            raise InvalidRequest(key, "style_slot", slot=SLOT, value=text)
    return Style(
        name=preset.name, prompt=_without_slot(texts["prompt"]), negative_prompt=_without_slot(texts["negative_prompt"])
    )


def _decoded(data: bytes) -> str:
    """UTF-8, or what spreadsheets make of it: UTF-16 with its mark."""
    try:
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LibraryError("library_utf8", at="", problem=error.reason, byte=error.start) from error


def _columns(cells: list[str]) -> dict[str, int]:
    """Field -> column. The order is the file's, and extra columns are left alone."""
    names = [cell.strip().lower() for cell in cells]
    columns = {key: names.index(key) for key in HEADER if key in names}
    if "prompt" not in columns and LEGACY_PROMPT in names:
        columns["prompt"] = names.index(LEGACY_PROMPT)
    if "name" not in columns or "prompt" not in columns:
        raise LibraryError("library_header", at=":1", header=",".join(HEADER), value=",".join(cells)[:80])
    return columns


def _json_style(item: Any, place: int) -> Style:
    if not isinstance(item, dict):
        raise LibraryError("library_style", at="", place=place, value=type(item).__name__)
    texts = {key: item.get(key) or "" for key in HEADER}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise LibraryError("library_style_text", at="", place=place, key=key, value=type(value).__name__)
    if not texts["name"].strip():
        raise LibraryError("library_style_name", at="", place=place)
    return Style(**texts)


def _free(name: str, taken: dict[str, Preset]) -> str:
    names = (name, *(f"{name} {number}" for number in range(2, 100_000)))
    return next(one for one in names if one.casefold() not in taken)


def _with_slot(text: str) -> str:
    return text if SLOT in text else f"{SLOT}, {text.strip()}"


def _without_slot(text: str) -> str:
    """`{prompt}, words` is what `words` alone means there."""
    rest = text.removeprefix(f"{SLOT}, ")
    return rest if rest != text and SLOT not in rest and rest == rest.strip() and rest else text


def _cell(text: str) -> str:
    """Not csv.writer, which before Python 3.13 leaves leading spaces bare: readers that skip those would lose them."""
    if text[:1] == " " or any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
