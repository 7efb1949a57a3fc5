"""What works beside a model's own networks is in the memory plan, on the card when it works, and gone afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.leading import Guiding, Reference
from pipelines.models import memory
from pipelines.models.memory import Ways
from pipelines.prompts.wish import wish_of
from tests.engines.test_planning import PICTURE, WISH, card, engine, made
from tools import tiny_adapters
from tools.tiny_clip import write_tiny

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines import planning, running  # noqa: E402
from pipelines.engines.modifiers.base import Added, Call, Modifier  # noqa: E402
from pipelines.engines.passes import brought, size_of_all  # noqa: E402
from pipelines.models.weights.components import Beside, Components  # noqa: E402

__all__ = ["card", "engine"]  # the fixtures of the plan's other tests
WAYS = [Ways(), Ways(text_off=True), Ways(parts_alone=True), Ways(streamed=True)]


class Second(Modifier):
    """A network in each stage: one reads something before the denoising, one works at every step."""

    more_rows = 1

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.reads = torch.nn.Linear(64, 64)
        self.works = torch.nn.Sequential(torch.nn.Conv2d(4, 512, 3, padding=1), torch.nn.Conv2d(512, 4, 3, padding=1))
        for part in (self.reads, self.works):
            part.eval().requires_grad_(False)
        self.weights = (Beside(module=self.reads, stage="text"), Beside(module=self.works, stage="unet"))
        self.read: Any = None

    def prepare(self, parts: Components) -> None:
        self.read = self.reads(torch.ones(1, 64)).mean()

    def call(self, call: Call) -> Added:
        return Added()

    def after_guidance(self, prediction: Any, predictions: Any, call: Call) -> Any:
        return prediction + self.works(prediction) + self.read


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Second:
    modifier, plain = Second(), running.passes_of
    monkeypatch.setattr(running, "passes_of", lambda *given: (replace(plain(*given)[0], modifiers=(modifier,)),))
    return modifier


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: ", ".join(ways.names) or "all of it")
def test_it_is_there_when_it_works_by_every_way(
    engine: Any, card: Any, second: Second, ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.engines.card import checked

    asked: list[Any] = []
    monkeypatch.setattr(engine._planner, "ways", lambda parts, size: (asked.append((parts, size)), ways)[1])
    with checked(card, monkeypatch):
        result = made(engine)[0]
    ((parts, size),) = asked
    assert size == memory.Size(width=64, height=64, rows=3)
    shape = planning.shape_of(parts)
    own = planning.shape_of(engine.manager.current.parts)
    bytes_of = {part: sum(4 * one.numel() for one in part.parameters()) for part in (second.reads, second.works)}
    assert (shape.text, shape.beside) == (own.text + bytes_of[second.reads], bytes_of[second.works])
    assert shape.weights == own.weights + sum(bytes_of.values())
    nothing = memory.calibrated(shape, memory.Calibration(step=0.0, decode=0.0))
    assert card.peak <= memory.peak(nothing, size, ways) * (1.0 if not ways.streamed else 1.35)
    for part in (second.reads, second.works):
        assert not any(id(one) in card.weights for one in part.parameters())  # gone behind its run
    monkeypatch.setattr(engine._planner, "ways", lambda *_: Ways())
    assert made(engine)[0].image.tobytes() == result.image.tobytes()
    monkeypatch.setattr(running, "passes_of", lambda *given, plain=running.passes_of: (_bare(plain(*given)[0]),))
    assert made(engine)[0].image.tobytes() != result.image.tobytes()


def _bare(one: Any) -> Any:
    return replace(one, modifiers=())


def test_it_makes_a_plan_take_parts_off(engine: Any, card: Any, second: Second) -> None:
    """Room for the model and its work, and not for what works beside it too."""
    shape = planning.shape_of(engine.manager.get("tiny").parts)
    size = memory.Size(width=64, height=64, rows=3)
    card.told = memory.peak(shape, size, Ways()) + memory.OVERHEAD
    assert made(engine)[0].facts["memory_plan"] == ["text encoders off the card"]


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: ", ".join(ways.names) or "all of it")
def test_a_spoilt_network_is_counted_and_the_same_by_every_way(
    engine: Any, card: Any, ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.engines.card import checked

    guiding, asked = Guiding(attention=3.0, layers=1.0, freeu=True, method="projected"), list[Any]()
    plain = made(engine, replace(WISH, guiding=guiding))[0].image.tobytes()
    monkeypatch.setattr(engine._planner, "ways", lambda parts, size: (asked.append(size), ways)[1])
    with checked(card, monkeypatch):
        assert made(engine, replace(WISH, guiding=guiding))[0].image.tobytes() == plain
    assert asked == [memory.Size(width=64, height=64, rows=4)]


def test_what_an_image_remembers_of_its_steps_is_its_own(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, as `--exact` makes them, each is as it is alone: APG goes on its own ways alone."""
    monkeypatch.setattr(engine._planner, "ways", lambda *_: Ways(singly=True))
    wish = replace(WISH, guiding=Guiding(method="projected", momentum=-0.5, longest=0.0))
    together = [one.image.tobytes() for one in made(engine, replace(wish, batch_size=2), 7, 8)]
    assert together == [made(engine, wish, seed)[0].image.tobytes() for seed in (7, 8)]


def test_a_network_of_two_passes_is_counted_once_and_the_largest_pass_decides(engine: Any, second: Second) -> None:
    request = replace(WISH, guidance=1.0)
    passes = running.passes_of(next(request.batches_from(7)), wish_of(request), running.Means())
    larger = replace(passes[0], request=replace(WISH, width=128), modifiers=())
    parts = brought(engine.manager.get("tiny").parts, (*passes, *passes, larger))
    assert [one.module for one in parts.beside] == [second.reads, second.works]
    assert size_of_all(parts, (*passes, larger), 2) == memory.Size(width=128, height=64, batch=2, rows=2)
    assert brought(parts, (larger,)) is parts


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: ", ".join(ways.names) or "all of it")
def test_a_reference_picture_is_looked_at_by_every_way(
    engine: Any, card: Any, ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its adapter is on the card with the text encoders alone, its encoder never."""
    from tests.engines.card import checked

    info = engine.manager.get("tiny").info
    if not (folder := Path(info.path).parent / "ip").is_dir():
        tiny_adapters.write(folder, "plus", engine.manager.current.parts.unet, "plus")
        write_tiny(folder / "clip")
    wish = engine.named(replace(WISH, reference_1=Reference(picture=PICTURE, weight=1.5)))
    plain = made(engine, wish)[0].image.tobytes()
    assert plain != made(engine)[0].image.tobytes()
    monkeypatch.setattr(engine._planner, "ways", lambda *_: ways)
    with checked(card, monkeypatch):
        assert made(engine, wish)[0].image.tobytes() == plain
    (adapter,) = engine._references._held.values()
    assert not any(id(one) in card.weights for one in adapter.parameters())  # gone behind its run
