"""The memory plan carried out on a card that is a number, and what its runs teach the next plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import Note, OutOfMemory
from pipelines.groups import InitImage
from pipelines.models import memory
from pipelines.models.memory import Ways
from pipelines.types import GenerationRequest, Progress
from tests.engines.conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
planning = pytest.importorskip("pipelines.engines.planning")
arranging = pytest.importorskip("pipelines.models.weights.arranging")

PICTURE = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 40).convert("RGB")
WISH = GenerationRequest(
    prompt="a cat", model="tiny", width=64, height=64, steps=2, guidance=5.0, seed=7, sampler="DDIM"
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An engine on the card, and a tiny SD 1.5 whose text encoder is not most of it."""
    from pipelines.engines.local import LocalEngine
    from tests.engines.card import CardPlacement
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("tiny", "other")):
        RandomModel("sd15", tiny=True, vocabulary=1000, seed=seed).write_folder(folder / name)
    engine = LocalEngine([folder], device="cpu")
    real = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    engine.manager.placement = CardPlacement(**{item.name: getattr(real, item.name) for item in fields(real)})
    yield engine
    engine.close()


@pytest.fixture
def card(engine: Any) -> Iterator[Any]:
    from tests.engines.card import Counted

    card = engine.manager.placement.card
    fresh = Counted()
    engine.manager.clear()
    for name in ("capacity", "told", "weights", "peak", "moves"):
        setattr(card, name, getattr(fresh, name))
    return card


def made(engine: Any, wish: GenerationRequest = WISH, *seeds: int) -> Any:
    return engine.generate(batch_of(wish, *(seeds or (7,))), ignore)


