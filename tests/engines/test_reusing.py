"""Inner features that steps share: beside diffusers' own UNet, which computes all of it and is then told what its inner
blocks said at the last whole step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipelines.groups import Hires
from pipelines.leading import Guiding, Reuse
from pipelines.types import GenerationRequest
from tests.engines.conftest import SMALL, Run, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.modifiers import reusing  # noqa: E402
from pipelines.engines.modifiers.base import Call, Modifier  # noqa: E402
from pipelines.engines.modifiers.guiding import FreeU, modifiers_of  # noqa: E402
from pipelines.engines.modifiers.reusing import Reused  # noqa: E402
from pipelines.sampling.schedulers import make_scheduler  # noqa: E402
from tests.engines.test_modifiers import STEPS, Pushed, Third, drawn, euler, network, ours  # noqa: E402


class Told(Modifier):
    """The oracle: nothing is left out, but at these steps the last inner block says what it said before."""

    def __init__(self, whole: set[int]) -> None:
        self.whole, self.step, self.said = whole, 0, dict[str, Any]()

    def applied_to(self, network: Any) -> Any:
        def instead(block: Any, given: Any, said: Any) -> Any:
            if self.step in self.whole:
                self.said["last"] = said.clone()
            return self.said["last"].clone()

        return network.up_blocks[-2].register_forward_hook(instead)  # a context that takes it out

    def call(self, call: Call) -> Any:
        self.step = call.step
        return super().call(call)


@pytest.mark.parametrize(
    ("reuse", "whole"),
    [
        (Reuse(interval=2), {1, 3}),
        (Reuse(interval=3), {1, 4}),
        (Reuse(interval=10), {1}),
        (Reuse(interval=10, start=0.5), {1, 2}),
        (Reuse(interval=10, stop=0.5), {1, 3, 4}),
    ],
)
def test_steps_take_what_the_last_whole_one_said(reuse: Reuse, whole: set[int]) -> None:
    unet, plain = network(), ours(network(), euler())
    found = ours(unet, euler(), Reused(reuse))
    assert torch.allclose(found, ours(network(), euler(), Told(whole)), atol=1e-6)
    assert not torch.allclose(found, plain, atol=1e-3)
    assert torch.equal(ours(unet, euler()), plain)  # nothing is left behind


def test_inner_blocks_rest_and_the_record_tells_when() -> None:
    unet, modifier = network(), Reused(Reuse(interval=2))
    calls = {"inner": 0, "outer": 0}

    def count(name: str) -> Any:
        return lambda *_: calls.__setitem__(name, calls[name] + 1)

    hooks = [unet.mid_block.resnets[0].register_forward_hook(count("inner"))]
    hooks.append(unet.up_blocks[-1].resnets[0].register_forward_hook(count("outer")))
    try:
        ours(unet, euler(), modifier)
    finally:
        for hook in hooks:
            hook.remove()
    assert calls == {"inner": 2, "outer": STEPS}
    assert modifier.facts() == {"reused_steps": [2, 4]}
    assert not any("forward" in block.__dict__ for block in unet.modules())


@pytest.mark.parametrize(
    "beside",
    [
        lambda: (Third(),),
        lambda: (Pushed([drawn(1, *shape) for shape in ((16, 8, 8), (16, 8, 8), (16, 4, 4), (32, 4, 4))],
                        drawn(1, 32, 4, 4)),),
        lambda: (FreeU(Guiding(freeu=True)),),
    ],
    ids=["rows", "residuals", "FreeU"],
)  # fmt: skip
def test_beside_other_modifiers(beside: Any) -> None:
    found = ours(network(), euler(), *beside(), Reused(Reuse(interval=2)))
    assert torch.allclose(found, ours(network(), euler(), *beside(), Told({1, 3})), atol=1e-5)


def test_what_was_kept_of_other_rows_is_not_taken() -> None:
    """Without guidance from the second half on: step 3 has half as many rows as step 2."""
    limited = modifiers_of(Guiding(stop=0.5))
    modifier = Reused(Reuse(interval=10))
    found = ours(network(), euler(), *limited, modifier)
    assert torch.allclose(found, ours(network(), euler(), *limited, Told({1, 3})), atol=1e-6)
    assert modifier.facts() == {"reused_steps": [2, 4]}


def test_one_tensor_waits_for_the_next_step() -> None:
    unet, modifier, kept = network(), Reused(Reuse(interval=2)), list[int]()

    class Looked(Modifier):
        def call(self, call: Call) -> Any:
            one = [each for said in modifier._kept.values() for each in _tensors(said)]
            kept.append(
                sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in one}.values())
            )
            return super().call(call)

    ours(unet, euler(), modifier, Looked())
    numbers = 2 * len(drawn(2)) * 32 * 8 * 8  # rows, channels, places of the last inner block
    assert kept[0] == 0
    assert all(4 * numbers <= one < 4 * numbers + 100 for one in kept[1:]), kept
    assert not modifier._kept


def _tensors(said: Any) -> Any:
    return [each for one in said for each in _tensors(one)] if isinstance(said, tuple) else [said]


def test_the_plan_makes_room_for_it() -> None:
    from pipelines.models import memory

    for family in ("sd1", "sdxl"):
        shape, plain = memory.shape_of(family, bytes_per_number=2), memory.Size(width=1024, height=1024)
        more = memory.step_bytes(shape, replace(plain, shares=True), memory.Ways())
        waiting = 2 * 2 * 640 * 128 * 128  # rows, bytes, channels, places
        assert waiting <= more - memory.step_bytes(shape, plain, memory.Ways()) < 2 * waiting


def test_a_step_of_two_calls_is_whole_or_not() -> None:
    seen: list[tuple[int, bool]] = []

    class Looked(Modifier):
        def call(self, call: Call) -> Any:
            seen.append((call.step, modifier._now))
            return super().call(call)

    modifier = Reused(Reuse(interval=2))
    ours(network(), make_scheduler("Heun", "automatic", {}, [1, 2]), modifier, Looked())
    assert dict(seen) == {1: False, 2: True, 3: False, 4: True}
    assert len(set(seen)) == 4 < len(seen)


def test_a_streamed_network_leaves_no_layer_out_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer brings the next one to the card."""
    found, unet, calls = ours(network(), euler(), Reused(Reuse(interval=2))), network(), []
    monkeypatch.setattr(reusing, "is_streamed", lambda network: True)
    hook = unet.mid_block.resnets[0].register_forward_hook(lambda *_: calls.append(1))
    streamed = ours(unet, euler(), Reused(Reuse(interval=2)))
    hook.remove()
    assert torch.equal(streamed, found)
    assert len(calls) == STEPS


