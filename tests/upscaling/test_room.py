"""An upscaler's room: what it takes is in the plan of a second pass, and a model makes room for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from PIL import Image

from pipelines.groups import Hires, Upscale
from pipelines.models import memory
from pipelines.models.memory import Size, Ways
from pipelines.upscaling.plain import OWN
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.errors import OutOfMemory  # noqa: E402

PICTURE = Image.effect_mandelbrot((300, 40), (-2, -1.5, 1, 1.5), 40).convert("RGB")
LARGER = replace(SMALL, upscale=Upscale(image=PICTURE, upscaler=OWN))


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine
    from tests.engines.card import CardPlacement

    engine = LocalEngine(device="cpu")
    real = engine.manager.placement
    engine.manager.placement = CardPlacement(**{item.name: getattr(real, item.name) for item in fields(real)})
    yield engine
    engine.close()


def numbers(engine: Any) -> int:
    """Of the network's weights, as its file has them."""
    from safetensors.torch import load_file

    (info,) = [one for one in engine.upscalers() if one.name == OWN]
    return sum(tensor.numel() for tensor in load_file(info.path).values())


def test_the_arithmetic() -> None:
    """ESRGAN of 23 blocks, 16.7 million numbers, took 236 MB for 128² beside its weights, by the process's own peak."""
    plain, shape = Size(width=512, height=512), memory.shape_of("sd1", bytes_per_number=2)
    needed = memory.upscaler_bytes(67_000_000, (128, 128), 4)
    assert 236_000_000 <= needed - 67_000_000 <= 1.3 * 236_000_000
    assert memory.upscaler_bytes(0, (128, 128), 2) * 2 == needed - 67_000_000
    huge = replace(plain, upscaler=10**11)
    assert memory.peak(shape, huge, Ways()) == shape.weights + 10**11
    assert memory.peak(shape, huge, Ways(parts_alone=True)) == shape.vae + 10**11
    assert memory.peak(shape, replace(plain, upscaler=1), Ways()) == memory.peak(shape, plain, Ways())


@pytest.mark.parametrize(("upscaler", "counts"), [(OWN, True), ("lanczos", False), ("latent", False)])
def test_a_second_pass_plans_for_it(engine: Any, monkeypatch: pytest.MonkeyPatch, upscaler: str, counts: bool) -> None:
    sizes: list[Size] = []
    plan = engine._planner.ways
    monkeypatch.setattr(engine._planner, "ways", lambda parts, size: (sizes.append(size), plan(parts, size))[1])
    request = replace(SMALL, width=128, hires=Hires(by=1.5, upscaler=upscaler, tile=64, overlap=8))
    engine.generate(batch_of(request, 7), ignore)
    (size,) = sizes
    expected = memory.upscaler_bytes(4 * numbers(engine), (64, 64), 4)
    assert size.upscaler == (expected if counts else 0)


def test_a_model_leaves_where_both_have_no_room(engine: Any) -> None:
    card = engine.manager.placement.card
    plain = engine.generate(batch_of(SMALL, 7), ignore)[0].image.tobytes()
    held, larger = card.used, engine.generate(batch_of(LARGER, 7), ignore)[0].image.tobytes()
    assert held > 0
    assert card.used == held  # there was room
    card.told = memory.upscaler_bytes(4 * numbers(engine), (256, 40), 4) + held - 1
    try:
        assert engine.generate(batch_of(LARGER, 7), ignore)[0].image.tobytes() == larger
        assert card.used == 0
    finally:
        card.told = None
    assert engine.generate(batch_of(SMALL, 7), ignore)[0].image.tobytes() == plain
    assert card.used == held


def test_too_much_for_main_memory_is_refused(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.models.device import Placement

    placement = engine.manager.placement
    real = Placement(**{item.name: getattr(placement, item.name) for item in fields(Placement)})
    monkeypatch.setattr(engine.manager, "placement", real)
    monkeypatch.setattr(Placement, "available", lambda self: 1_000_000)
    with pytest.raises(OutOfMemory) as caught:
        engine.generate(batch_of(LARGER, 7), ignore)
    assert caught.value.note.code == "too_little_memory"
