"""The words of `presets/words/*.yaml`: one category a file, each word in two languages with what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from webui.library.files import LibraryError, children, place, read_yaml

# The five classes that the notes behind the library sort prompts into: key -> (English, Chinese).
GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "type": ("Type", "类型"),
        "content": ("Content", "内容"),
        "style": ("Style", "风格"),
        "author": ("Author", "作者"),
        "symbol": ("Symbol", "符号"),
    }
)

_WORD_KEYS = ("word", "name_zh", "does", "does_zh")
_CATEGORY_TEXTS = ("name", "name_zh", "does", "does_zh")
_FLAGS = ("strong", "for_builtin", "things")
_CATEGORY_KEYS = (*_CATEGORY_TEXTS, "order", "group", *_FLAGS, "words")


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """`word` goes into the prompt as it stands; the rest explains it. `also_zh`: more names that a person may type."""

    word: str
    name_zh: str
    does: str
    does_zh: str
    also_zh: tuple[str, ...] = ()
    source: str = ""  # file:line


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """`strong`: its words change a picture most. `for_builtin`: exactly what the built-in model understands.
    `things`: its words name things, and do not describe."""

    key: str  # the file's stem
    order: int
    name: str
    name_zh: str
    group: str  # of GROUPS
    does: str
    does_zh: str
    words: tuple[Word, ...]
    strong: bool = False
    for_builtin: bool = False
    things: bool = False
    source: str = ""  # file:line


def load_words(folder: Path) -> tuple[Category, ...]:
    """Every category of `folder`, in its order. Raises LibraryError."""
    found = [read_category(file) for file in sorted(folder.glob("*.yaml"))]
    return tuple(sorted(found, key=lambda category: (category.order, category.key)))


def read_category(file: Path) -> Category:
    """One file. Raises LibraryError with file and line."""
    data, node = read_yaml(file)
    start = f"{file.name}:1"
    if not isinstance(data, dict) or node is None:
        raise LibraryError("library_mapping", at=start, keys=("name", "group", "words"), value=type(data).__name__)
    for key in data:
        if key not in _CATEGORY_KEYS:
            raise LibraryError("library_unknown", at=start, key=str(key), known=_CATEGORY_KEYS)
    texts: dict[str, Any] = {key: _text(data, key, start) for key in _CATEGORY_TEXTS}
    if data.get("group") not in GROUPS:
        raise LibraryError("library_group", at=start, known=tuple(GROUPS), value=repr(data.get("group")))
    order = data.get("order", 1000)
    if isinstance(order, bool) or not isinstance(order, int):
        raise LibraryError("library_order", at=start, value=repr(order))
    words = _words(data.get("words"), [(place(file, one), one) for one in children(node, "words")], start)
    flags: dict[str, Any] = {key: _flag(data, key, start) for key in _FLAGS}
    return Category(key=file.stem, order=order, group=data["group"], words=words, source=start, **texts, **flags)


def _words(data: Any, places: list[tuple[str, yaml.Node]], start: str) -> tuple[Word, ...]:
    if not isinstance(data, list) or not data:
        raise LibraryError("library_words", at=start)
    words: dict[str, Word] = {}
    for item, (at, _node) in zip(data, places, strict=True):
        if not isinstance(item, dict):
            raise LibraryError("library_mapping", at=at, keys=_WORD_KEYS, value=repr(item))
        for key in item:
            if key not in (*_WORD_KEYS, "also_zh"):
                raise LibraryError("library_unknown", at=at, key=str(key), known=(*_WORD_KEYS, "also_zh"))
        texts = {key: _text(item, key, at) for key in _WORD_KEYS}
        word = Word(**texts, also_zh=_names(item.get("also_zh", []), at), source=at)
        if word.word.casefold() in words:
            other = words[word.word.casefold()].source
            raise LibraryError("library_twice", at=at, name=word.word, other=other)
        words[word.word.casefold()] = word
    return tuple(words.values())


def _text(data: Mapping[str, Any], key: str, at: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        quotes = value is not None and not isinstance(value, (str, list, dict))
        raise LibraryError("library_quotes" if quotes else "library_text", at=at, key=key, value=repr(value))
    return value.strip()


def _names(value: Any, at: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
        raise LibraryError("library_texts", at=at, key="also_zh", value=repr(value))
    return tuple(name.strip() for name in value)


def _flag(data: Mapping[str, Any], key: str, at: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise LibraryError("library_flag", at=at, key=key, value=repr(value))
    return value
