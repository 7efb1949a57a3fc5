"""Our Canny against OpenCV's."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.control.canny import canny

# Pixels and the beginning of a SHA-256 of packed bits of what cv2.Canny (opencv-python-headless 5.0.0.93) found.
OPENCV = {
    (0, 100, 200): (575, "5b736f1334de973d"),
    (0, 200, 100): (575, "5b736f1334de973d"),
    (0, 30, 400): (336, "7ba4f1c5a117c723"),
    (1, 100, 200): (427, "c5c123836e1d8af4"),
    (1, 30, 400): (309, "751088a8027953cc"),
    (2, 100, 200): (881, "eb367bfdcec14aa8"),
    (2, 30, 400): (498, "6a9ab7d72a41f2a2"),
    (3, 100, 200): (1001, "36093185cb35d447"),
    (3, 30, 400): (408, "e838da09ede1bbc1"),
}


def picture(number: int) -> NDArray[np.uint8]:
    """Discs on noise; every size odd or even in its turn."""
    random = np.random.default_rng(number)
    height, width = 40 + 7 * number, 50 + 3 * number
    y, x = np.mgrid[0:height, 0:width]
    pixels = random.integers(0, 90, (height, width, 3))
    for _ in range(4):
        row, column, radius = random.integers(0, height), random.integers(0, width), random.integers(5, 20)
        pixels[(y - row) ** 2 + (x - column) ** 2 < radius * radius] = random.integers(0, 256, 3)
    return pixels.astype(np.uint8)


@pytest.mark.parametrize(("number", "low", "high"), OPENCV)
def test_the_edges_are_those_of_opencv(number: int, low: int, high: int) -> None:
    edges = canny(picture(number), low, high)
    digest = hashlib.sha256(np.packbits(edges).tobytes()).hexdigest()[:16]
    assert (int(edges.sum()), digest) == OPENCV[number, low, high]


def test_a_plain_picture_has_no_edges() -> None:
    assert not canny(np.full((5, 9, 3), 77, np.uint8)).any()
    assert not canny(np.full((1, 1, 1), 255, np.uint8)).any()
