"""Every family of models: the `FAMILIES` of each file of this room. A new family is a new file here, and its words."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence

from pipelines.errors import Note
from pipelines.families.base import Family
from pipelines.types import BUILTIN, BUILTIN_TOKENS, ModelInfo


def _gathered() -> Mapping[str, Family]:
    found: dict[str, Family] = {}
    for module in pkgutil.iter_modules(__path__):
        for family in getattr(importlib.import_module(f"{__name__}.{module.name}"), "FAMILIES", ()):
            if family.name in found:
                raise ValueError(f"two families are called {family.name}")
            found[family.name] = family
    return found


ALL = _gathered()
BY_WIDTH = {family.text_width: family.name for family in ALL.values() if family.text_width is not None}


def of(name: str) -> Family:
    """The family of that name; of a name that nobody knows, one that cannot be run."""
    return ALL.get(name) or Family(name=name, title="" if name == "unknown" else name)


def refiners(models: Sequence[ModelInfo]) -> tuple[ModelInfo, ...]:
    """Those that may run the last steps after another model, those made for it first."""
    ranks = {name: rank for one in ALL.values() for rank, name in enumerate(one.refined_by)}
    found = [one for one in models if one.family in ranks and one.problem is None and not one.variant]
    return tuple(sorted(found, key=lambda one: ranks[one.family]))


def title_of(info: ModelInfo) -> str:
    """What people call its family and variant; "" when that is not known."""
    return of(info.family).titled(info.variant)


def called(name: str) -> str | Note:
    """What a sentence calls a family."""
    own = {BUILTIN: Note("family_builtin"), BUILTIN_TOKENS: Note("family_tokens")}
    return own.get(name) or of(name).title


def titles_of(name: str, fits: Sequence[str] = ()) -> tuple[str, ...]:
    """What people call the families that a file may be for, or its one family; () when that is not known."""
    return tuple(filter(None, (of(one).title for one in fits or (name,))))
