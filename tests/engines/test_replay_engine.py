"""Replays through the whole engine, on a card that is a number: whatever is done with the weights beside them, a graph
is used while all of it is as it was, and the pictures are those of calls that are made as usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import NotFinite, OutOfMemory
from pipelines.groups import Hires, Upscale
from pipelines.leading import Control
from pipelines.models import memory
from pipelines.models.memory import Ways
from pipelines.types import GenerationRequest, GenerationResult
from pipelines.watching import Filming
from tests.engines.conftest import batch_of, ignore
from tests.engines.test_planning import PICTURE, WISH, engine

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines import planning, running  # noqa: E402
from pipelines.engines.replay import Replays, fingerprint  # noqa: E402
from pipelines.models.weights.arranging import widened  # noqa: E402
from tests.engines.recording import Tapes  # noqa: E402

__all__ = ["engine"]  # the fixture of the plan's tests
WISH4 = replace(WISH, steps=4)
FIRST, AGAIN = ["warm", "warm", "capture", "replay", "replay"], ["replay"] * 4


@pytest.fixture
def card(engine: Any) -> Iterator[Any]:
    """What the engine has in memory stays there from test to test."""
    card = engine.manager.placement.card
    card.told, card.capacity = None, float("inf")
    yield card
    card.told, card.capacity = None, float("inf")


@pytest.fixture
def tapes(engine: Any, card: Any, monkeypatch: Any) -> Tapes:
    """Weights that leave the card come back to another place."""

    def take_off(placement: Any, module: Any) -> None:
        if any(id(one) in card.weights for one in module.parameters()):
            for one in module.parameters():
                one.data = one.data.clone()
        card.drop(module.parameters())

    tapes = Tapes()
    monkeypatch.setattr(type(engine.manager.placement), "take_off", take_off)
    monkeypatch.setattr(engine, "replays", Replays(tapes))
    return tapes


def made(engine: Any, wish: GenerationRequest, **batch: Any) -> GenerationResult:
    result: GenerationResult = engine.generate(replace(batch_of(wish, 7), **batch), ignore)[0]
    return result


def pixels(engine: Any, wish: GenerationRequest, **batch: Any) -> bytes:
    return made(engine, wish, **batch).image.tobytes()


def usual(engine: Any, wish: GenerationRequest) -> bytes:
    """Without replays."""
    replays, engine.replays = engine.replays, Replays(None)
    try:
        result = made(engine, wish)
        assert "replayed" not in result.facts
        return result.image.tobytes()
    finally:
        engine.replays = replays


def test_the_same_picture_and_the_record_says_how(engine: Any, tapes: Tapes, monkeypatch: Any) -> None:
    learned: list[str] = []
    monkeypatch.setattr(engine._planner, "learn", lambda *given: learned.append(given[3]))
    plain = usual(engine, WISH4)
    learned.clear()
    for done, taught in ((FIRST, ["step", "decode"]), (AGAIN, ["decode"])):
        result = made(engine, WISH4)
        assert (result.image.tobytes(), result.facts["replayed"]) == (plain, True)
        assert tapes.took() == done
        assert learned == taught  # what a replay takes says nothing of what a call does
        learned.clear()


@pytest.mark.parametrize(
    ("ways", "first", "second"),
    [
        (Ways(text_off=True), FIRST, AGAIN),
        (Ways(parts_alone=True), FIRST, FIRST),
        (Ways(streamed=True), [], []),
        (Ways(singly=True), [*FIRST, *AGAIN], AGAIN * 2),
    ],
    ids=lambda one: ", ".join(one.names) if isinstance(one, Ways) else "",
)
def test_every_way_of_the_memory_plan(
    engine: Any, tapes: Tapes, ways: Ways, first: list[str], second: list[str], monkeypatch: Any
) -> None:
    """Weights that come and go come to other places; nothing is captured of those that do within a call."""
    seeds = (7, 8) if ways.singly else (7,)
    plain = [usual(engine, WISH4)]
    monkeypatch.setattr(engine._planner, "ways", lambda *_: ways)
    for done in (first, second):
        results = engine.generate(batch_of(replace(WISH4, batch_size=len(seeds)), *seeds), ignore)
        assert [one.image.tobytes() for one in results[:1]] == plain
        assert tapes.took() == done
        assert bool(engine.replays.bytes) == bool(first and not ways.parts_alone)


def test_eight_bits_are_called(engine: Any, tapes: Tapes, monkeypatch: Any) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(engine._planner, "ways", lambda *_: Ways(narrow=True))
        assert "replayed" not in made(engine, WISH4).facts
        assert tapes.took() == []
    assert pixels(engine, WISH4) == usual(engine, WISH4)  # read anew
    assert tapes.took() == FIRST


def test_another_model_and_back(engine: Any, tapes: Tapes) -> None:
    plain = pixels(engine, WISH4)
    assert pixels(engine, replace(WISH4, model="other")) not in (b"", plain)
    assert pixels(engine, WISH4) == plain
    assert tapes.took() == FIRST * 3


def test_loras_on_and_off_and_of_another_strength(engine: Any, tapes: Tapes) -> None:
    """A strength is a plain number: a graph of another one would go on with that."""
    from safetensors.torch import save_file

    parts = engine.manager.get("tiny").parts
    layer = parts.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_k
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    ends = {"down": (4, layer.in_features), "up": (layer.out_features, 4)}
    tensors = {f"{key}.lora_{end}.weight": torch.randn(*shape) for end, shape in ends.items()}
    save_file({**tensors, f"{key}.alpha": torch.tensor(4.0)}, Path(parts.info.path).parent / "ink.safetensors")
    seen = set()
    for prompt in ("a cat", "a cat <lora:ink:1>", "a cat <lora:ink:0.5>", "a cat"):
        wish = replace(WISH4, prompt=prompt)
        seen.add(pixels(engine, wish))
        assert tapes.took() == FIRST
        assert seen >= {usual(engine, wish)}
    assert len(seen) == 3
    assert pixels(engine, replace(WISH4, prompt="a cat <lora:ink:0@0,1@1>")) not in seen
    assert tapes.took() == []  # one that comes step by step


def test_a_controlnet_works_beside_the_graph_of_each_pass(engine: Any, tapes: Tapes) -> None:
    """What it adds is given at each call; where it stops, the call is another one."""
    from safetensors.torch import save_file

    from tests.engines.test_control import drawn, made_for

    engine.manager.clear()
    parts = engine.manager.get("tiny").parts
    save_file(made_for(parts.unet, 1, (8, 8, 8, 8)).state_dict(), Path(parts.info.path).parent / "lines.safetensors")
    control = Control(map=drawn(3), model="lines", end=0.5)
    wish = replace(WISH4, steps=8, control_1=control, hires=Hires(by=1.5, strength=1.0))
    usual(engine, replace(wish, steps=1, hires=None))  # a processor's last bits depend on whether a file is mapped
    result = made(engine, wish)
    assert tapes.took().count("capture") == 4
    assert [one["replayed"] for one in result.facts["passes"]] == [True, True]
    assert result.image.tobytes() == usual(engine, wish)


@pytest.mark.parametrize("watched", [{"attention": True}, {"filming": Filming(moments=2)}], ids=["attention", "film"])
def test_what_is_watched_is_called(engine: Any, tapes: Tapes, watched: dict[str, Any]) -> None:
    pixels(engine, WISH4)
    tapes.took()
    assert "replayed" not in made(engine, WISH4, **watched).facts
    assert tapes.took() == []


def test_graphs_are_the_first_to_go_when_memory_runs_out(engine: Any, tapes: Tapes) -> None:
    plain, held = pixels(engine, WISH4), []

    def fail(*_: Any) -> None:
        held.append(engine.replays.bytes)
        if len(held) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = engine.manager.current.parts.vae.decoder.register_forward_pre_hook(fail)
    try:
        result = made(engine, WISH4)
    finally:
        hook.remove()
    assert held == [tapes.bytes, 0]
    assert result.facts["memory_rungs"] == ["free cache"]
    assert result.image.tobytes() == plain


def test_graphs_have_what_the_plan_leaves_and_change_nothing_of_it(engine: Any, card: Any, tapes: Tapes) -> None:
    shape, size = planning.shape_of(engine.manager.get("tiny").parts), memory.Size(width=64, height=64)
    whole = memory.peak(shape, size, Ways()) + memory.OVERHEAD
    tapes.bytes = memory.work_bytes(shape, size, Ways())
    enough = whole + tapes.bytes
    for told, done in ((enough - 1, []), (enough, FIRST), (enough, AGAIN), (whole, [])):
        card.told = told
        result = made(engine, WISH4)
        assert "memory_plan" not in result.facts
        assert tapes.took() == done
        assert engine.replays.bytes == (tapes.bytes if done else 0)
    card.told = whole - 1
    assert made(engine, WISH4).facts["memory_plan"] == ["text encoders off the card"]


def test_numbers_that_run_over_are_made_again_without_graphs(engine: Any, tapes: Tapes, monkeypatch: Any) -> None:
    """Weights in float32 lie elsewhere; afterwards the very tensors of before are back."""
    plain = pixels(engine, WISH4)
    tapes.took()
    denoise, tried = running.denoise, []

    def once_over(*given: Any) -> Any:
        tried.append((given[0].stand, engine.replays.bytes))
        if len(tried) == 1:
            raise NotFinite("not_finite_at", step=1)
        return denoise(*given)

    monkeypatch.setattr(running, "denoise", once_over)
    monkeypatch.setattr(running, "can_widen", lambda parts: True)
    assert pixels(engine, WISH4) == plain  # it is in float32 already
    assert tried[1] == (None, 0)
    assert tapes.took() == []
    engine.manager.get("other")
    parts = engine.manager.current.parts
    parts.unet.to(torch.bfloat16)
    before = fingerprint(parts.unet).facts
    with widened(parts):
        assert fingerprint(parts.unet).facts != before
    assert fingerprint(parts.unet).facts == before
    engine.manager.clear()


def test_an_upscaler_has_the_card_for_itself(engine: Any, tapes: Tapes, monkeypatch: Any) -> None:
    pixels(engine, WISH4)
    held = [engine.replays.bytes]

    def network_of(info: Any) -> Any:
        held.append(engine.replays.bytes)
        raise MemoryError

    monkeypatch.setattr(engine, "_network_of", network_of)
    wish = GenerationRequest(upscale=Upscale(image=PICTURE, upscaler="builtin-2x"), seed=7)
    with pytest.raises(OutOfMemory):
        engine.generate(batch_of(wish, 7), ignore)
    assert held == [tapes.bytes, 0]


def test_the_option_reaches_the_engine(monkeypatch: Any, tmp_path: Path) -> None:
    from pipelines.engines import local
    from pipelines.engines.worker import WorkerEngine
    from webui.commands import main
    from webui.server import make_engine

    monkeypatch.setattr(WorkerEngine, "_start", lambda worker: None)
    monkeypatch.setattr(local, "recorder_for", lambda device: Tapes())
    for given, replay in (([], True), (["--no-replay"], False)):
        settings = main.settings_of(main.parser().parse_args(["serve", "--data-dir", str(tmp_path), *given]))
        worker = make_engine(settings)
        assert worker._options.replay is replay  # type: ignore[attr-defined]
        worker.close()
        own = local.LocalEngine(device="cpu", replay=replay)
        assert own.replays.may_capture is replay
        own.close()
