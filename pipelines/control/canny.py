"""Canny's edges, pixel for pixel what `cv2.Canny` finds, in numpy and scipy.

Control networks were trained on OpenCV's edges (Canny 1986, "A computational approach to edge detection"; its rounding
of the gradient's direction: `canny.cpp` of OpenCV). scikit-image's smooths first and scales its thresholds otherwise.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

TANGENT = 13573  # of 22.5 degrees, in 1/32768
SHIFT = 15
AROUND = np.ones((3, 3), np.int8)


def canny(pixels: NDArray[np.uint8], low: int = 100, high: int = 200) -> NDArray[np.bool_]:
    """The edges (height, width) of a picture (height, width, channels); the thresholds are of Sobel's |dx| + |dy|."""
    x, y = _gradients(pixels)
    strength = np.abs(x) + np.abs(y)
    edges = _crests(x, y, strength) & (strength > min(low, high))
    labels, count = ndimage.label(edges, AROUND)
    strong = np.zeros(count + 1, np.bool_)
    strong[labels[edges & (strength > max(low, high))]] = True
    strong[0] = False
    kept: NDArray[np.bool_] = strong[labels]
    return kept


def _gradients(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sobel's dx and dy (height, width) of the channel where |dx| + |dy| is largest, the first of equals."""
    p = np.pad(pixels.astype(np.int64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = p[:, 2:] - p[:, :-2], p[2:] - p[:-2]
    x = across[:-2] + 2 * across[1:-1] + across[2:]
    y = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    chosen = (np.abs(x) + np.abs(y)).argmax(2)[..., None]
    return np.take_along_axis(x, chosen, 2)[..., 0], np.take_along_axis(y, chosen, 2)[..., 0]


def _crests(x: NDArray[np.int64], y: NDArray[np.int64], strength: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where the strength is largest across the edge; what is outside of the picture has none."""
    p = np.pad(strength, 1)
    height, width = strength.shape

    def beside(rows: int, columns: int) -> NDArray[np.int64]:
        return p[1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]

    flat = np.abs(x) * TANGENT
    rise = np.abs(y) << SHIFT
    falling = (x ^ y) < 0
    one = np.where(falling, beside(-1, 1), beside(-1, -1))
    other = np.where(falling, beside(1, -1), beside(1, 1))
    crest: NDArray[np.bool_] = np.select(
        [rise < flat, rise > flat + (np.abs(x) << (SHIFT + 1))],
        [
            (strength > beside(0, -1)) & (strength >= beside(0, 1)),
            (strength > beside(-1, 0)) & (strength >= beside(1, 0)),
        ],
        (strength > one) & (strength > other),
    )
    return crest
