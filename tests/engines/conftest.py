"""The built-in model in this process, loaded once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.types import Batch, GenerationRequest, GenerationResult, Progress

if TYPE_CHECKING:
    from pipelines.engines.local import LocalEngine

Run = Callable[..., list[GenerationResult]]

SMALL = GenerationRequest(
    prompt="a red star on a blue background", width=64, height=64, steps=3, guidance=5.0, seed=7, sampler="DDIM"
)


def ignore(progress: Progress) -> None:
    return None


@pytest.fixture(scope="session")
def engine() -> Iterator[LocalEngine]:
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine(device="cpu")
    yield engine
    engine.close()


@pytest.fixture
def run(engine: LocalEngine) -> Run:
    """`run(steps=4, …)`: `SMALL` with these fields, its batch from its seed on, one thread."""

    def run(**changes: Any) -> list[GenerationResult]:
        request = replace(SMALL, **changes)
        assert request.seed is not None
        batch = next(request.batches_from(request.seed))
        return engine.generate(replace(batch, threads=1), ignore)

    return run


def batch_of(request: GenerationRequest, *seeds: int) -> Batch:
    return Batch(request=request, seeds=seeds, threads=1)
