"""How far one picture is from another, and what a picture is like: plain functions of 8-bit RGB arrays.

Distances are 0 for equal pictures. SSIM: Wang et al. 2004, by scikit-image; MS-SSIM: Wang, Simoncelli, Bovik 2003.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (height, width, 3)
Floats = NDArray[np.float64]
Distance = Callable[[Pixels, Pixels], float]

WINDOW = 11  # pixels: the Gaussian window of the paper, sigma 1.5 cut at 3.5 sigma
_SIGMA = 1.5
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the paper, finest scale first
_C1, _C2 = 0.01**2, 0.03**2  # for values 0 … 1


def pixel_distance(first: Pixels, second: Pixels) -> float:
    """Mean absolute difference of all channels, 0 … 1."""
    _check(first, second)
    return float(np.mean(np.abs(first.astype(np.int16) - second.astype(np.int16))) / 255)


def ssim(first: Pixels, second: Pixels) -> float:
    """Structural similarity of the brightness, at most 1 = equal; the smaller side at least `WINDOW` pixels."""
    _check(first, second)
    return _structure(brightness(first), brightness(second))[0]


def _structure(first: Floats, second: Floats) -> tuple[float, Floats]:
    """Mean SSIM without the edges, and its whole map."""
    from skimage.metrics import structural_similarity  # a second to import

    mean, whole = structural_similarity(
        first, second, data_range=1.0, gaussian_weights=True, sigma=_SIGMA, use_sample_covariance=False, full=True
    )
    return float(mean), whole


def scales(width: int, height: int) -> int:
    """How many of the five scales a picture has room for."""
    return max(1, sum(min(width, height) >> scale >= WINDOW for scale in range(len(_SCALE_WEIGHTS))))


def ms_ssim(first: Pixels, second: Pixels) -> float:
    """SSIM over up to five scales, 0 … 1. Small pictures have fewer scales, whose weights are then levelled to 1."""
    _check(first, second)
    one, other = brightness(first), brightness(second)
    count = scales(first.shape[1], first.shape[0])
    weights = np.array(_SCALE_WEIGHTS[:count]) / sum(_SCALE_WEIGHTS[:count])
    result = 1.0
    for scale, weight in enumerate(weights):
        similarity, contrast = _parts(one, other)
        part = similarity if scale == count - 1 else contrast
        result *= max(part, 0.0) ** float(weight)  # negative: inverted structure, as far as can be
        one, other = _halved(one), _halved(other)
    return float(result)


def _parts(first: Floats, second: Floats) -> tuple[float, float]:
    """Mean SSIM, and mean of its contrast-structure part: SSIM is luminance × that, and luminance is never 0."""
    from scipy.ndimage import gaussian_filter

    similarity, whole = _structure(first, second)
    means = [gaussian_filter(image, _SIGMA, truncate=3.5) for image in (first, second)]
    luminance = (2 * means[0] * means[1] + _C1) / (means[0] ** 2 + means[1] ** 2 + _C1)
    edge = (WINDOW - 1) // 2
    inner = (whole / luminance)[edge : -edge or None, edge : -edge or None]
    return similarity, float(np.mean(inner))


def _halved(image: Floats) -> Floats:
    """Half the size: mean of each 2 × 2 pixels, an odd last row or column left out."""
    height, width = (side // 2 * 2 for side in image.shape)
    cut = image[:height, :width]
    halves: Floats = (cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) / 4
    return halves


def brightness(pixels: Pixels) -> Floats:
    """Luma of ITU-R BT.601, 0 … 1; (height, width)."""
    values: Floats = (pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])) / 255
    return values


DISTANCES: Mapping[str, Distance] = {
    "pixels": pixel_distance,
    "ssim": lambda first, second: 1 - ssim(first, second),
    "ms_ssim": lambda first, second: 1 - ms_ssim(first, second),
}


def _share(channel: int, pixels: Pixels) -> float:
    """How much one channel stands above the mean of the two others, -1 … 1."""
    means = pixels.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
    return float(means[channel] - (means.sum() - means[channel]) / 2)


def _saturation(pixels: Pixels) -> float:
    """Mean of the largest minus the smallest channel, 0 … 1."""
    return float(np.mean(pixels.max(axis=2).astype(np.float64) - pixels.min(axis=2)) / 255)


def _detail(pixels: Pixels) -> float:
    """Mean step of brightness from a pixel to its right and lower neighbour, 0 … 1."""
    values = brightness(pixels)
    return float((np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean()) / 2)


TRAITS: Mapping[str, Callable[[Pixels], float]] = {
    "brightness": lambda pixels: float(brightness(pixels).mean()),
    "redness": lambda pixels: _share(0, pixels),
    "greenness": lambda pixels: _share(1, pixels),
    "blueness": lambda pixels: _share(2, pixels),
    "saturation": _saturation,
    "detail": _detail,
}


def _check(first: Pixels, second: Pixels) -> None:
    if first.shape != second.shape:
        raise ValueError(f"pictures must have one size, got {first.shape} and {second.shape}")
    if min(first.shape[:2]) < WINDOW:
        raise ValueError(f"pictures must have at least {WINDOW} pixels a side, got {first.shape}")


def bootstrap(
    values: NDArray[Any] | list[float],
    statistic: Callable[[NDArray[Any]], Any],
    *,
    draws: int = 2000,
    seed: int = 0,
    share: float = 0.95,
) -> tuple[float, float] | None:
    """The percentile interval of `statistic` over `values`; None for fewer than two values (there is no spread then).

    `statistic` gets indices (draws, count) into the values and gives one number a draw; NaN draws are left out.
    Efron 1979."""
    count = len(values)
    if count < 2:
        return None
    drawn = np.random.default_rng(seed).integers(0, count, size=(draws, count))
    found = np.asarray(statistic(drawn), dtype=np.float64)
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    low, high = np.quantile(found, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
