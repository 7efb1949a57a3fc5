"""The promise of the whole program: an image made again from its own record is the same, bit for bit."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.groups import InitImage
from pipelines.sampling.samplers import DENOISERS
from pipelines.types import PROMPT_RULES, Batch, GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [
    pytest.mark.torch,
    # diffusers' schedulers with numpy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
pytest.importorskip("torch")

STEPS = 3
PICTURE = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 40).convert("RGB")

AGAIN = """
import hashlib, json, sys, warnings
from PIL import Image
from pipelines.engines.local import LocalEngine
from pipelines.types import Batch, GenerationRequest, InitImage
warnings.simplefilter("ignore")
engine = LocalEngine(device="cpu")
hashes = {}
for sampler in json.loads(sys.argv[1]):
    request = GenerationRequest(sampler=sampler, **json.loads(sys.argv[2]))
    result = engine.generate(Batch.around(request, 1, threads=1), lambda progress: None)[1]
    hashes[sampler] = hashlib.sha256(result.image.tobytes()).hexdigest()
print(json.dumps(hashes))
"""


def of(sampler: str, **changes: Any) -> GenerationRequest:
    return replace(SMALL, sampler=sampler, steps=STEPS, batch_size=3, seed=1000, **changes)


@pytest.mark.parametrize("sampler", DENOISERS)
@pytest.mark.parametrize("task", ["txt2img", "img2img"])
def test_every_position_of_a_batch_is_made_again(engine: Any, sampler: str, task: str) -> None:
    init = InitImage(image=PICTURE, strength=0.67) if task == "img2img" else None
    request = of(sampler, init=init)
    first = engine.generate(batch_of(request, 1000, 1001, 1002), ignore)
    assert len({result.image.tobytes() for result in first}) == 3  # three seeds, three pictures
    batches = [Batch.around(result.request, result.position, threads=1) for result in first]
    assert {batch.seeds for batch in batches} == {(1000, 1001, 1002)}  # so that one run makes all of them again
    again = engine.generate(batches[1], ignore)
    for result, second in zip(first, again, strict=True):
        assert result.request.seed == 1000 + result.position
        assert (result.facts["threads"], result.facts["prompt_rules"]) == (1, PROMPT_RULES)
        assert second.image.tobytes() == result.image.tobytes()


@pytest.mark.parametrize("sampler", DENOISERS)
def test_neighbours_do_not_matter(engine: Any, sampler: str) -> None:
    """Every noise, that of the steps too, comes from the image's own generator."""
    first = engine.generate(batch_of(of(sampler), 1000, 1001, 1002), ignore)
    second = engine.generate(batch_of(of(sampler), 5, 1001, 2**32 - 1), ignore)
    assert first[1].image.tobytes() == second[1].image.tobytes()
    assert first[0].image.tobytes() != second[0].image.tobytes()


def test_another_process_makes_the_same_pixels(engine: Any) -> None:
    here = {}
    for sampler in DENOISERS:
        image = engine.generate(batch_of(of(sampler), 1000, 1001, 1002), ignore)[1].image
        here[sampler] = hashlib.sha256(image.tobytes()).hexdigest()
    plain = {"prompt": SMALL.prompt, "width": 64, "height": 64, "steps": STEPS, "guidance": 5.0, "batch_size": 3}
    there = subprocess.run(
        [sys.executable, "-c", AGAIN, json.dumps(list(DENOISERS)), json.dumps(plain | {"seed": 1001})],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=300,
    )
    assert json.loads(there.stdout) == here


def test_another_number_of_threads_is_honoured_and_recorded(engine: Any) -> None:
    import torch

    batch = replace(batch_of(replace(SMALL, steps=1), 7), threads=2)
    try:
        assert engine.generate(batch, ignore)[0].facts["threads"] == 2
    finally:
        torch.set_num_threads(1)
    assert engine.generate(replace(batch, threads=1), ignore)[0].facts["threads"] == 1


def test_a_run_before_it_leaves_no_trace(engine: Any) -> None:
    """Global generators, remembered prompts and the scheduler's history do not reach into the next run."""
    import torch

    first = engine.generate(batch_of(SMALL, 7), ignore)[0]
    torch.manual_seed(99)
    engine.generate(batch_of(replace(SMALL, prompt="a (green:1.4) tree", sampler="LMS", width=96), 1), ignore)
    assert engine.generate(batch_of(SMALL, 7), ignore)[0].image.tobytes() == first.image.tobytes()


def test_another_engine_in_the_process_changes_no_picture(engine: Any) -> None:
    """An exact one computes attention otherwise, and torch holds that for the whole process."""
    import torch

    from pipelines.engines.local import LocalEngine

    quick: list[bool] = []

    def look(_: Any) -> None:
        quick.append(torch.backends.cuda.flash_sdp_enabled())

    before = engine.generate(batch_of(SMALL, 7), look)[0].image.tobytes()
    exact = LocalEngine(device="cpu", exact=True)
    try:
        assert engine.generate(batch_of(SMALL, 7), look)[0].image.tobytes() == before
        assert quick
        assert all(quick)
        quick.clear()
        exact.generate(batch_of(SMALL, 7), look)
        assert quick
        assert not any(quick)
    finally:
        exact.close()