@pytest.mark.parametrize(
    "ways",
    [
        Ways(text_off=True),
        Ways(parts_alone=True),
        Ways(streamed=True),
        Ways(streamed=True, tiled=True),
        Ways(tiled=True, text_off=True),
    ],
    ids=lambda ways: ", ".join(ways.names),
)
def test_every_way_that_moves_parts_makes_the_same_picture(
    engine: Any, card: Any, ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layer's weights are on the card when it works, and never more than the arithmetic says."""
    from tests.engines.card import checked

    wish = replace(WISH, init=InitImage(image=PICTURE, strength=1.0))  # the VAE's encoder too
    plain = made(engine, wish)[0]
    assert "memory_plan" not in plain.facts
    parts = engine.manager.current.parts
    shape = planning.shape_of(parts)
    assert card.used == card.peak == shape.weights  # all of it stays there
    engine.manager.get("other")
    assert card.used == 0
    monkeypatch.setattr(engine._planner, "ways", lambda *arguments: ways)
    card.peak = 0
    with checked(card, monkeypatch) as layers:
        result = made(engine, wish)[0]
    assert layers.layers > 100
    assert result.image.tobytes() == plain.image.tobytes()
    assert result.facts["memory_plan"] == list(ways.names)
    nothing = memory.calibrated(shape, memory.Calibration(step=0.0, decode=0.0))
    size = memory.Size(width=64, height=64)
    assert card.peak <= memory.peak(nothing, size, ways) * (1.0 if not ways.streamed else 1.35) < shape.weights
    # and again, the prompt now being remembered: no text encoder comes to the card for it
    card.moves.clear()
    with checked(card, monkeypatch):
        assert made(engine, wish)[0].image.tobytes() == plain.image.tobytes()
    assert "+CLIPTextModel" not in card.moves
    monkeypatch.undo()
    assert made(engine, wish)[0].image.tobytes() == plain.image.tobytes()  # all of it on the card again
    assert card.used == shape.weights
    assert not arranging.is_streamed(parts.unet)


def test_the_engine_plans_by_what_the_card_says(engine: Any, card: Any) -> None:
    plain = made(engine)[0]
    shape = planning.shape_of(engine.manager.current.parts)
    size = memory.Size(width=64, height=64)
    engine.manager.clear()
    card.weights.clear()
    whole = memory.peak(shape, size, Ways()) + memory.OVERHEAD
    card.told = whole - 1
    result = made(engine)[0]
    assert result.facts["memory_plan"] == ["text encoders off the card"]
    assert "memory_rungs" not in result.facts
    assert result.image.tobytes() == plain.image.tobytes()
    card.told = whole
    assert "memory_plan" not in made(engine)[0].facts


def test_where_the_arithmetic_was_wrong_the_ladder_takes_parts_off(
    engine: Any, card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card says that there is room for all of it, and lies: first a little, then much."""
    from tests.engines.card import checked

    plain = made(engine)[0]
    shape = planning.shape_of(engine.manager.current.parts)
    card.told = 2**40
    engine.manager.clear()
    for capacity, rungs in (
        (shape.weights - 1, ["free cache", "offload"]),
        (shape.unet - 1, ["free cache", "offload", "sequential"]),  # the prompt is remembered by now
    ):
        card.weights.clear()
        card.capacity = capacity
        with checked(card, monkeypatch):
            result = made(engine)[0]
        assert result.facts["memory_rungs"] == rungs
        assert result.image.tobytes() == plain.image.tobytes()
        assert card.used <= capacity
    card.capacity = 1000
    with pytest.raises(OutOfMemory):
        made(engine, replace(WISH, prompt="a dog"))
    card.capacity = float("inf")
    assert made(engine)[0].image.tobytes() == plain.image.tobytes()


def test_a_lora_joins_a_streamed_unet_and_leaves_it(
    engine: Any, card: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    from tests.engines.card import checked

    plain = made(engine)[0]
    unet = engine.manager.current.parts.unet
    layer = unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_k
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    folder = Path(engine.manager.current.parts.info.path).parent
    generator = torch.Generator().manual_seed(0)
    save_file(
        {
            f"{key}.lora_down.weight": torch.randn(4, layer.in_features, generator=generator),
            f"{key}.lora_up.weight": torch.randn(layer.out_features, 4, generator=generator),
            f"{key}.alpha": torch.tensor(4.0),
        },
        folder / "style.safetensors",
    )
    wish = replace(WISH, prompt="a cat <lora:style:1>")
    styled = made(engine, wish)[0]
    assert styled.image.tobytes() != plain.image.tobytes()
    monkeypatch.setattr(engine._planner, "ways", lambda *arguments: Ways(streamed=True))
    with checked(card, monkeypatch):
        assert made(engine)[0].image.tobytes() == plain.image.tobytes()
        assert made(engine, wish)[0].image.tobytes() == styled.image.tobytes()
        assert made(engine)[0].image.tobytes() == plain.image.tobytes()


def test_eight_bits_change_the_picture_a_little_and_the_file_is_read_again_afterwards(
    engine: Any, card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = made(engine)[0]
    parts = engine.manager.current.parts
    monkeypatch.setattr(engine._planner, "ways", lambda *arguments: Ways(narrow=True))
    narrow = made(engine)[0]
    assert narrow.facts["memory_plan"] == ["8-bit weights"]
    unet = engine.manager.current.parts.unet
    assert unet is parts.unet
    held = sum(weight.numel() * weight.element_size() for weight in unet.parameters())
    assert held < 0.35 * planning.shape_of(parts).unet  # a quarter of fp32, but for its norms
    assert narrow.image.tobytes() != plain.image.tobytes()
    again = made(engine)[0]
    assert engine.manager.current.parts.unet is unet  # kept while the plan wants it so
    assert again.image.tobytes() == narrow.image.tobytes()
    monkeypatch.undo()
    assert made(engine)[0].image.tobytes() == plain.image.tobytes()
    assert not arranging.is_narrow(engine.manager.current.parts.unet)


def test_batches_are_split_and_decoded_in_tiles_on_a_processor_with_little_memory(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can move there; what cannot fit is refused before the system ends the program."""
    from pipelines.models.device import Placement

    engine.manager.clear()
    placement = engine.manager.placement
    plain = Placement(**{item.name: getattr(placement, item.name) for item in fields(Placement)})
    monkeypatch.setattr(engine.manager, "placement", plain)
    alone = [made(engine, WISH, seed)[0] for seed in (7, 8)]
    shape = planning.shape_of(engine.manager.current.parts)
    counted = 9000.0 / memory.ON_A_PROCESSOR.step
    monkeypatch.setattr(planning, "shape_of", lambda parts: replace(shape, step_per_pixel=counted))
    monkeypatch.setattr(planning, "free_for", lambda *_: shape.weights + memory.OVERHEAD + 9000 * 2 * 64 * 64)
    both = made(engine, replace(WISH, batch_size=2), 7, 8)
    assert both[0].facts["memory_plan"] == ["one image at a time"]
    assert [one.image.tobytes() for one in both] == [one.image.tobytes() for one in alone]
    monkeypatch.setattr(planning, "free_for", lambda *_: 1000)
    with pytest.raises(OutOfMemory) as caught:
        made(engine)
    assert caught.value.note.code == "too_little_memory"
    engine.manager.clear()


def test_what_a_run_took_corrects_the_next_plan(engine: Any) -> None:
    parts = engine.manager.get("tiny").parts
    planner = planning.Planner(planning.Peaks())
    size = memory.Size(width=1024, height=1024)
    shape = planning.shape_of(parts)
    before = planner.plan(parts, size).bytes
    decode = memory.decode_bytes(shape, size, Ways())
    work = decode - shape.weights
    planner.learn(parts, size, Ways(), "decode", shape.weights + 2 * work)
    assert planner.plan(parts, size).bytes - before == pytest.approx(work, rel=0.01)


@pytest.mark.fault(3)
def test_a_step_that_takes_three_times_as_long_is_told_once() -> None:
    """By a clock that is a number: the driver lends main memory, and a step takes eight seconds instead of two."""
    now = 0.0
    pace = planning.Pace(clock=lambda: now)
    told: list[Note | None] = []

    def steps(after: Any, *seconds: float, how: str = "called") -> None:
        nonlocal now
        for duration in seconds:
            now += duration
            told.append(after(how))

    steps(pace.watch("plan"), 2.0, 2.1, 30.0)  # too few before to know what is usual
    steps(pace.watch("plan"), 2.0, 1.9, 2.0, 5.9)
    assert told == [None] * 7
    steps(pace.watch("another plan"), 8.0, 8.0)
    assert told == [None] * 9
    steps(pace.watch("plan"), 8.0, 8.0, 2.0)
    assert told[9] == Note("slow_step", seconds=8.0, usual=2.0)
    assert told[10:] == [None, None]
    steps(pace.watch("plan"), 8.0)
    assert told[-1] is not None  # the next batch says it again
    steps(pace.watch("plan"), *[0.1] * 9, how="replayed")
    steps(pace.watch("plan"), 0.5, how="replayed")
    assert told[-1] == Note("slow_step", seconds=0.5, usual=0.1)  # each by those that were made as it was
    steps(pace.watch("plan"), 2.0)
    assert told[-1] is None


@pytest.mark.fault(3)
def test_a_slow_card_is_told_with_the_progress_and_in_the_record(
    engine: Any, card: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(engine, "_pace", planning.Pace(clock=lambda: now))
    heard: list[Progress] = []

    def hear(progress: Progress) -> None:
        nonlocal now
        heard.append(progress)
        now += 9.0 if progress.stage == "denoising" and progress.step == 7 else 1.0

    results = engine.generate(batch_of(replace(WISH, steps=9), 7), hear)
    warnings = [progress.warning for progress in heard if progress.warning is not None]
    assert len(warnings) == 1
    assert (warnings[0].code, warnings[0].values["seconds"]) == ("slow_step", 9.0)
    assert results[0].facts["warnings"] == [warnings[0].to_json()]