REUSED: dict[str, Any] = {"reuse": Reuse(interval=2), "steps": 4}


def test_a_picture_is_made_again_and_the_next_is_as_before(run: Run) -> None:
    plain, found = run(steps=4)[0], run(**REUSED)[0]
    assert found.image.tobytes() != plain.image.tobytes()
    assert found.facts["reused_steps"] == [2, 4]
    assert "reused_steps" not in plain.facts
    assert run(**REUSED)[0].image.tobytes() == found.image.tobytes()
    assert run(steps=4)[0].image.tobytes() == plain.image.tobytes()


def test_both_passes_share_and_tell_of_it(run: Run) -> None:
    (found,) = run(**REUSED, hires=Hires(by=1.5, strength=0.5))
    assert [one["reused_steps"] for one in found.facts["passes"]] == [[2, 4], [2]]


def test_looking_where_words_look_changes_no_pixel(engine: Any) -> None:
    request = replace(SMALL, **REUSED)
    batch = replace(next(request.batches_from(7)), threads=1)
    plain, watched = (engine.generate(replace(batch, attention=look), ignore)[0] for look in (False, True))
    assert watched.image.tobytes() == plain.image.tobytes()
    assert watched.attention.words


def test_the_rule_is_the_requests_alone() -> None:
    request = GenerationRequest(reuse=Reuse(interval=3, start=0.25, stop=0.9), steps=20)
    assert request.reuse is not None
    assert [step for step in range(1, 21) if request.reuse.at(step, 20)] == [6, 8, 9, 11, 12, 14, 15, 17, 18]
