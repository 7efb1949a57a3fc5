"""The ControlNet that ships with the project: the figure stands where an outline was drawn, without it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.leading import OWN_CONTROL, Control
from pipelines.models.listing import OWN_CONTROLNET
from pipelines.types import GenerationRequest
from tests.engines.conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
train = pytest.importorskip("tools.train_controlnet")

SEEDS = range(4)
LIMIT = 6_000_000  # bytes


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine(device="cpu")
    yield engine
    engine.close()


def test_it_is_small_and_listed_first() -> None:
    from pipelines.engines.fake import FakeEngine

    engine = FakeEngine()
    assert engine.controls()[0].name == OWN_CONTROL
    assert OWN_CONTROLNET.stat().st_size <= LIMIT
    engine.close()


def test_figures_follow_the_outline(engine: Any) -> None:
    from tools.train_builtin.captions import plain_prompt

    met: dict[bool, list[float]] = {True: [], False: []}
    for seed in SEEDS:
        scene = train.test_scene(seed)
        line = Image.fromarray(train.outline_of(scene.figure, 2).astype(np.uint8) * 255).convert("RGB")
        request = GenerationRequest(
            prompt=plain_prompt(scene.picture), width=128, height=128, steps=12, guidance=3.0, seed=seed
        )
        for follows, wish in ((True, replace(request, control_1=Control(map=line))), (False, request)):
            image = engine.generate(batch_of(wish, seed), ignore)[0].image
            met[follows].append(train.overlap(train.found_figure(np.asarray(image)), scene.figure))
    assert np.mean(met[True]) > 0.75, met
    assert np.mean(met[True]) > np.mean(met[False]) + 0.25, met
