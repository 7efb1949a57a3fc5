import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.groups import InitImage, Inpaint
from pipelines.sampling.samplers import SAMPLERS, SCHEDULES
from pipelines.types import Batch, GenerationRequest
from tests.refusals import refused
from webui.words import line

PICTURE = Image.new("RGB", (64, 48))
MASK = Image.new("L", (64, 48), 255)


@pytest.mark.fault(18, 19, 27, 28, 29)
@pytest.mark.attack(25)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("steps", -1),
        ("steps", 151),
        ("steps", 20.0),
        ("steps", "20"),
        ("steps", True),
        ("guidance", math.nan),
        ("guidance", math.inf),
        ("guidance", -0.1),
        ("guidance", 30.1),
        ("guidance", "7"),
        ("width", 0),
        ("width", 56),
        ("width", 513),
        ("width", 4104),
        ("height", 500),
        ("batch_size", 0),
        ("batches", 0),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", 1.5),
        ("seed", "7"),
        ("clip_skip", 0),
        ("dialect", "mine"),
        ("sampler", "Euler Z"),
        ("schedule", "linear"),
        ("model", ""),
        ("prompt", "x" * 20_001),
        ("prompt", "a\0b"),
        ("prompt", "\ud800"),
        ("prompt", None),
        ("negative_prompt", "x" * 20_001),
    ],
)
def test_a_bad_value_names_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        GenerationRequest(**{field: value})
    assert caught.value.field == field
    assert line(caught.value).startswith(f"{field} ")


def test_the_message_names_the_value() -> None:
    with refused("width", "multiple", step=8, value=513):
        GenerationRequest(width=513)


@pytest.mark.parametrize("spec", SAMPLERS.values(), ids=lambda spec: spec.name)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_only_schedules_that_the_sampler_allows(spec, schedule: str) -> None:
    if schedule in spec.schedules:
        GenerationRequest(sampler=spec.name, schedule=schedule)
    else:
        with refused("schedule", "schedule_of_sampler", sampler=spec.name, value=schedule):
            GenerationRequest(sampler=spec.name, schedule=schedule)


def test_the_bounds_themselves_are_allowed() -> None:
    GenerationRequest(steps=150, guidance=0, width=64, height=4096, seed=2**32 - 1, prompt="x" * 20_000)


@pytest.mark.parametrize(("steps", "strength", "run"), [(20, 1.0, 20), (20, 0.75, 15), (20, 0.3, 6), (100, 0.29, 29)])
def test_strength_times_steps_run(steps: int, strength: float, run: int) -> None:
    request = GenerationRequest(steps=steps, init=InitImage(image=PICTURE, strength=strength))
    assert request.steps_run == run


def test_a_strength_that_runs_no_step_is_refused_with_the_least_that_does() -> None:
    with refused("strength", "no_step_runs", least=0.05, steps=20, value=0.04):
        GenerationRequest(steps=20, init=InitImage(image=PICTURE, strength=0.04))
    assert GenerationRequest(steps=20, init=InitImage(image=PICTURE, strength=0.05)).steps_run == 1


@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("inpaint", "field"),
    [
        (lambda: Inpaint(mask=Image.new("L", (64, 48), 0)), "mask"),
        (lambda: Inpaint(mask=MASK, invert=True), "mask"),
        (lambda: Inpaint(mask=Image.new("RGB", (64, 48))), "mask"),
        (lambda: Inpaint(mask=MASK, mask_blur=65), "mask_blur"),
        (lambda: Inpaint(mask=MASK, masked_content="noise"), "masked_content"),
        (lambda: Inpaint(mask=MASK, padding=-1), "padding"),
    ],
)
def test_a_bad_mask_names_its_field(inpaint, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        inpaint()
    assert caught.value.field == field


@pytest.mark.fault(26)
def test_a_mask_needs_its_picture_in_the_same_size() -> None:
    with refused("init_image", "picture_needed"):
        GenerationRequest(inpaint=Inpaint(mask=MASK))
    with refused("mask", "mask_size", wanted="64 × 64", value="64 × 48"):
        GenerationRequest(init=InitImage(image=Image.new("RGB", (64, 64))), inpaint=Inpaint(mask=MASK))


@given(
    seed=st.integers(0, 2**32 - 1),
    batch_size=st.integers(1, 16),
    batches=st.integers(1, 5),
)
def test_every_image_finds_its_own_batch_again(seed: int, batch_size: int, batches: int) -> None:
    request = GenerationRequest(batch_size=batch_size, batches=batches)
    seeds = []
    for batch in request.batches_from(seed):
        for position in range(batch_size):
            as_run = batch.as_run(position)
            assert as_run.batches == 1
            assert as_run.seed == batch.seeds[position]
            assert Batch.around(as_run, position).seeds == batch.seeds
        seeds += batch.seeds
    assert seeds == [(seed + n) % 2**32 for n in range(batch_size * batches)]


def test_task_follows_what_is_given() -> None:
    init = InitImage(image=PICTURE)
    assert GenerationRequest().task == "txt2img"
    assert GenerationRequest(init=init).task == "img2img"
    assert replace(GenerationRequest(init=init), inpaint=Inpaint(mask=MASK)).task == "inpaint"


def test_the_bounds_are_written_out() -> None:
    with refused("seed", "whole_number", low=0, high=4_294_967_295, value=2**32):
        GenerationRequest(seed=2**32)


@pytest.mark.fault(27, 29)
@pytest.mark.attack(25)
def test_a_number_too_large_for_a_float_is_out_of_bounds_and_no_crash() -> None:
    with refused("steps", "whole_number", low=1, high=150):
        GenerationRequest(steps=10**400)
