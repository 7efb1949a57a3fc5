"""How far the loading of a model is: which part is read, and what share of the bytes came before it."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.errors import ModelError
from pipelines.models.files.anatomy import parts_of
from pipelines.types import ModelInfo

OnStage = Callable[[str, int], None]  # stage as `Progress` has it, percent; may raise Cancelled
OnPart = Callable[[str], None]  # a part, by its name in a diffusers folder, is read next
_LEFT = ("ema", "other")  # never read


def unheard(*_: object) -> None:
    """Where nobody wants to know."""


def by_part(info: ModelInfo, on_stage: OnStage) -> OnPart:
    """Tells the stage `loading PART` with the percentage of the bytes that are read by then."""
    try:
        sizes = {part.name: part.bytes for part in parts_of(info) if part.name not in _LEFT}
    except (ModelError, OSError):  # reading it will say so
        sizes = {}
    total, done = max(1, sum(sizes.values())), 0

    def begin(part: str) -> None:
        nonlocal done
        on_stage(f"loading {part}", 100 * done // total)
        done += sizes.get(part, 0)

    return begin
