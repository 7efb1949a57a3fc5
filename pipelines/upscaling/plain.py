"""Making a picture larger without a network. No torch."""

from __future__ import annotations

from PIL import Image

PLAIN = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}


def resized(image: Image.Image, size: tuple[int, int], upscaler: str) -> Image.Image:
    """By one of `PLAIN`; `size` is width and height in pixels."""
    return image.resize(size, PLAIN[upscaler])
