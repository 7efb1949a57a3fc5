"""What stands in the file of an animation: its frames, and one sentence for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import SeedprintError
from pipelines.groups import Variation
from pipelines.types import GenerationRequest
from webui.animation import reading
from webui.animation.plan import Animation
from webui.words import line

BEGUN = {"width": 128, "height": 128, "dialect": "a1111"}


def animation(folder: Path, text: str) -> Animation:
    file = folder / "walk.yaml"
    file.write_text(text, encoding="utf-8")
    return reading.animation(reading.read(file), BEGUN)


def frames(folder: Path, text: str) -> tuple[GenerationRequest, ...]:
    return animation(folder, text).requests


def test_prompts_turn_into_each_other_and_stay_at_their_ends(tmp_path: Path) -> None:
    made = frames(tmp_path, "frames: 6\nprompt: {1: a, 3: b}\nnegative_prompt: blur")
    assert [one.prompt for one in made] == ["a", "a", '("a", "b").blend(0.5, 0.5)', "b", "b", "b"]
    assert {(one.negative_prompt, one.dialect, one.seed) for one in made} == {("blur", "compel", 0)}


def test_a_prompt_that_stays_keeps_its_language(tmp_path: Path) -> None:
    assert {one.dialect for one in frames(tmp_path, "frames: 2\nprompt: a")} == {"a1111"}


def test_seeds_are_met_on_their_keyframes_and_walked_between(tmp_path: Path) -> None:
    made = frames(tmp_path, "seed: {0: 7, 4: 9, 6: 9}")
    assert [one.seed for one in made] == [7, 7, 7, 7, 9, 9, 9]
    assert [one.variation for one in made] == [
        None,
        *(Variation(seed=9, strength=share) for share in (0.25, 0.5, 0.75)),
        *[None] * 3,
    ]


def test_numbers_go_in_a_straight_line_and_whole_ones_are_rounded(tmp_path: Path) -> None:
    made = frames(tmp_path, "guidance: {0: 3, 2: 4}\nsteps: {0: 10, 2: 13}")
    assert [(one.guidance, one.steps) for one in made] == [(3, 10), (3.5, 12), (4, 13)]


def test_with_motion_each_frame_is_made_of_the_one_before(tmp_path: Path) -> None:
    found = animation(tmp_path, "frames: 3\nright: {0: 0, 2: 4}\nstrength: {0: 0.4, 2: 0.6}\nseed: 7\nseed_step: 2")
    first, *others = found.requests
    assert first.init is None
    assert [one.init.strength for one in others if one.init is not None] == [0.5, 0.6]
    assert [one.seed for one in found.requests] == [7, 9, 11]
    before = Image.new("RGB", (128, 128))
    before.paste((255, 255, 255), (0, 0, 64, 128))
    init = found.request(2, before).init
    assert init is not None
    assert init.image.getpixel((66, 64)) == (255, 255, 255)  # 4 pixels on
    assert init.image.getpixel((70, 64)) == (0, 0, 0)


def test_motion_alone_has_a_strength(tmp_path: Path) -> None:
    init = frames(tmp_path, "frames: 2\nzoom: 1.1")[1].init
    assert init is not None
    assert init.strength == 0.5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a list", "animation must be settings"),
        ("prompt: a\nprompt: b", "walk.yaml:2: prompt is given twice"),
        (
            "fps: 8\nprompt: 2024-13-45",
            "walk.yaml:2: 2024-13-45 cannot be read as the number or date that it looks like",
        ),
        ("frames: 4\nseed: " + "9" * 5000, "walk.yaml:2: 999"),
        ("prompt: a", "frames must say how many"),
        ("promt: a\nframes: 4", "no setting promt; the nearest: prompt"),
        ("frames: 1", "frames must be a whole number from 2"),
        ("frames: many", "frames must be a whole number from 2"),
        ("frames: 4\nseed: {0: 1, 4: 2}", "frames must be more than the last keyframe, 4, got 4"),
        ("frames: 4\nfps: 0", "fps must be a whole number from 1"),
        ("frames: 4\nname: 7", "name must be text"),
        ("frames: 4\nsteps: 0", "steps must be a whole number from 1"),
        ("frames: 4\nseed:", "seed must be a whole number"),
        ("seed: {0: 1, 4: -2}", "seed must be a whole number from 0"),
        ("seed: {-1: 1, 4: 2}", "A keyframe of seed must be a whole number from 0 to 1,999, got -1"),
        ("seed: {a: 1}", "A keyframe of seed must be a whole number from 0 to 1,999, got a"),
        ("frames: 4\nseed: {}", "seed has no keyframe"),
        ("sampler: {0: DDIM, 4: Euler}", "sampler cannot have keyframes"),
        ("width: {0: 64, 4: 128}", "width cannot have keyframes"),
        ("hires: true\nhires_by: {0: 1, 4: 2}", "frames must all be of one size, 128 × 128"),
        ("frames: 2000\nwidth: 1024\nheight: 1024", "at most 400 million pixels"),
        ("frames: 4\nhires_by: 2", "hires_by counts only where hires is true"),
        ("dialect: a1111\nprompt: {0: a, 4: b}", "dialect must be compel"),
        ("frames: 4\nzoom: 3", "zoom must be a number from 0.5 to 2, got 3"),
        ("frames: 4\nzoom: {0: 1, 4: 1}", "frames must be more than"),
        ("frames: 4\nturn: fast", "turn must be a number from -180 to 180, got fast"),
        ("frames: 4\nstrength: 2", "strength must be a number from 0 to 1"),
        ("frames: 4\nsteps: 4\nstrength: 0.1", "strength"),
        ("frames: 4\nzoom: 1.1\nhires: true", "hires"),
        ("frames: 4\nseed_step: -1", "seed_step must be a whole number"),
        ("frames: {0: 1}", "frames must be a whole number"),
        ("seed_step: 1\nseed: {0: 1, 4: 2}", "seed_step cannot be beside"),
        ("variation: true\nseed: {0: 1, 4: 2}", "variation cannot be beside"),
    ],
)
def test_one_sentence_for_what_cannot_be(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SeedprintError) as raised:
        animation(tmp_path, text)
    assert told in line(raised.value)
