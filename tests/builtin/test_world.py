"""The data the built-in model is trained on: what is drawn, what is held out, what captions say. No torch."""

import dataclasses
import random

import numpy as np
import pytest

from tools.train_builtin.captions import COLOUR_WORDS, SUBJECT_WORDS, caption, fragment, plain_prompt
from tools.train_builtin.render import render
from tools.train_builtin.world import COLOURS, HEADS, SUBJECTS, Picture, draw_picture, is_held_out, labels


def test_training_never_shows_what_is_held_out() -> None:
    rng = random.Random(1)
    assert not any(is_held_out(draw_picture(rng)) for _ in range(3000))
    assert all(is_held_out(draw_picture(rng, held_out=True)) for _ in range(300))


def test_every_subject_and_colour_is_still_learned() -> None:
    rng = random.Random(2)
    shown = [draw_picture(rng) for _ in range(4000)]
    assert {picture.subject for picture in shown} == set(SUBJECTS)
    for subject in SUBJECTS:
        assert len({picture.colour for picture in shown if picture.subject == subject}) >= 10


def test_a_seed_draws_the_same_picture_again() -> None:
    one, two = (render(draw_picture(random.Random(7)), random.Random(7)).image for _ in range(2))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("size", [(128, 128), (192, 128), (96, 128)])
def test_pictures_have_their_size_and_boxes_lie_inside(size: tuple[int, int]) -> None:
    rng = random.Random(3)
    for _ in range(20):
        drawing = render(draw_picture(rng), rng, width=size[0], height=size[1])
        assert drawing.image.size == size
        for left, top, right, bottom in drawing.boxes:
            assert 0 <= left < right <= size[0]
            assert 0 <= top < bottom <= size[1]


def test_the_first_subject_is_left_and_the_second_right() -> None:
    picture = Picture(subject="ball", colour="red", background="white", second=("ball", "blue"))
    image = np.asarray(render(picture, random.Random(4)).image).astype(int)
    red = (image[..., 0] - image[..., 2]) > 100
    blue = (image[..., 2] - image[..., 0]) > 100
    assert np.nonzero(red)[1].max() < np.nonzero(blue)[1].min()


def test_captions_name_the_subject_and_unusual_colours() -> None:
    rng = random.Random(5)
    for _ in range(300):
        picture = dataclasses.replace(draw_picture(rng), blurred=False)
        text = caption(picture, rng)
        assert any(word in text for word in SUBJECT_WORDS[picture.subject])
        assert picture.colour in plain_prompt(picture)
        assert picture.subject in plain_prompt(picture)


def test_a_fragment_names_only_what_it_says() -> None:
    rng = random.Random(6)
    for _ in range(200):
        picture = draw_picture(rng, two_share=0)
        text, named = fragment(picture, rng)
        assert set(named) <= set(HEADS)
        if "colour" in named:
            assert any(word in text for word in COLOUR_WORDS[picture.colour])


def test_labels_point_at_the_attributes() -> None:
    picture = Picture(subject="cat", colour="teal", background="snow", time="night", second=("star", "red"))
    named = {head: classes[index] for (head, classes), index in zip(HEADS.items(), labels(picture), strict=True)}
    assert named["subject"] == "cat"
    assert named["colour"] == "teal"
    assert named["time"] == "night"
    assert named["second colour"] == "red"
    assert set(COLOURS) < set(HEADS["background"])
