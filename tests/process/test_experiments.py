"""What diffusion is said to do, as experiments: what they make and count, and that the built-in model does it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipelines.errors import InvalidRequest
from pipelines.types import GenerationRequest
from tools.train_builtin.captions import plain_prompt
from tools.train_builtin.render import render
from tools.train_builtin.world import HEADS, draw_picture, labels
from webui.lab.seen import THINGS, asked, share_seen
from webui.process.experiments import GUIDANCES, SHARES, STEPS, Asked, base_of, experiment, mixed
from webui.process.figures import best_of, consistency, crossfaded, variety
from webui.proof.measures import Pixels

if TYPE_CHECKING:
    from pipelines.engines.local import LocalEngine

BASE = GenerationRequest(
    prompt="a red star on a white background", width=64, height=64, steps=3, guidance=3, seed=7, sampler="Euler a"
)
ASKED = Asked(base=BASE, other_seed=42, other_prompt='a "yellow" moon')


def requests(kind: str, base: GenerationRequest = BASE) -> list[GenerationRequest]:
    return [cell.request for cell in experiment(kind, replace(ASKED, base=base)).cells()]


def test_what_each_makes() -> None:
    steps = requests("steps")
    assert {(one.sampler, one.steps) for one in steps} == {(name, n) for name in ("DDIM", "DDPM") for n in STEPS}
    assert {one.seed for one in requests("guidance")} == {7, 8, 9, 10}
    assert {one.guidance for one in requests("guidance")} == set(GUIDANCES)
    assert [one.seed for one in requests("best")] == [*range(7, 23)]
    assert {one.sampler for one in requests("guidance")} == {"Euler a"}
    way = [one.variation for one in requests("seeds")]
    assert [(one.seed, one.strength) for one in way if one is not None] == [(42, share) for share in SHARES]
    prompts = requests("prompts")
    assert {(one.dialect, one.sampler, one.seed) for one in prompts} == {("compel", "DDIM", 7)}
    assert prompts[1].prompt == '("a red star on a white background", "a yellow moon").blend(0.8, 0.2)'


def test_seeds_go_on_over_their_end() -> None:
    assert {one.seed for one in requests("steps", replace(BASE, seed=2**32 - 1))} == {2**32 - 1, 0}


def test_a_second_prompt_is_needed_and_a_seed_must_be_one() -> None:
    with pytest.raises(InvalidRequest, match="other_prompt_needed"):
        experiment("prompts", replace(ASKED, other_prompt=" "))
    with pytest.raises(InvalidRequest, match="variation_seed"):
        experiment("seeds", replace(ASKED, other_seed=-1))


def test_a_file_without_settings_has_no_base(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(InvalidRequest, match="no_settings"):
        base_of(tmp_path / "a.png")


def test_distances_are_held_to_the_most_steps_seed_by_seed() -> None:
    rng = np.random.default_rng(1)
    one, other, third = (rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(3))
    found = consistency({10: [other, third], 100: [one, third]})
    assert found[100] == 0
    assert found[10] == pytest.approx((variety([one, other]) or 0) / 2)
    assert consistency({10: [one], 100: [one[:32]]})[10] is None  # another size
    assert variety([one]) is None


def test_the_best_of_so_many_is_the_mean_over_all_ways_to_draw_them() -> None:
    scores = [0.9, 0.1, 0.5, 0.7]
    for count in (1, 2, 3, 4):
        drawn = [max(some) for some in itertools.combinations(scores, count)]
        assert best_of(scores, count) == pytest.approx(sum(drawn) / len(drawn))


def test_a_cross_fade_is_a_straight_line() -> None:
    black, white = (np.full((4, 4, 3), level, np.uint8) for level in (0, 255))
    assert [int(crossfaded(black, white, share).mean()) for share in (0, 0.2, 1)] == [0, 51, 255]


def test_the_judge_s_names_are_those_that_it_learned() -> None:
    assert dict(THINGS) == HEADS


def test_what_a_prompt_asks_for_is_what_its_picture_was_drawn_from() -> None:
    rng = random.Random(5)
    for _ in range(60):
        picture = draw_picture(rng)
        truth = dict(zip(HEADS, labels(picture), strict=True))
        found = asked(plain_prompt(picture))
        wrong = {thing: name for thing, name in found.items() if HEADS[thing].index(name) != truth[thing]}
        assert not wrong, plain_prompt(picture)
        assert {"subject", "colour"} <= found.keys(), plain_prompt(picture)
    assert asked("nothing that it knows") == {}


def test_a_render_is_faithful_to_its_own_prompt_and_not_to_another() -> None:
    picture = draw_picture(random.Random(8))
    pixels: Pixels = np.asarray(render(picture, random.Random(1)).image)
    assert share_seen(pixels, asked(plain_prompt(picture))) > 0.8
    assert share_seen(pixels, {"blurred": "yes"}) < 0.5


# -- on the built-in model ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    pytest.importorskip("torch")
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine(device="cpu")
    yield engine
    engine.close()


def drawn(engine: LocalEngine, request: GenerationRequest) -> Pixels:
    batch = replace(request.batch_at(request.seed or 0, 0), threads=1)
    return np.asarray(engine.generate(batch, lambda _: None)[0].image)


@pytest.mark.torch
def test_few_steps_of_ddim_show_the_picture_of_many_and_those_of_ddpm_do_not(engine: LocalEngine) -> None:
    """Song, Meng, Ermon 2021, section 5.2."""
    base = replace(BASE, guidance=1)  # half the work
    made = [one for one in requests("steps", base) if one.steps in (10, 50) and one.seed == 7]
    found = {
        name: consistency({one.steps: [drawn(engine, one)] for one in made if one.sampler == name})[10] or 0
        for name in ("DDIM", "DDPM")
    }
    assert found["DDIM"] * 3 < found["DDPM"]


@pytest.mark.torch
def test_a_walk_begins_and_ends_with_the_pictures_of_its_ends(engine: LocalEngine) -> None:
    still = replace(BASE, sampler="DDIM")
    way = requests("seeds")
    assert np.array_equal(drawn(engine, way[0]), drawn(engine, still))
    assert np.array_equal(drawn(engine, way[-1]), drawn(engine, replace(still, seed=42)))
    told = requests("prompts")
    for end, prompt in ((told[0], BASE.prompt), (told[-1], "a yellow moon")):
        alone = drawn(engine, replace(still, prompt=prompt, dialect="compel")).astype(int)
        assert np.abs(drawn(engine, end) - alone).mean() < 1  # a sum with nothing is rounded once more
    assert mixed('a\\ "b"', "c", 0.2) == '("a b", "c").blend(0.8, 0.2)'
