"""A picture taken apart in the latents of a model: what is left of it, in one step and in as many as there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipelines.engines import messages
from pipelines.errors import InvalidRequest
from pipelines.groups import InitImage
from pipelines.types import Batch, GenerationResult
from pipelines.watching import Dissolving

from .conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.dissolving import mixed, stepwise  # noqa: E402
from pipelines.engines.local import LocalEngine  # noqa: E402

LEFT = (1.0, 0.5, 1e-6)


@pytest.fixture(scope="module")
def picture(engine: LocalEngine) -> Image.Image:
    return engine.generate(batch_of(SMALL, 3), ignore)[0].image


def asked(picture: Image.Image, dissolving: Dissolving) -> Batch:
    return replace(batch_of(replace(SMALL, init=InitImage(image=picture, strength=1)), 3), dissolving=dissolving)


def taken_apart(engine: LocalEngine, picture: Image.Image, dissolving: Dissolving) -> GenerationResult:
    return engine.generate(asked(picture, dissolving), ignore)[0]


def apart(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).mean())


def test_all_of_it_is_the_picture_and_nothing_of_it_is_the_noise_alone(
    engine: LocalEngine, picture: Image.Image
) -> None:
    result = taken_apart(engine, picture, Dissolving(left=LEFT))
    views = [moment.views["noisy"] for moment in result.moments]
    assert [moment.alpha**2 for moment in result.moments] == pytest.approx(LEFT)
    assert apart(views[0], picture) < 8, "a VAE gives its own pictures back but for little"
    assert views[0].tobytes() == result.image.tobytes()
    assert apart(views[0], picture) * 2 < apart(views[1], picture) < apart(views[2], picture)
    other = taken_apart(engine, Image.new("RGB", picture.size, "blue"), Dissolving(left=LEFT))
    blue = [moment.views["noisy"] for moment in other.moments]
    assert apart(views[2], blue[2]) < 3 < apart(views[0], blue[0]), "the same noise, whatever was beneath"


def test_single_steps_end_where_the_one_step_does(engine: LocalEngine, picture: Image.Image) -> None:
    left = tuple(np.linspace(0.99, 0.2, 40).tolist())
    result = taken_apart(engine, picture, Dissolving(left=left, stepwise=True))
    assert len(result.moments) == 1
    assert 0 < result.facts["apart"] < 1e-5
    assert result.facts["deviation"] == pytest.approx(1, abs=0.15)


def test_power_is_shared_between_picture_and_noise() -> None:
    clean, drawn = torch.full((1, 4, 8, 8), 2.0), torch.full((1, 4, 8, 8), 3.0)
    assert torch.allclose(mixed(clean, drawn, 0.36), torch.full_like(clean, 0.6 * 2 + 0.8 * 3))
    generator = torch.Generator().manual_seed(1)
    here, facts = stepwise(clean, (1.0, 1.0), generator)
    assert torch.equal(here, clean)
    assert facts == {"apart": 0.0, "deviation": 0.0}


def test_without_a_picture_there_is_nothing_to_take_apart(engine: LocalEngine) -> None:
    with pytest.raises(InvalidRequest, match="picture_needed"):
        engine.generate(replace(batch_of(SMALL, 3), dissolving=Dissolving(left=LEFT)), ignore)


def test_it_travels(picture: Image.Image) -> None:
    batch = asked(picture, Dissolving(left=LEFT, stepwise=True))
    assert messages.to_batch(messages.from_batch(batch, 1)).dissolving == batch.dissolving
