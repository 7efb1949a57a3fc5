"""The whole library, opened once and handed down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from webui.library.presets import Preset, load
from webui.library.saved import SavedPresets
from webui.library.wildcard_lists import WildcardFolder, word_lists
from webui.library.words import Category, load_words


@dataclass(frozen=True, kw_only=True)
class Library:
    """`saved` and `wildcards` notice changes on disk; the shipped rest is read once."""

    presets: tuple[Preset, ...]
    styles: tuple[Preset, ...]
    categories: tuple[Category, ...]
    saved: SavedPresets
    wildcards: WildcardFolder


def open_library(folder: Path, user: Path | None = None) -> Library:
    """`folder` is the project's `presets/`; a person's own lie in `user`, else `folder/user`. Raises LibraryError."""
    presets, styles, categories = load(folder), load(folder / "styles"), load_words(folder / "words")
    taken = [preset.name for preset in (*presets, *styles)]
    return Library(
        presets=presets,
        styles=styles,
        categories=categories,
        saved=SavedPresets(user or folder / "user", taken=taken),
        wildcards=WildcardFolder(folder / "wildcards", word_lists(categories)),
    )
