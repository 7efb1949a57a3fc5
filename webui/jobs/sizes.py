"""Which size suits a start picture, what becomes of the picture at a size, and what an inpaint left of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from pipelines import families
from pipelines.errors import Note
from pipelines.fields import field_of
from pipelines.kinds import Whole
from pipelines.types import GenerationRequest, ModelInfo

if TYPE_CHECKING:
    from webui.archive.inputs import InputStore
    from webui.archive.metadata import Record

Size = tuple[int, int]  # width, height in pixels

NEAR = 1.6  # times a model's native area, or a part: pictures between them are worked on as large as they are


def size_for(picture: Size, model: ModelInfo | None, current: Size | None = None) -> Size:
    """The size at which a model works on a start picture: in the picture's shape, as near as the family's step comes to
    it, and within what a request takes. As large as the picture, where that is near the model's native area; else of
    that area. `current`: what the form shows, which stays where it has the picture's shape and is near that area."""
    step = families.of(model.family if model is not None else "").side_step
    native = (model.native_size if model is not None else GenerationRequest().width) ** 2
    if current is not None and _fits(current, picture, step, native):
        return current
    area = picture[0] * picture[1]
    scale = 1.0 if native / NEAR <= area <= native * NEAR else math.sqrt(native / area)
    wanted = _within(picture[0] * scale, picture[1] * scale)
    sides = [sorted({_clamped(math.floor(side / step) * step), _clamped(math.ceil(side / step) * step)})
             for side in wanted]  # fmt: skip
    goal = wanted[0] * wanted[1]
    best = min(product(*sides), key=lambda size: (_apart(size, wanted), abs(size[0] * size[1] - goal)))
    return best[0], best[1]


def other_side(side: int, shape: tuple[float, float], model: ModelInfo | None) -> int:
    """The side that goes with this one in a shape (this side to the other one), by the family's step."""
    step = families.of(model.family if model is not None else "").side_step
    return _clamped(round(side * shape[1] / shape[0] / step) * step)


def fitting(picture: Size, size: Size, mode: str) -> Note | None:
    """What becomes of a start picture that is brought to a size; None: nothing. `mode`: of `ResizeMode`."""
    if picture == size:
        return None
    told = {"given": shown(picture), "size": shown(size)}
    wide, high = size[0] / picture[0], size[1] / picture[1]
    lost = 1 - min(wide, high) / max(wide, high)  # of the picture's area, or of the new one's
    if round(lost * 100) == 0:
        return Note("start_scaled", **told)
    if mode == "stretch":
        return Note("start_stretch", **told, percent=round((max(wide, high) / min(wide, high) - 1) * 100))
    return Note("start_pad" if mode == "pad" else "start_crop", **told, percent=round(lost * 100))


def outside(records: Iterable[Record | None], inputs: InputStore) -> Note | None:
    """How many pixels changed outside the mask, in all pictures of an inpaint together. It is said of the picture that
    was given: where that was brought to another size first, so it says. None: it is not known."""
    total, how = 0, None
    for record in records:
        count = record.facts.get("changed_outside_mask") if record is not None else None
        if record is None or not isinstance(count, int):
            return None
        total, how = total + count, how or _fitted(record.settings, inputs)
    return Note("outside", count=total) if how is None else Note("outside_of_fitted", how=how, count=total)


def shown(size: Size) -> str:
    return f"{size[0]} × {size[1]}"


def _fitted(settings: Mapping[str, Any], inputs: InputStore) -> Note | None:
    init, inpaint = settings.get("init") or {}, settings.get("inpaint") or {}
    given = inputs.size(str(init.get("image")))
    if given is None or inpaint.get("only_masked"):  # then a part of it is worked on, and laid into it again
        return None
    return fitting(given, (settings["width"], settings["height"]), str(init.get("resize_mode")))


def _bounds() -> tuple[int, int]:
    one = field_of(GenerationRequest, "width")
    assert one is not None
    assert isinstance(one.kind, Whole)
    return one.kind.low, one.kind.high


def _within(width: float, height: float) -> tuple[float, float]:
    """In the same shape, so that the longer side is allowed."""
    scale = min(1.0, _bounds()[1] / max(width, height))
    return width * scale, height * scale


def _clamped(side: int) -> int:
    low, high = _bounds()
    return max(low, min(high, side))


def _apart(size: tuple[float, ...], wanted: tuple[float, ...]) -> float:
    """How far two shapes are apart."""
    return abs(math.log(size[0] * wanted[1] / (size[1] * wanted[0])))


def _fits(current: Size, picture: Size, step: int, native: int) -> bool:
    """Whether a size has the picture's shape, but for rounding, and an area that the model is good at."""
    rounding = max(step / 2 / min(current), 0.001)
    near = native / NEAR <= current[0] * current[1] <= native * NEAR
    return near and not any(side % step for side in current) and _apart(current, picture) <= rounding
