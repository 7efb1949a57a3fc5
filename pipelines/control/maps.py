"""Maps of pictures that need no network: as the ControlNets that are widely used were trained on them.

Line drawing and scribble: `lineart_standard` and `scribble_xdog` of sd-webui-controlnet (Winnemöller 2011, XDoG). Each
takes a picture (RGB) and gives one of its size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

from pipelines.control.canny import canny as edges_of

BLUR = 9.0  # pixels, of a Gaussian
GRID = 64  # pixels a side of a field of one colour
SEGMENTS = 60  # of a picture, about
COMPACT = 15.0  # how little a segment follows the colours
Values = NDArray[np.float32]


def canny(image: Image.Image, low: int, high: int) -> Image.Image:
    return _of_lines(edges_of(np.asarray(image), low, high).astype(np.uint8) * 255)


def soft_edges(image: Image.Image) -> Image.Image:
    """How steep the picture is, white where it is steepest."""
    smooth = _smoothed(_values(image), 1.0)
    steep = np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1)).max(2)
    return _of_lines(steep / max(1.0, float(steep.max())) * 255)


def lineart(image: Image.Image) -> Image.Image:
    """What is darker than its surroundings, white on black."""
    values = _values(image)
    darker = (_smoothed(values, 6.0) - values).min(2).clip(0)
    clear = darker[darker > 8]
    usual = float(np.median(clear)) if clear.size else 0.0
    return _of_lines(darker / max(16.0, usual) * 127)


def scribble(image: Image.Image) -> Image.Image:
    """The coarse lines of a picture, thick and white on black."""
    values = _values(image)
    dark = 255 - (_smoothed(values, 5.0) - _smoothed(values, 0.5)).min(2).clip(0, 255)
    return _of_lines((2 * (255 - dark) > 32).astype(np.uint8) * 255)


def blur(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(BLUR))


def colour_grid(image: Image.Image) -> Image.Image:
    """Fields of one colour each."""
    fields = max(1, image.width // GRID), max(1, image.height // GRID)
    return image.resize(fields, Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.NEAREST)


def segments(image: Image.Image) -> Image.Image:
    """Areas of like colour, each in its mean (SLIC, Achanta et al. 2012)."""
    from skimage import color, segmentation

    pixels = np.asarray(image)
    labels = segmentation.slic(pixels, n_segments=SEGMENTS, compactness=COMPACT, start_label=1)
    return Image.fromarray(color.label2rgb(labels, pixels, kind="avg", bg_label=0).astype(np.uint8))


MAKERS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "soft edges": soft_edges,
    "lineart": lineart,
    "scribble": scribble,
    "invert": ImageOps.invert,
    "tile": lambda image: image,  # a network of tiles sees the picture itself
    "blur": blur,
    "colour grid": colour_grid,
    "segments": segments,
}


def _values(image: Image.Image) -> Values:
    return np.asarray(image, np.float32)


def _smoothed(values: Values, sigma: float) -> Values:
    """(height, width, channels), each channel by itself."""
    found: Values = ndimage.gaussian_filter(values, (sigma, sigma, 0))
    return found


def _of_lines(values: NDArray[np.floating] | NDArray[np.uint8]) -> Image.Image:
    """(height, width), 0 … 255."""
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")
