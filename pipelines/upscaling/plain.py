"""Making a picture larger without a network. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PLAIN = ("lanczos", "nearest")


def resized(image: Image, size: tuple[int, int], upscaler: str) -> Image:
    """By one of `PLAIN`; `size` is width and height in pixels."""
    from PIL.Image import Resampling  # the list of names is read where no picture is

    return image.resize(size, Resampling[upscaler.upper()])
