"""From a picture to the map that a ControlNet follows: which ways there are. No torch; numpy and what stands on it only
when one is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

# "none": the picture is a map already
PREPROCESSORS = (
    *("none", "canny", "soft edges", "lineart", "scribble", "invert", "tile", "blur", "colour grid", "segments"),
)


def map_of(image: Image, preprocessor: str, low: int, high: int) -> Image:
    """The map (RGB) of a picture (RGB), of its size; `low` and `high`: of Canny's edges."""
    if preprocessor == "none":
        return image
    from pipelines.control import maps

    return maps.canny(image, low, high) if preprocessor == "canny" else maps.MAKERS[preprocessor](image)
