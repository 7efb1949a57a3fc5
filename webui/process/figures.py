"""The figures of an experiment of Process, counted from its pictures: plain functions of 8-bit RGB arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from webui.proof.measures import DISTANCES, WINDOW, Pixels

_DISTANCE = DISTANCES["ms_ssim"]


def distance(first: Pixels, second: Pixels) -> float | None:
    """1 − MS-SSIM; None where there is none."""
    if first.shape != second.shape or min(first.shape[:2]) < WINDOW:
        return None
    return _DISTANCE(first, second)


def mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def consistency(pictures: Mapping[int, Sequence[Pixels]]) -> dict[int, float | None]:
    """Steps -> how far the pictures made with so many are from those made with the most, seed by seed, on average."""
    longest = pictures[max(pictures)]
    return {
        steps: mean([distance(*pair) for pair in zip(longest, own, strict=True)]) for steps, own in pictures.items()
    }


def variety(pictures: Sequence[Pixels]) -> float | None:
    """How far pictures of different seeds are from each other, on average over all pairs."""
    return mean([distance(*pair) for pair in itertools.combinations(pictures, 2)])


def crossfaded(first: Pixels, second: Pixels, share: float) -> Pixels:
    """A straight line from one picture to another, pixel by pixel."""
    values = (1 - share) * first.astype(np.float64) + share * second
    return np.asarray(values.round(), np.uint8)


def best_of(scores: Sequence[float], count: int) -> float:
    """The score of the best of so many, on average over all ways to draw them from these."""
    ways = math.comb(len(scores), count)
    return sum(score * math.comb(place, count - 1) for place, score in enumerate(sorted(scores))) / ways
