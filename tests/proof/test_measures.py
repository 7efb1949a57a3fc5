"""Distances against what can be worked out by hand, or by the papers' formulas written out slowly."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from webui.proof.measures import DISTANCES, TRAITS, Pixels, bootstrap, ms_ssim, pixel_distance, scales, ssim


def noise(seed: int, side: int = 48) -> Pixels:
    """Smooth enough to have structure at several scales."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1)
    return (coarse * 0.7 + rng.integers(0, 77, (side, side, 3))).astype(np.uint8)


def plain(*colour: int, side: int = 48) -> Pixels:
    return np.full((side, side, 3), colour, dtype=np.uint8)


def test_equal_pictures() -> None:
    for name, distance in DISTANCES.items():
        assert distance(noise(1), noise(1)) == pytest.approx(0, abs=1e-12), name
    assert ssim(noise(1), noise(1)) == pytest.approx(1)
    assert ms_ssim(noise(1), noise(1)) == pytest.approx(1)


def test_pixel_distance() -> None:
    assert pixel_distance(plain(0, 0, 0), plain(255, 255, 255)) == 1
    assert pixel_distance(plain(0, 0, 0), plain(255, 0, 0)) == pytest.approx(1 / 3)
    assert pixel_distance(plain(10, 10, 10), plain(30, 30, 30)) == pytest.approx(20 / 255)
    half = plain(0, 0, 0)
    half[:, :24] = 255
    assert pixel_distance(plain(0, 0, 0), half) == 0.5


def test_ssim_of_plain_greys_is_the_luminance_term() -> None:
    one, other = 100 / 255, 200 / 255
    expected = (2 * one * other + 0.01**2) / (one**2 + other**2 + 0.01**2)
    assert ssim(plain(100, 100, 100), plain(200, 200, 200)) == pytest.approx(expected)


def test_a_shift_costs_more_the_longer_it_is() -> None:
    picture = noise(3, 96)
    shifted = [ms_ssim(picture, np.roll(picture, shift, axis=1)) for shift in (0, 1, 2, 4)]
    assert shifted == sorted(shifted, reverse=True)
    assert shifted[0] - shifted[-1] > 0.2


def window() -> NDArray[np.float64]:
    """11 × 11, sigma 1.5, sum 1."""
    weights = [[math.exp(-(x * x + y * y) / (2 * 1.5**2)) for x in range(-5, 6)] for y in range(-5, 6)]
    return np.array(weights) / np.sum(weights)


def slow_parts(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    """Mean SSIM and mean contrast-structure term of Wang et al., every window that fits in turn."""
    weights, similar, contrast = window(), [], []
    for top, left in itertools.product(range(one.shape[0] - 10), range(one.shape[1] - 10)):
        x, y = one[top : top + 11, left : left + 11], other[top : top + 11, left : left + 11]
        mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
        variance_x, variance_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
        covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
        term = (2 * covariance + 0.03**2) / (variance_x + variance_y + 0.03**2)
        contrast.append(term)
        similar.append(term * (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2))
    return float(np.mean(similar)), float(np.mean(contrast))


def grey(pixels: Pixels) -> NDArray[np.float64]:
    return np.asarray(pixels[..., 0] * 0.299 + pixels[..., 1] * 0.587 + pixels[..., 2] * 0.114) / 255


def halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    return np.array([[image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean() for x in range(columns)] for y in range(rows)])


def test_ssim_and_ms_ssim_are_the_papers() -> None:
    first = noise(1)
    second = np.clip(first.astype(int) + np.random.default_rng(5).integers(-60, 61, first.shape), 0, 255)
    other = second.astype(np.uint8)
    one, two = grey(first), grey(other)
    whole, contrast_fine = slow_parts(one, two)
    _, contrast_middle = slow_parts(halved(one), halved(two))
    coarse, _ = slow_parts(halved(halved(one)), halved(halved(two)))
    assert scales(48, 48) == 3
    weights = np.array([0.0448, 0.2856, 0.3001]) / (0.0448 + 0.2856 + 0.3001)
    expected = contrast_fine ** weights[0] * contrast_middle ** weights[1] * coarse ** weights[2]
    assert ssim(first, other) == pytest.approx(whole, rel=1e-6)
    assert ms_ssim(first, other) == pytest.approx(expected, rel=1e-6)
    assert 0.3 < expected < 0.99  # neither end, where anything would agree


@pytest.mark.parametrize(("side", "count"), [(11, 1), (21, 1), (22, 2), (64, 3), (128, 4), (176, 5), (1024, 5)])
def test_scales(side: int, count: int) -> None:
    assert scales(side, side * 2) == count


def test_odd_sides_and_inverted_pictures() -> None:
    picture = noise(2)[:45, :37]
    assert ms_ssim(picture, picture) == pytest.approx(1)
    assert 0 <= ms_ssim(picture, 255 - picture) < 0.1


@pytest.mark.parametrize("name", DISTANCES)
def test_pictures_of_different_or_tiny_size(name: str) -> None:
    with pytest.raises(ValueError, match="one size"):
        DISTANCES[name](plain(0, 0, 0), plain(0, 0, 0, side=40))
    with pytest.raises(ValueError, match="at least 11"):
        DISTANCES[name](plain(0, 0, 0, side=8), plain(0, 0, 0, side=8))


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        ("brightness", plain(255, 255, 255), 1),
        ("brightness", plain(0, 255, 0), 0.587),
        ("redness", plain(255, 0, 0), 1),
        ("redness", plain(0, 255, 255), -1),
        ("redness", plain(90, 90, 90), 0),
        ("greenness", plain(0, 51, 0), 0.2),
        ("blueness", plain(255, 0, 255), 0.5),
        ("saturation", plain(255, 102, 0), 1),
        ("saturation", plain(7, 7, 7), 0),
        ("detail", plain(9, 9, 9), 0),
    ],
)
def test_traits(name: str, picture: Pixels, expected: float) -> None:
    assert TRAITS[name](picture) == pytest.approx(expected, abs=1e-9)


def test_detail_of_a_chess_board() -> None:
    board = (np.indices((48, 48)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert TRAITS["detail"](board) == pytest.approx(1)


def test_bootstrap_of_a_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    interval = bootstrap(values, lambda drawn: values[drawn].mean(axis=1))
    assert interval is not None
    half = 1.96 * 2 / math.sqrt(400)
    assert interval[0] == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert interval[1] == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_bootstrap_covers_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(2), 0
    for _ in range(200):
        values = rng.exponential(1.0, 40)

        def means(drawn: NDArray[np.int64], values: NDArray[np.float64] = values) -> NDArray[np.float64]:
            return np.asarray(values[drawn].mean(axis=1))

        low, high = bootstrap(values, means, draws=500) or (0, 0)
        hits += low <= 1 <= high
    assert 0.86 <= hits / 200 <= 0.98  # a little under 95 % at 40 values of a skewed kind is known of this method


def test_bootstrap_repeats_and_knows_its_limits() -> None:
    values = np.arange(40.0) ** 1.7

    def means(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(values[drawn].mean(axis=1))

    assert bootstrap(values, means) == bootstrap(values, means) != bootstrap(values, means, seed=1)
    assert bootstrap(values[:1], means) is None
    assert bootstrap(values, lambda drawn: np.full(len(drawn), math.nan)) is None
