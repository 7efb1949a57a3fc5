"""What a denoising shows on its way: asking for it changes no pixel, and what is shown adds up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.engines import messages
from pipelines.types import GenerationRequest, GenerationResult
from pipelines.watching import VIEWS, Filming

from .conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.conditioning import NEGATIVE, POSITIVE, Predictions, Rows  # noqa: E402
from pipelines.engines.local import LocalEngine  # noqa: E402
from pipelines.engines.modifiers.base import Call  # noqa: E402
from pipelines.engines.modifiers.filming import Film, spread  # noqa: E402
from pipelines.sampling.levels import Level  # noqa: E402

WISH = GenerationRequest(prompt="a red star", steps=5, width=64, height=64, seed=3, sampler="Euler", guidance=3.0)


def made(engine: LocalEngine, request: GenerationRequest, filming: Filming | None) -> list[GenerationResult]:
    return engine.generate(replace(batch_of(request, 3, 4), filming=filming), ignore)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"guidance": 1.0},
        {"sampler": "Heun"},
        {"sampler": "DDIM", "prompt": "a star AND a fish"},
        {"hires": {"by": 1.5, "steps": 2}},
    ],
    ids=["plain", "no guidance", "two calls a step", "AND", "second pass"],
)
def test_filming_changes_no_pixel(engine: LocalEngine, changes: dict[str, Any]) -> None:
    from pipelines.groups import Hires

    if "hires" in changes:
        changes = {"hires": Hires(**changes["hires"])}
    request = replace(WISH, **changes)
    plain, filmed = made(engine, request, None), made(engine, request, Filming(moments=3, image=1))
    for one, other in zip(plain, filmed, strict=True):
        assert one.image.tobytes() == other.image.tobytes()
        assert one.facts == other.facts
        assert not one.moments
    assert not filmed[0].moments
    moments = filmed[1].moments
    assert [moment.step for moment in moments] == [1, 3, 5]
    assert {moment.steps for moment in moments} == {5}
    guided = request.guidance > 1 and "AND" not in request.prompt
    assert {tuple(moment.views) for moment in moments} == {VIEWS if guided else VIEWS[:3]}
    for moment in moments:
        assert moment.alpha**2 + moment.sigma**2 == pytest.approx(1)
        assert {view.size for view in moment.views.values()} == {(64, 64)}
    assert moments[0].alpha < moments[1].alpha < moments[2].alpha


def test_the_last_clean_picture_of_a_sampler_that_ends_there_is_the_picture(engine: LocalEngine) -> None:
    """Euler's last step goes to no noise at all: to what the prediction says lies beneath."""
    filmed = made(engine, WISH, Filming(moments=2, image=1))[1]
    apart = np.abs(np.asarray(filmed.moments[-1].views["clean"], np.int16) - np.asarray(filmed.image, np.int16))
    assert apart.max() <= 1
    first = np.abs(np.asarray(filmed.moments[0].views["clean"], np.int16) - np.asarray(filmed.image, np.int16))
    assert first.max() > 20


@pytest.mark.parametrize("velocity", [False, True], ids=["noise", "velocity"])
@pytest.mark.parametrize("at_scale_1", [False, True])
def test_picture_and_noise_add_up_and_guidance_goes_along_the_difference(velocity: bool, at_scale_1: bool) -> None:
    torch.manual_seed(0)
    level = Level(step=1, alpha=0.6, sigma=0.8, at_scale_1=at_scale_1, velocity=velocity)
    film, latents = Film(1, 1), torch.randn(2, 4, 3, 3)
    film.begin([level])
    negative, positive = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    guided = negative + 5 * (positive - negative)
    words = torch.zeros(1, 1, 1)
    call = Call(
        number=0,
        calls=1,
        step=1,
        timestep=torch.tensor(500),
        latents=latents,
        sample=latents,
        rows=(Rows(role=NEGATIVE, words=words), Rows(role=POSITIVE, words=words)),
        words=words,
        conditions=None,
    )
    said = Predictions(positive=(positive,), weights=(1.0,), negative=negative, start=negative, guidance=5.0)
    with film.applied_to(None):
        assert film.after_guidance(guided, said, call) is guided
    views = film.seen[0].views
    noisy = latents[1:] * 0.6 if at_scale_1 else latents[1:]
    torch.testing.assert_close(views["noisy"], noisy)
    torch.testing.assert_close(0.6 * views["clean"] + 0.8 * views["noise"], noisy)
    torch.testing.assert_close(views["clean"], views["without"] + 5 * (views["given"] - views["without"]))
    if not velocity:
        torch.testing.assert_close(views["noise"], guided[1:])


def test_moments_are_spread_from_the_first_to_the_last() -> None:
    assert spread(5, 9) == [0, 1, 2, 3, 4]
    assert spread(100, 5) == [0, 25, 50, 74, 99]
    assert spread(7, 1) == [0]
    for wanted in range(2, 30):
        found = spread(37, wanted)
        assert len({*found}) == wanted
        assert (found[0], found[-1]) == (0, 36)


def test_a_film_comes_through_the_worker(engine: LocalEngine) -> None:
    batch = replace(batch_of(WISH, 3, 4), filming=Filming(moments=2, image=1))
    assert messages.to_batch(messages.unpack(messages.pack(messages.from_batch(batch, 1)))) == batch
    results = engine.generate(batch, ignore)
    there = messages.to_results(messages.unpack(messages.pack(messages.from_results(results, 1))), batch)
    for one, other in zip(results, there, strict=True):
        assert one.image.tobytes() == other.image.tobytes()
        assert len(one.moments) == len(other.moments)
        for moment, same in zip(one.moments, other.moments, strict=True):
            assert (moment.step, moment.steps, moment.alpha, moment.sigma) == (
                same.step,
                same.steps,
                same.alpha,
                same.sigma,
            )
            assert {name: view.tobytes() for name, view in moment.views.items()} == {
                name: view.tobytes() for name, view in same.views.items()
            }
