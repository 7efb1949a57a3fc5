"""The judge in numpy: the same answers as the network it was trained as, and a distance that knows what is shown."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from tools.train_builtin.render import render
from tools.train_builtin.world import HEADS, Picture, draw_picture
from webui.lab.judge import WEIGHTS, judge_distance, named
from webui.proof.measures import Pixels, ms_ssim

STAR = Picture(subject="star", colour="red", background="white", size="large")


def drawn(picture: Picture, seed: int = 1) -> Pixels:
    return np.asarray(render(picture, random.Random(seed)).image)


def test_the_same_picture_is_no_distance() -> None:
    assert judge_distance(drawn(STAR), drawn(STAR)) == 0


@pytest.mark.parametrize("change", [{"subject": "heart"}, {"colour": "blue"}, {"background": "black"}])
def test_one_thing_of_ten_that_changes_is_a_tenth(change: dict[str, str]) -> None:
    """The judge names ten things and one is another: 0.1, and a little for what it is unsure of."""
    assert 0.07 <= judge_distance(drawn(STAR), drawn(replace(STAR, **change))) <= 0.2


def test_many_things_that_change_are_far() -> None:
    other = Picture(subject="cat", colour="gray", background="beach", time="sunset", style="watercolor", size="small")
    assert judge_distance(drawn(STAR), drawn(other)) >= 0.55  # six of ten


def test_a_thing_that_moved_a_little_is_near_though_its_pixels_are_not() -> None:
    """What structure takes for far: the same star a little lower is nearer to the judge than a heart in its place."""
    star, heart = drawn(STAR), drawn(replace(STAR, subject="heart"))
    moved = np.roll(star, 6, axis=0)
    assert judge_distance(star, moved) < 0.04 < judge_distance(star, heart)
    assert 1 - ms_ssim(star, moved) > 0.05


def test_it_names_what_was_drawn() -> None:
    answers = dict(zip(HEADS, named(drawn(STAR)), strict=True))
    assert [len(one) for one in answers.values()] == [len(names) for names in HEADS.values()]
    for thing, name in {"subject": "star", "colour": "red", "background": "white", "second subject": "none"}.items():
        assert answers[thing][HEADS[thing].index(name)] > 0.8
        assert answers[thing].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("size", [(128, 128), (96, 64), (192, 256), (200, 136)])
def test_it_answers_as_the_network_in_torch(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    from tools.train_builtin.judge_net import read

    judge, rng = read(WEIGHTS), random.Random(3)
    for _ in range(3):
        image = render(draw_picture(rng), rng).image.resize(size)
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            scores = judge(x)
        for ours, theirs in zip(named(np.asarray(image)), scores, strict=True):
            assert ours == pytest.approx(theirs[0].softmax(0).numpy(), abs=1e-4)
