"""A call of the network that a card replays: on a processor, by a recorder that asserts at each replay that it is the
very call that was captured. Whatever changes the denoising, it comes to the bits of calls that are made as usual."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.leading import Guiding, Reuse

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.modifiers.base import Call, Modifier  # noqa: E402
from pipelines.engines.modifiers.editing import PictureGuidance  # noqa: E402
from pipelines.engines.modifiers.guiding import modifiers_of  # noqa: E402
from pipelines.engines.modifiers.inpainting import MaskedPicture  # noqa: E402
from pipelines.engines.modifiers.reusing import Reused  # noqa: E402
from pipelines.engines.modifiers.tiling import Edges, Tiling  # noqa: E402
from pipelines.engines.replay import Replays, Room, fingerprint, recorder_for  # noqa: E402
from pipelines.sampling.schedulers import make_scheduler  # noqa: E402
from tests.engines.recording import Taped, Tapes  # noqa: E402
from tests.engines.test_modifiers import IMAGES, NOISE, STEPS, Late, Pushed, Third, drawn, euler, network, ours  # noqa: E402

WARM, CAPTURED, REPLAYED = ["warm"] * 2, ["capture", "replay"], ["replay"]
FIRST = [*WARM, *CAPTURED, *REPLAYED]  # of four calls; the next run of the same is four replays


class Unled(Modifier):
    """Without guidance, where a prediction is what the network said, and not made of it."""

    def rows(self, rows: Any, step: int) -> Any:
        return rows[1:]


@pytest.mark.parametrize("sampler", ["DDIM", "DPM++ 2M", "Heun", "UniPC", "LMS", "Euler a", "PLMS"])
def test_every_sampler_comes_to_the_same_by_replays(sampler: str) -> None:
    """Those of several steps keep what the network said: it is their own, and not where the next replay writes."""

    def made(replays: Replays | None) -> Any:
        scheduler = make_scheduler(sampler, "automatic", dict(euler().config), [7] * IMAGES)
        return ours(unet, scheduler, Unled(), replays=replays)

    unet, tapes = network(), Tapes()
    plain, replays = made(None), Replays(tapes)
    assert torch.equal(made(replays), plain)
    calls = len(tapes.took()) - 1
    assert torch.equal(made(replays), plain)
    assert tapes.took() == REPLAYED * calls  # the graph is still good
    assert calls >= STEPS


RESIDUALS = Pushed([drawn(4, 16, 8, 8), drawn(4, 16, 8, 8), drawn(4, 16, 4, 4), drawn(4, 32, 4, 4)], drawn(4, 32, 4, 4))


class Pausing(Pushed):
    """As a ControlNet that comes late."""

    def call(self, call: Call) -> Any:
        return super().call(call) if call.step > 2 else Modifier.call(self, call)


@pytest.mark.parametrize(
    ("modifiers", "captures", "channels"),
    [
        ((Third(),), 1, 4),
        ((Late(),), 1, 4),
        ((RESIDUALS,), 1, 4),
        ((Pausing(RESIDUALS.down, RESIDUALS.middle),), 0, 4),  # each kind of call comes twice
        ((MaskedPicture(channels=drawn(IMAGES, 5, 8, 8)),), 1, 9),
        ((PictureGuidance(picture=NOISE, guidance=1.5),), 1, 8),
        (modifiers_of(Guiding(freeu=True)), 1, 4),
        (modifiers_of(Guiding(rescale=0.7, method="projected")), 1, 4),
        (modifiers_of(Guiding(stop=0.75)), 1, 4),  # the last call has no rows for the negative prompt
        (modifiers_of(Guiding(attention=3.0)), 0, 4),
        (modifiers_of(Guiding(layers=1.0)), 0, 4),
        (modifiers_of(Guiding(smoothing=1.0)), 0, 4),
        ((Reused(Reuse(interval=2)),), 0, 4),
        ((Tiling(edges=Edges(across=True)),), 1, 4),
    ],
)
def test_what_changes_the_denoising_comes_to_the_same_by_replays(
    modifiers: tuple[Modifier, ...], captures: int, channels: int
) -> None:
    unet, tapes = network(channels), Tapes()
    replays = Replays(tapes)
    expected = ours(unet, euler(), *modifiers)
    assert torch.equal(ours(unet, euler(), *modifiers, replays=replays), expected)
    assert tapes.took().count("capture") == captures
    if channels == 4:
        plain = ours(unet, euler())
        assert torch.equal(ours(unet, euler(), replays=replays), plain)
        assert not torch.equal(plain, expected)
    assert torch.equal(ours(unet, euler(), *modifiers, replays=replays), expected)


def test_another_shape_is_another_graph_and_the_one_used_last_least_is_dropped(monkeypatch: Any) -> None:
    monkeypatch.setattr("pipelines.engines.replay.KEPT", 2)
    unet, tapes = network(), Tapes()
    replays = Replays(tapes)

    def done(width: int) -> list[str]:
        ours(unet, euler(), noise=drawn(IMAGES, 4, 8, width), replays=replays)
        return tapes.took()

    assert [done(8), done(10), done(8), done(12)] == [FIRST, FIRST, REPLAYED * 4, FIRST]
    assert [done(8), done(10)] == [REPLAYED * 4, FIRST]
    assert replays.bytes == 2 * tapes.bytes


class Spoilt(Taped):
    def replay(self) -> None:
        super().replay()
        self.output[0, 0, 0, 0] = torch.nextafter(self.output[0, 0, 0, 0], torch.tensor(torch.inf))


class Spoiling(Tapes):
    """A card whose graphs are one bit off."""

    def capture(self, call: Any) -> Spoilt:
        return Spoilt(**vars(super().capture(call)))


def test_a_graph_that_comes_to_other_bits_is_not_used(caplog: Any) -> None:
    unet, tapes = network(), Spoiling()
    replays, plain = Replays(tapes), ours(unet, euler())
    assert torch.equal(ours(unet, euler(), replays=replays), plain)
    assert tapes.took() == [*WARM, *CAPTURED]
    assert "other bits" in caplog.text
    assert torch.equal(ours(unet, euler(), replays=replays), plain)
    assert tapes.took() == []  # nor tried again
    assert replays.bytes == 0


def test_few_calls_are_not_worth_it_unless_the_graph_is_there() -> None:
    layer, tapes = torch.nn.Conv2d(4, 4, 3, padding=1), Tapes()
    replays = Replays(tapes)

    def run(calls: int) -> list[str]:
        stand = replays.of(_Plain(layer), calls=calls, room=Room(most=10**6, each=10))
        with torch.no_grad():
            for _ in range(calls):
                stand(NOISE, torch.tensor(3.0))
        assert (stand.replayed, stand.made) == (tapes.done.count("replay"), calls - tapes.done.count("replay"))
        return tapes.took()

    assert [run(3), run(4), run(3)] == [[], FIRST, REPLAYED * 3]


def test_no_graph_is_captured_that_has_no_room() -> None:
    layer, tapes = torch.nn.Conv2d(4, 4, 3, padding=1), Tapes(bytes=100)
    replays = Replays(tapes)

    def run(most: int, each: int, width: int = 8) -> list[str]:
        stand = replays.of(_Plain(layer), calls=4, room=Room(most=most, each=each))
        with torch.no_grad():
            for _ in range(4):
                stand(drawn(2, 4, 8, width), torch.tensor(3.0))
        return tapes.took()

    assert run(99, 100) == []
    assert run(100, 100) == FIRST
    assert run(100, 100, 9) == FIRST  # the other has to go
    assert replays.bytes == 100
    assert run(250, 100) == FIRST
    assert replays.bytes == 200
    assert run(199, 100) == REPLAYED * 4  # less room than before
    assert replays.bytes == 100
    tapes.bytes = 500
    run(300, 100, 10)  # it takes more than was thought: never again
    assert replays.bytes == 0
    assert run(300, 100, 10) == []


def test_a_capture_that_fails_is_told_once_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    unet, tapes = network(), Tapes(fails=torch.OutOfMemoryError("CUDA out of memory"))
    replays = Replays(tapes)

    def done(width: int) -> list[str]:
        noise = drawn(IMAGES, 4, 8, width)
        assert torch.equal(ours(unet, euler(), noise=noise, replays=replays), ours(unet, euler(), noise=noise))
        return tapes.took()

    assert done(8) == [*WARM, "capture"]
    tapes.fails = None
    assert done(8) == []
    told = [record.message for record in caplog.records]
    assert told == ["a call of the network could not be captured and is made as usual: CUDA out of memory"]
    assert done(10) == FIRST
    tapes.fails = RuntimeError("operation not permitted when stream is capturing")
    assert done(12) == [*WARM, "capture"]
    tapes.fails = None
    assert [done(14), done(10)] == [[], REPLAYED * 4]  # two are enough


def test_what_is_put_elsewhere_is_captured_anew() -> None:
    unet, tapes = network(), Tapes()
    replays, plain = Replays(tapes), ours(unet, euler())
    for one in unet.parameters():
        assert torch.equal(ours(unet, euler(), replays=replays), plain)
        one.data = one.data.clone()
        if len(tapes.done) > 20:
            break
    assert tapes.took() == FIRST * 5
    weight = unet.conv_in.weight
    weight.data.mul_(2)  # where it lies: a graph reads what is there
    assert torch.equal(ours(unet, euler(), replays=replays), ours(unet, euler()))
    assert tapes.took() == FIRST


class _Plain:
    """A layer as a network is asked."""

    def __init__(self, layer: Any) -> None:
        self.layer, self.modules = layer, layer.modules

    def __call__(self, sample: Any, timestep: Any, **options: Any) -> Any:
        return (self.layer(sample) + timestep,)


class Opaque:
    """What no graph can be told."""


def test_a_call_that_a_graph_cannot_be_told_is_made() -> None:
    tapes, network = Tapes(), _Plain(torch.nn.Conv2d(4, 4, 3, padding=1))
    replays, sample = Replays(tapes), torch.ones(2, 4, 8, 8)

    def said(stand: Any, **options: Any) -> Any:
        with torch.no_grad():
            return stand(sample, torch.tensor(3.0), **options)[0]

    expected, room = said(network), Room(most=10**6, each=10)
    for odd in ({"a": Opaque()}, {"a": {"b": [object()]}}, {"a": torch.ones(1, 1).expand(5, 5)}):
        stand = replays.of(network, calls=9, room=room)
        assert all(torch.equal(said(stand, **odd), expected) for _ in range(5))
    assert [one for one in tapes.took() if one != "warm"] == []
    for plain in ({"a": 1}, {"a": True}, {"a": 1.0}, {"a": {"b": (None, "c")}}, {}):
        stand = replays.of(network, calls=9, room=room)
        assert all(torch.equal(said(stand, **plain), expected) for _ in range(3))
        assert tapes.took() == [*WARM, *CAPTURED]
    assert Replays(None).of(network, calls=9, room=room) is None
    assert recorder_for("cpu") is recorder_for("mps") is None


def test_whatever_is_otherwise_about_a_network_is_seen() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 4)).eval()
    network[0].scaling = {"lora0": 1.0}
    network[0].levels, network[0].beside = [1, 2], torch.ones(3)
    seen = [fingerprint(network)]

    def instead(*_: Any) -> None:
        return None

    def hooked() -> None:
        network[2].register_forward_pre_hook(instead)

    changes = (
        lambda: setattr(network[0].weight, "data", network[0].weight.data.clone()),
        lambda: setattr(network[1].running_mean, "data", network[1].running_mean.data.clone()),
        lambda: setattr(network[2], "weight", torch.nn.Parameter(torch.ones(4, 4))),
        lambda: network[0].scaling.update(lora0=0.5),
        lambda: network[0].levels.append(3),
        lambda: setattr(network[0], "beside", torch.ones(3)),
        lambda: setattr(network[0], "padding", (1, 1)),
        lambda: setattr(network[1], "forward", instead),
        hooked,
        lambda: setattr(network, "2", torch.nn.Identity()),
        lambda: network.append(torch.nn.Identity()),
        network.train,
        lambda: network[0].to(memory_format=torch.channels_last),
    )
    assert fingerprint(network).facts == seen[0].facts
    for change in changes:
        change()
        seen.append(fingerprint(network))
        assert all(seen[-1].facts != one.facts for one in seen[:-1])
        assert fingerprint(network).facts == seen[-1].facts
