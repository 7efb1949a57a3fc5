"""What the history answers with."""

from __future__ import annotations

from dataclasses import dataclass

from webui.archive.entries import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Entries in order, and where the next page begins: None at the end."""

    entries: tuple[Entry, ...]
    after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facets:
    """What there is to filter by, each with its number of pictures, most first."""

    models: tuple[tuple[str, int], ...]
    samplers: tuple[tuple[str, int], ...]
    tasks: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[tuple[int, int], int], ...]
    tags: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Pictures this one was made from (several when copies exist), and those made from it."""

    parents: tuple[Entry, ...]
    children: tuple[Entry, ...]
