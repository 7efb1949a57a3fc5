"""The files that our own components are made of, each in its component's folder, and where a browser finds them.

Scripts are ES modules, served as they lie here. Their address holds a digest of them all, so a browser keeps them for
good and asks anew once any of them has changed.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

ROOM = Path(__file__).parent


@cache
def source(place: str) -> str:
    """A file by its place in this folder, as text."""
    return (ROOM / place).read_text(encoding="utf-8")


@cache
def scripts() -> dict[str, str]:
    """Every module and the page's own style, by its place in this folder."""
    files = [*ROOM.rglob("*.js"), ROOM / "page" / "page.css"]
    places = sorted(path.relative_to(ROOM).as_posix() for path in files)
    return {place: source(place) for place in places}


@cache
def version() -> str:
    """A digest of all modules."""
    whole = hashlib.sha256()
    for place, text in scripts().items():
        whole.update(f"{place}\0{text}\0".encode())
    return whole.hexdigest()[:16]


def address(place: str) -> str:
    """Where a browser finds a module. Raises KeyError."""
    if place not in scripts():
        raise KeyError(place)
    return f"/page/{version()}/{place}"
