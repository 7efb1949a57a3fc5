"""The pictures beside the one that is started from: maps that ControlNets follow, made of what a person gives (the map
alone goes into the request), and pictures to be like, which go as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.control.preprocessing import map_of
from pipelines.fields import field_of, fields_of, groups_of
from pipelines.groups import ResizeMode
from pipelines.images import fit
from pipelines.leading import Control, Reference, Unclip
from pipelines.types import GenerationRequest

if TYPE_CHECKING:
    from PIL.Image import Image

SLOTS = tuple(name for name, told in groups_of(GenerationRequest).items() if told.of is Control)
REFERENCES = tuple(name for name, told in groups_of(GenerationRequest).items() if told.of is Reference)
(VARIED,) = (name for name, told in groups_of(GenerationRequest).items() if told.of is Unclip)
MAPS = tuple(f"{slot}_map" for slot in SLOTS)  # the fields of such pictures
# of all that take a picture beside the one that is started from: its field
PICTURES = dict(zip(SLOTS, MAPS, strict=True)) | {slot: f"{slot}_picture" for slot in (*REFERENCES, VARIED)}
# of a ControlNet what its map is made by, as it is where nobody says otherwise; it counts nothing once there is a map
MAKING = {one.name: one.default for one in fields_of(Control) if one.name in ("preprocessor", "low", "high")}


def with_maps(pictures: Mapping[str, Image], settings: Mapping[str, Any]) -> dict[str, Image]:
    """A request's pictures by their fields, each that a ControlNet is to follow made into its map, as the fields of
    `settings` say. Raises InvalidRequest."""
    found = dict(pictures)
    for slot, name in zip(SLOTS, MAPS, strict=True):
        if name in pictures:
            made_for = _frame(pictures, settings)
            found[name] = _map(fit(pictures[name], *made_for), slot, settings)
    return found


def _frame(pictures: Mapping[str, Image], settings: Mapping[str, Any]) -> tuple[tuple[int, int], ResizeMode]:
    """The size of the picture that a map lies over, and how another picture comes to it: as the one that is started
    from does. What is finer than its pixels is no line of it."""
    start = pictures.get("init_image")
    if start is not None and "mask" in pictures and settings.get("only_masked") is True:
        return start.size, "crop"
    width, height = (_checked(side, settings[side]) for side in ("width", "height"))
    mode: Any = "crop" if start is None else _checked("resize_mode", settings.get("resize_mode", "crop"))
    return (width, height), mode


def _map(image: Image, slot: str, settings: Mapping[str, Any]) -> Image:
    making = [_checked(f"{slot}_{name}", settings.get(f"{slot}_{name}", default)) for name, default in MAKING.items()]
    return map_of(image, *making)


def _checked(name: str, value: Any) -> Any:
    one = field_of(GenerationRequest, name)
    assert one is not None, name
    one.check(value)
    return value
