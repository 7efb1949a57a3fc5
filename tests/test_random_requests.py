"""Any request, made again in a new process, gives the same pixels. The nightly size: `python -m tools.bench verify`."""

from __future__ import annotations

from pathlib import Path
from types import NoneType

import pytest

from pipelines.groups import Refiner, Tiles
from pipelines.leading import GUIDING_METHODS, Reference
from pipelines.sampling.samplers import DENOISERS
from tools.random_requests import PAIRS, TASKS, draw, prove

pytestmark = pytest.mark.torch
pytest.importorskip("torch")


def test_the_drawing_covers_what_is_promised() -> None:
    requests = list(draw(1, 500))
    assert {(request.sampler, request.schedule) for request in requests} == set(PAIRS)
    assert {sampler for sampler, _ in PAIRS} == set(DENOISERS)
    assert {request.task for request in requests} == set(TASKS)
    assert {request.batch_size for request in requests} == set(range(1, 9))
    assert sum(request.batches > 1 for request in requests) == 50  # cancelled halfway
    painted = [request.inpaint for request in requests if request.inpaint is not None]
    assert {one.masked_content for one in painted} == {"fill", "original", "latent noise", "latent nothing"}
    assert {one.only_masked for one in painted} == {True, False}
    assert {request.clip_skip for request in requests} == {1, 2, 3}
    assert any("<lora:alpha" in request.prompt and "<lora:beta" in request.prompt for request in requests)
    detailed = [request.detail for request in requests if request.detail is not None]
    assert {len(one.boxes.split(";")) for one in detailed} == {1, 2}
    beside = {type(one.refiner or one.reference_1 or one.tiles) for one in requests if one.detail is not None}
    assert beside == {Refiner, Reference, Tiles, NoneType}
    changed = [request.guiding for request in requests if request.guiding is not None]
    assert {one.limited for one in changed} == {one.freeu for one in changed} == {True, False}
    assert {one.method for one in changed} == set(GUIDING_METHODS)
    assert {one.spoilt for one in changed} == {0, 1, 2, 3}
    assert [request.prompt for request in draw(1, 30)] == [request.prompt for request in requests[:30]]


def test_random_requests_are_made_again_exactly(tmp_path: Path) -> None:
    found = prove(tmp_path, count=10, seed=20261220)
    assert all(found["drawn"].values())  # a seed that draws something of everything
    assert found["requests_by_state"] == {"cancelled": 1, "done": 9}
    assert found["pictures"] >= 10
    assert found["others"] == []
    assert found["identical"] == found["pictures"]
    assert found["facts_changed"] == []
