"""What stays in memory, what is let go, and that a switch changes nothing but the model."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.errors import ModelError
from pipelines.models.listing import Listing

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
managing = pytest.importorskip("pipelines.models.manager")

NAMES = ("one", "two", "three")
Make = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(NAMES):
        RandomModel("sd15", tiny=True, seed=seed).write_single(folder / f"{name}.safetensors")
    return folder


@pytest.fixture
def make(folder: Path) -> Make:
    from pipelines.models.device import choose

    placement = replace(choose("cpu"), dtype=torch.float32, channels_last=False)
    return lambda budget=None, models=folder: managing.PipelineManager(Listing([models]), placement, budget=budget)


def test_switching_back_reads_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = make()
    first = manager.get("one")
    assert manager.get("one") is first
    assert manager.get("two") is not first
    assert manager.resident == ("one", "two")
    monkeypatch.setattr("pipelines.engines.unet.read", None)  # calling it would fail
    assert manager.get("one") is first
    assert manager.resident == ("two", "one")


def test_the_one_not_used_for_longest_is_let_go_first(make: Make) -> None:
    size = make().get("one").bytes
    assert size > 1_000_000
    manager = make(budget=2 * size)
    for name in ("one", "two", "three", "one", "builtin"):
        manager.get(name)
    assert manager.resident == ("three", "one", "builtin")
    none_kept = make(budget=0)
    for name in NAMES:
        none_kept.get(name)
        assert none_kept.resident == (name,)
    none_kept.clear()
    assert none_kept.resident == ()


@pytest.mark.fault(10)
def test_a_file_that_changed_is_read_again(make: Make, folder: Path, tmp_path: Path) -> None:
    from tools.make_random_checkpoint import RandomModel

    target = tmp_path / "mine.safetensors"
    os.link(folder / "one.safetensors", target)
    manager = make(models=tmp_path)
    before = manager.get("mine")
    weights = before.parts.unet.conv_in.weight.clone()
    for parked in (False, True):
        if parked:
            manager.get("builtin")
        RandomModel("sd15", tiny=True, seed=7 + parked).write_single(target)  # replaced by a rename, as it should be
        after = manager.get("mine")
        assert after is not before
        assert not torch.equal(after.parts.unet.conv_in.weight, weights)
        weights = after.parts.unet.conv_in.weight.clone()
        assert manager.resident.count("mine") == 1


def test_a_switch_that_fails_leaves_the_model_before(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = make()
    before = manager.get("one")

    def no_memory(parts: Any) -> Any:
        if parts.info.name == "two":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return parts

    monkeypatch.setattr("pipelines.models.resident.place", no_memory)
    with pytest.raises(torch.OutOfMemoryError):
        manager.get("two")
    assert manager.current is before
    assert manager.resident == ("one",)
    with pytest.raises(ModelError, match=r"model_missing.*'four'"):
        manager.get("four")
    assert manager.get("one") is before


def test_twenty_switches_do_not_grow_the_process(make: Make) -> None:
    """Nothing is kept, so that every switch reads and lets go of a whole model."""
    manager = make(budget=0)
    process = psutil.Process()

    def round_of_switches() -> int:
        for name in NAMES:
            manager.get(name).prompts.encode("a cat", steps=2)
        return int(process.memory_info().rss)

    round_of_switches()
    before = round_of_switches()
    sizes = [round_of_switches() for _ in range(6)]
    size = manager.get("one").bytes
    assert max(sizes) - before < size / 2  # a leak of what a switch lets go would be 18 models
