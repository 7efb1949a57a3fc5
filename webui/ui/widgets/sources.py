"""The files that our own components are made of, each in its component's folder, and where a browser finds them.

Scripts are ES modules, served as they lie here. What every page needs of all components comes once: their styles in one
sheet, their HTML and words in one module. An address holds a digest of all that is served, so a browser keeps it for
good and asks anew once any of it has changed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any

ROOM = Path(__file__).parent
SHEET = "page.css"  # how the page and all components look
PARTS = "parts.js"  # HTML and words of all components, by their names
EVERY = "seedprint"  # the class of every component; that of one: `class_of`


@cache
def source(place: str) -> str:
    """A file by its place in this folder, as text."""
    return (ROOM / place).read_text(encoding="utf-8")


@cache
def components() -> tuple[str, ...]:
    """The names of all components of our own."""
    return tuple(sorted(path.name for path in ROOM.iterdir() if (path / f"{path.name}.html").exists()))


@cache
def scripts() -> dict[str, str]:
    """Every module, by its place in this folder."""
    places = sorted(path.relative_to(ROOM).as_posix() for path in ROOM.rglob("*.js"))
    return {place: source(place) for place in places}


@cache
def served() -> dict[str, str]:
    """All that a browser may ask for, by its place."""
    return scripts() | {SHEET: _sheet(), PARTS: _parts()}


@cache
def version() -> str:
    """A digest of all that is served."""
    whole = hashlib.sha256()
    for place, text in served().items():
        whole.update(f"{place}\0{text}\0".encode())
    return whole.hexdigest()[:16]


def address(place: str) -> str:
    """Where a browser finds what is served. Raises KeyError."""
    if place not in served():
        raise KeyError(place)
    return f"/page/{version()}/{place}"


def class_of(component: str) -> str:
    return f"{EVERY}-{component}"


def _sheet() -> str:
    """The page's own rules as they are, those of components within them only."""
    within = [_within(EVERY, _styles("shared")), *(_within(class_of(one), _styles(one)) for one in components())]
    return "\n".join([*within, _styles("page")])


def _styles(folder: str) -> str:
    places = sorted(path.relative_to(ROOM).as_posix() for path in (ROOM / folder).glob("*.css"))
    return "\n".join(source(place) for place in places)


def _within(name: str, rules: str) -> str:
    # no element has that id: it gives each rule an id's weight, so that none of Gradio's counts more
    return f".{name}, #{name} {{\n{rules}\n}}"


def _parts() -> str:
    html = {one: source(f"{one}/{one}.html") for one in components()}
    words = {one: _component(one).words for one in components()}
    return "".join(
        f"export const {name} = {json.dumps(texts, ensure_ascii=False)};\n"
        for name, texts in (("html", html), ("words", words))
    )


def _component(name: str) -> Any:
    """The class, whether or not its page was built."""
    module = importlib.import_module(f"{__package__}.{name}")
    return next(one for one in vars(module).values() if isinstance(one, type) and vars(one).get("folder") == name)
