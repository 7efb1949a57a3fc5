"""A prompt for each region: each place follows its own, and the figures stand whole where they were asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest
from pipelines.groups import Hires, Tiles
from pipelines.leading import Guiding, Regions, Reuse
from tests.engines.conftest import Run

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

STAR, HEART = "a red star on a white background", "a blue heart on a white background"
TWO = f"{STAR} AND {HEART}"


def pixels(results: list[Any]) -> Any:
    return np.stack([np.asarray(one.image).astype(int) for one in results])


def redness(part: Any) -> float:
    """How much more red than blue, and so less of the other figure."""
    return float((part[..., 0] - part[..., 2]).mean())


def shares(regions: Regions, prompts: int, height: int = 10, width: int = 16) -> Any:
    from pipelines.engines.modifiers.regions import Regional

    return Regional(regions, centred=False).shares(prompts, height, width)


@pytest.mark.parametrize("direction", ["columns", "rows"])
@pytest.mark.parametrize("blend", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("more", [0, 1])
def test_the_prompts_share_every_place_among_them(direction: str, blend: float, more: int) -> None:
    found = shares(Regions(direction=direction, ratios="1:3", blend=blend, common=0.25), 2 + more)
    assert found.shape == (2 + more, 10, 16)
    assert float(found.min()) >= 0
    assert torch.allclose(found.sum(0), torch.ones(10, 16), atol=1e-6)
    first, last = found[more], found[more + 1]
    assert float(first[0, 0]) == pytest.approx(0.75 if more else 1.0)
    assert float(last[-1, -1]) == pytest.approx(0.75 if more else 1.0)
    assert float(last.sum()) > 2 * float(first.sum())


def test_a_hard_border_lies_where_the_ratios_say() -> None:
    left, right = shares(Regions(ratios="1:3", blend=0), 2)
    assert float(left[:, :4].min()) == 1
    assert float(right[:, 4:].min()) == 1
    top, below = shares(Regions(direction="rows", ratios="1:4", blend=0), 2)
    assert (float(top[:2].min()), float(below[2:].min())) == (1, 1)


def test_each_half_is_led_by_its_own_prompt_and_the_picture_is_made_again(run: Run) -> None:
    wish: dict[str, Any] = {"prompt": TWO, "regions": Regions(), "steps": 8, "guidance": 5.0}
    wish |= {"width": 128, "height": 128}
    made = pixels(run(**wish))[0]
    assert np.array_equal(pixels(run(**wish))[0], made)
    assert redness(made[:, :64]) > redness(made[:, 64:]) + 30
    above = pixels(run(**{**wish, "regions": Regions(direction="rows")}))[0]
    assert redness(above[:64]) > redness(above[64:]) + 30


def test_one_prompt_everywhere_is_that_prompt_alone(run: Run) -> None:
    """With hard borders and one prompt in all regions nothing but the number of rows differs."""
    alone = pixels(run(prompt=STAR))
    twice = pixels(run(prompt=f"{STAR} AND {STAR}", regions=Regions(blend=0, middle=0)))
    assert np.abs(alone - twice).max() <= 2
    assert np.abs(alone - pixels(run(prompt=f"{STAR} AND {STAR}"))).max() > 2  # AND alone adds them up


@pytest.mark.parametrize(
    "beside",
    [
        {"guidance": 1.0},
        {"guiding": Guiding(attention=2.0, smoothing=1.0, rescale=0.7)},
        {"guiding": Guiding(method="projected", stop=0.5)},
        {"tiling": "x"},
        {"batch_size": 2},
    ],
    ids=lambda beside: next(iter(beside)),
)
def test_beside_others_it_is_made_again_and_counts(run: Run, beside: dict[str, Any]) -> None:
    made = pixels(run(prompt=TWO, regions=Regions(), **beside))
    assert np.array_equal(pixels(run(prompt=TWO, regions=Regions(), **beside)), made)
    assert not np.array_equal(pixels(run(prompt=TWO, **beside)), made)


def test_figures_are_centred_only_where_a_picture_begins_with_noise_alone(run: Run) -> None:
    centred, plain = Regions(), Regions(middle=0)
    result = run(prompt=TWO, regions=centred)
    assert result[0].facts["regions_centred"] is True
    assert not np.array_equal(pixels(result), pixels(run(prompt=TWO, regions=plain)))
    kept = {"prompt": TWO, "reuse": Reuse(), "steps": 4}
    assert np.array_equal(pixels(run(regions=centred, **kept)), pixels(run(regions=plain, **kept)))


def test_a_model_sees_the_middle_of_a_region_in_the_middle() -> None:
    from pipelines.engines.conditioning import NEGATIVE, POSITIVE, Rows
    from pipelines.engines.modifiers.regions import Regional

    words = torch.zeros(1, 1, 1)
    rows = tuple(Rows(role=role, words=words) for role in (NEGATIVE, POSITIVE, POSITIVE, POSITIVE, "smoothed 2"))
    regional = Regional(Regions(ratios="1:1", middle=0.5), centred=True)
    assert regional.moves(rows, 0.4, (8, 16)) == ((0, 0), (0, 0), (0, 4), (0, -4), (0, -4))
    assert regional.moves(rows, 0.5, (8, 16)) == ()
    below = Regional(Regions(direction="rows", middle=0.5), centred=True)
    assert below.moves(rows, 0.0, (8, 16))[2:] == ((2, 0), (-2, 0), (-2, 0))


@pytest.mark.parametrize("count", [1, 4])
def test_as_many_prompts_as_regions_or_one_more(run: Run, count: int) -> None:
    with pytest.raises(InvalidRequest) as raised:
        run(prompt=" AND ".join(["a red star"] * count), regions=Regions())
    assert (raised.value.field, raised.value.note.code) == ("prompt", "regions_prompts")
    assert raised.value.note.values["value"] == count
    run(prompt=" AND ".join(["a red star"] * 3), regions=Regions(), steps=1)


def test_a_second_pass_has_its_regions_too(run: Run) -> None:
    wish: dict[str, Any] = {"prompt": TWO, "hires": Hires(by=1.5, steps=2), "steps": 3}
    regions = Regions(middle=0)
    assert not np.array_equal(pixels(run(**wish, regions=regions)), pixels(run(**wish)))
    run(**wish, regions=regions, tiles=Tiles(side=256))
    with pytest.raises(InvalidRequest) as raised:
        run(**{**wish, "hires": replace(wish["hires"], prompt=STAR)}, regions=regions)
    assert (raised.value.field, raised.value.note.code) == ("hires_prompt", "regions_prompts")


@pytest.mark.parametrize("ratios", ["", "1", "1:1:1:1:1", "1:0", "1:-1", "1:nan", "1:inf", "a:b", "1,1"])
def test_ratios_that_share_nothing_out_are_refused(ratios: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        Regions(ratios=ratios)
    assert (raised.value.field, raised.value.note.code) == ("regions_ratios", "ratios_wanted")
