"""Models of their real size with random weights, offline: loaded, drawn with, switched, converted. Minutes each, up to
10 GB of memory and 15 GB of disk. Run with `-m slow`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.models.files.anatomy import parts_of
from pipelines.types import GenerationRequest
from tests.engines.conftest import batch_of, ignore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
torch = pytest.importorskip("torch")
bench = pytest.importorskip("tools.bench_models")

WISH = GenerationRequest(prompt="a (cat:1.2)", width=64, height=64, steps=1, sampler="DPM++ 2M", seed=7)
# Parameters of the published networks in millions, as their authors and diffusers' cards give them
MILLIONS = {
    "sd15": {"text_encoder": 123, "unet": 860, "vae": 84},
    "sd15-inpaint": {"text_encoder": 123, "unet": 860, "vae": 84},
    "sd21": {"text_encoder": 354, "unet": 866, "vae": 84},
    "sdxl": {"text_encoder": 123, "text_encoder_2": 695, "unet": 2567, "vae": 84},
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """pytest keeps the folders of its last runs, and these are too large for that."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def write(name: str, path: Path, seed: int = 0) -> Path:
    from tools.make_random_checkpoint import RandomModel

    model = RandomModel(name, tiny=False, seed=seed)
    (model.write_single if path.suffix else model.write_folder)(path)
    return path


@contextmanager
def engine_on(folder: Path, dtype: Any = None) -> Iterator[Any]:
    """`dtype` as the files have it: their pages are used as they are, so that even SDXL needs no memory of its own."""
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine([folder], device="cpu")
    if dtype is not None:
        engine.manager.placement = replace(engine.manager.placement, dtype=dtype, channels_last=False)
    try:
        yield engine
    finally:
        engine.close()


@pytest.mark.parametrize("name", MILLIONS)
def test_every_family_is_loaded_and_draws(folder: Path, name: str) -> None:
    write(name, folder / f"{name}.safetensors")
    with engine_on(folder, torch.float16 if name == "sdxl" else None) as engine:
        info = next(info for info in engine.models() if info.name == name)
        counted = {part.name: round(part.parameters / 1e6) for part in parts_of(info)}
        assert {part: counted[part] for part in MILLIONS[name]} == pytest.approx(MILLIONS[name], abs=1)
        one, again, other = (
            engine.generate(batch_of(replace(WISH, model=name), seed), ignore)[0] for seed in (7, 7, 8)
        )
        assert one.image.size == (64, 64)
        assert len(set(one.image.tobytes())) > 16  # not one colour
        assert one.image.tobytes() == again.image.tobytes() != other.image.tobytes()
        assert one.facts["model"]["family"] == info.family
        assert engine.generate(batch_of(replace(WISH, model="builtin"), 7), ignore)
        assert engine.manager.resident == (name, "builtin")
        assert engine.generate(batch_of(replace(WISH, model=name), 7), ignore)[0].image.tobytes() == one.image.tobytes()


def test_folder_single_file_and_pickle_make_the_same_picture(folder: Path) -> None:
    from safetensors.torch import load_file

    single = write("sd15", folder / "single.safetensors")
    write("sd15", folder / "whole")
    torch.save({"state_dict": load_file(single), "global_step": 1}, folder / "old.ckpt")
    with engine_on(folder, torch.float16) as engine:
        names = ("single", "old", "whole")
        pictures = [engine.generate(batch_of(replace(WISH, model=name), 7), ignore)[0].image for name in names]
    assert len({picture.tobytes() for picture in pictures}) == 1
    assert len(list(folder.glob(".converted/*.safetensors"))) == 1


def test_fifty_switches_do_not_grow_the_process(folder: Path) -> None:
    """Between three models; after the first round the process holds what it holds."""
    files = [write("sd15", folder / f"{seed}.safetensors", seed) for seed in range(3)]
    found = bench.in_child("switches", "float16", 51, files)
    assert found["most_growth_of_anonymous"] <= 0.01
    assert found["most_growth_of_resident"] <= 0.01


@pytest.mark.parametrize("side", [512, 768])
def test_the_memory_of_a_picture_is_what_was_predicted(folder: Path, side: int) -> None:
    found = bench.in_child("picture", "own", side, [write("sd15", folder / "one.safetensors")])
    assert found["peak_resident"] == pytest.approx(found["predicted"], rel=0.15)
