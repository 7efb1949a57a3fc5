"""Noise near that of a seed, and pictures made from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.groups import Hires, Variation
from pipelines.types import Batch, GenerationRequest
from tests.engines.conftest import SMALL, batch_of, engine, ignore

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from pipelines.sampling import noise  # noqa: E402

__all__ = ["engine"]  # a fixture
SHAPE = (4, 16, 24)


def seeded(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def drawn(seed: int, shape: tuple[int, ...] = SHAPE) -> Any:
    return torch.randn(*shape, generator=seeded(seed)).numpy().astype(np.float64)


def between(first: Any, second: Any, share: float) -> Any:
    """Shoemake's formula, each column of each channel a vector."""
    found = np.empty_like(first)
    for channel in range(first.shape[0]):
        for column in range(first.shape[2]):
            a, b = first[channel, :, column], second[channel, :, column]
            angle = np.arccos(a @ b / np.sqrt((a @ a) * (b @ b)))
            parts = np.sin((1 - share) * angle) * a + np.sin(share * angle) * b
            found[channel, :, column] = parts / np.sin(angle)
    return found


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_lies_on_the_sphere_between_both(share: float) -> None:
    made = noise.varied(SHAPE, [seeded(7)], [8], share, SHAPE)[0].numpy()
    assert np.abs(made - between(drawn(7), drawn(8), share)).max() < 1e-5
    assert 0.9 < made.std() < 1.1  # still such noise as the networks were trained with


def test_its_ends_are_the_two_and_a_seed_beside_itself_is_no_fault() -> None:
    assert np.array_equal(noise.varied(SHAPE, [seeded(7)], [8], 0.0, SHAPE)[0].numpy(), drawn(7).astype(np.float32))
    assert np.abs(noise.varied(SHAPE, [seeded(7)], [8], 1.0, SHAPE)[0].numpy() - drawn(8)).max() < 1e-5
    assert np.abs(noise.varied(SHAPE, [seeded(7)], [7], 0.3, SHAPE)[0].numpy() - drawn(7)).max() < 1e-5


def test_noise_of_another_size_stands_in_the_middle() -> None:
    larger = (4, 20, 32)
    made = noise.varied(larger, [seeded(7)], [8], 0.0, SHAPE)[0].numpy()
    inner = drawn(7).astype(np.float32)
    assert np.array_equal(made[:, 2:18, 4:28], inner)
    around = drawn(7, larger).astype(np.float32)
    assert np.array_equal(made[:, :2], around[:, :2])
    smaller = noise.varied((4, 8, 12), [seeded(7)], [8], 0.0, SHAPE)[0].numpy()
    assert np.array_equal(smaller, inner[:, 4:12, 6:18])


def test_images_share_the_seed_and_each_has_a_variation_seed() -> None:
    request = replace(SMALL, batch_size=2, batches=2, variation=Variation(seed=2**32 - 2, strength=0.2))
    batches = list(request.batches_from(7))
    assert [batch.seeds for batch in batches] == [(7, 7), (7, 7)]
    runs = [batch.as_run(place) for batch in batches for place in (0, 1)]
    assert [(run.seed, run.variation and run.variation.seed) for run in runs] == [
        (7, 2**32 - 2),
        (7, 2**32 - 1),
        (7, 0),
        (7, 1),
    ]
    for place, run in enumerate(runs):
        assert Batch.around(run, place % 2) == replace(
            batches[place // 2], request=replace(batches[place // 2].request, seed=7, batches=1)
        )


def test_without_strength_each_image_has_its_own_seed() -> None:
    request = replace(SMALL, batch_size=2, variation=Variation(strength=0.0, from_width=64, from_height=64))
    assert next(request.batches_from(7)).seeds == (7, 8)


def pixels(engine: Any, request: GenerationRequest) -> Any:
    assert request.seed is not None
    batch = next(request.batches_from(request.seed))
    return [np.asarray(one.image).astype(int) for one in engine.generate(replace(batch, threads=1), ignore)]


def test_pictures_go_from_one_seed_to_the_other(engine: Any) -> None:
    own, other = pixels(engine, SMALL)[0], pixels(engine, replace(SMALL, seed=8))[0]
    shares = (0.0, 0.2, 0.8, 1.0)
    made = [pixels(engine, replace(SMALL, variation=Variation(seed=8, strength=share)))[0] for share in shares]
    assert np.array_equal(made[0], own)
    assert np.abs(made[3] - other).max() <= 1
    assert np.abs(made[1] - own).mean() < np.abs(made[2] - own).mean()
    assert np.abs(made[2] - other).mean() < np.abs(made[1] - other).mean()


@pytest.mark.parametrize("hires", [None, Hires(strength=0.5, by=1.5)])
def test_each_image_of_a_batch_is_made_again_alone(engine: Any, hires: Hires | None) -> None:
    request = replace(SMALL, batch_size=2, hires=hires, variation=Variation(seed=5, strength=0.3))
    results = engine.generate(replace(next(request.batches_from(7)), threads=1), ignore)
    assert results[0].image.tobytes() != results[1].image.tobytes()
    again = engine.generate(replace(Batch.around(results[1].request, 1), threads=1), ignore)
    assert [one.image.tobytes() for one in again] == [one.image.tobytes() for one in results]


def test_images_one_at_a_time_have_the_same_variation_seeds(engine: Any) -> None:
    request = replace(SMALL, batch_size=2, variation=Variation(seed=5, strength=0.3))
    plain, planner = engine._planner.ways, engine._planner
    planner.ways = lambda *arguments: replace(plain(*arguments), singly=True)
    try:
        both = engine.generate(replace(next(request.batches_from(7)), threads=1), ignore)
    finally:
        del planner.ways
    second = replace(request, batch_size=1, variation=Variation(seed=6, strength=0.3))
    alone = engine.generate(batch_of(second, 7), ignore)
    assert both[1].image.tobytes() == alone[0].image.tobytes()
