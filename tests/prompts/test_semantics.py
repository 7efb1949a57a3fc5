"""What the language does to pictures of the built-in model, measured on pixels or by its judge, which never saw the
model: at a few seeds, and, marked slow, at twenty."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.types import Batch, GenerationRequest
from webui.archive.inputs import InputStore
from webui.archive.metadata import read as read_metadata
from webui.archive.store import ImageStore
from webui.jobs import choices
from webui.lab.judge import WEIGHTS
from webui.proof.measures import TRAITS

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.local import LocalEngine  # noqa: E402
from tools.train_builtin.judge_net import Judge, read  # noqa: E402
from tools.train_builtin.world import HEADS  # noqa: E402

seeds = pytest.mark.parametrize("seeds", [5, pytest.param(20, marks=pytest.mark.slow)])
WISH = GenerationRequest(steps=6, guidance=4.0, width=128, height=128)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine(device="cpu")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def judge() -> Judge:
    return read(WEIGHTS)


def draw(engine: LocalEngine, prompt: str, seeds: int) -> np.ndarray[Any, Any]:
    """(seeds, height, width, 3)"""
    found = []
    for first in range(0, seeds, 5):
        batch = Batch(request=replace(WISH, prompt=prompt), seeds=tuple(range(first, first + 5)), threads=1)
        found += [np.asarray(result.image) for result in engine.generate(batch, lambda _: None)]
    return np.stack(found)


def seen(judge: Judge, images: np.ndarray[Any, Any], head: str, name: str) -> float:
    """The share of pictures in which the judge sees it."""
    answers = judge.read(images)[:, list(HEADS).index(head)]
    return float((answers == HEADS[head].index(name)).mean())


@seeds
def test_more_weight_on_red_is_more_red(engine: LocalEngine, seeds: int) -> None:
    prompts = [f"a (red:{weight}) ball on a beach" for weight in (0.4, 1.0, 1.6)]
    low, middle, high = (float(np.mean([TRAITS["redness"](one) for one in draw(engine, p, seeds)])) for p in prompts)
    assert low < middle < high
    assert high > 1.2 * low


@seeds
def test_a_subject_left_out_is_gone(engine: LocalEngine, judge: Judge, seeds: int) -> None:
    prompts = ("a red star on a white background", "a white background")
    with_it, without = (draw(engine, prompt, seeds) for prompt in prompts)
    assert seen(judge, with_it, "subject", "star") >= 0.8
    assert seen(judge, without, "subject", "star") <= 0.3  # it always names one of twelve


@seeds
def test_what_comes_after_a_switch_is_what_is_drawn(engine: LocalEngine, judge: Judge, seeds: int) -> None:
    prompts = (f"{what} on a white background" for what in ("[a star:a heart:0.3]", "a star"))
    switched, plain = (draw(engine, prompt, seeds) for prompt in prompts)
    assert seen(judge, switched, "subject", "heart") >= 0.7
    assert seen(judge, plain, "subject", "heart") <= 0.1


def test_a_run_with_choices_is_made_again_from_its_file(engine: LocalEngine, tmp_path: Path) -> None:
    """The file holds the drawn prompt, and the template beside it."""
    wish = replace(WISH, prompt="a {red|blue} ball on a {white|black} background", steps=2, seed=9, batch_size=1)
    planned = choices.planned(wish, {})
    store = ImageStore(tmp_path)
    store.prepare()
    (batch,) = planned.batches_from(9)
    batch = replace(batch, request=choices.drawn(batch.request, 9, {}), threads=1)
    (result,) = engine.generate(batch, lambda _: None)
    record = read_metadata(store.save(result).path).record
    assert record is not None
    request = record.request(InputStore(tmp_path / "inputs"))
    assert request.template == wish.prompt
    assert "{" not in request.prompt
    assert choices.drawn(choices.planned(request, {}), 9, {}) == request
    (again,) = engine.generate(replace(Batch.around(request, record.position), threads=1), lambda _: None)
    assert np.array_equal(np.asarray(result.image), np.asarray(again.image))
