"""Runs that begin in the middle: img2img."""

import math

import pytest
import torch

from pipelines.sampling.noise import generators, randn
from pipelines.sampling.samplers import DENOISERS
from pipelines.sampling.schedulers import make_scheduler, step, timesteps_for
from tests.sampling import reference
from tests.sampling.common import OLD_NUMPY, PAIRS, SHAPE, VARIANCE_EXPLODING, meant

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]

STEPS = 12


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_all_steps_are_the_full_list(name: str, schedule: str) -> None:
    for steps in (1, 2, STEPS):
        scheduler = make_scheduler(name, schedule, reference.SD_CONFIG)
        scheduler.set_timesteps(steps)
        whole = scheduler.timesteps.clone()
        assert torch.equal(timesteps_for(scheduler, steps, steps), whole)


@pytest.mark.parametrize("steps_run", [0, STEPS + 1])
def test_impossible_parts_are_refused(steps_run: int) -> None:
    with pytest.raises(ValueError, match="steps_run must be from 1 to 12"):
        timesteps_for(make_scheduler("Euler", "automatic", reference.SD_CONFIG), STEPS, steps_run)


def first_level(name: str, schedule: str, steps_run: int, timesteps: torch.Tensor) -> float:
    """The sigma at which the last `steps_run` steps begin."""
    if name in reference.SOLVERS or name == "UniPC":
        return reference.levels(meant(name, schedule), STEPS)[STEPS - steps_run]
    if name == "DEIS":
        return reference.levels(meant(name, schedule), STEPS + 1)[STEPS - steps_run]
    return reference.LEVELS[int(timesteps[0])]


@pytest.mark.parametrize("steps_run", [1, 2, 5, 11])
@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_a_part_begins_at_its_level_and_returns_to_the_picture(name: str, schedule: str, steps_run: int) -> None:
    """With a model that knows the picture, noise added for the first timestep must go again, whatever the solver."""
    spec, seeds = DENOISERS[name], [1, 2]
    scheduler = make_scheduler(name, schedule, reference.SD_CONFIG, seeds)
    timesteps = timesteps_for(scheduler, STEPS, steps_run)
    assert len(timesteps) == max(
        1, spec.calls * steps_run + (spec.calls_offset if steps_run > 1 else min(spec.calls_offset, 0))
    )
    own = generators(seeds)
    picture = 0.8 * torch.sin(torch.arange(2 * math.prod(SHAPE)).float()).reshape(2, *SHAPE)
    noise = randn(SHAPE, own)

    latents = scheduler.add_noise(picture, noise, timesteps[:1])
    sigma = first_level(name, schedule, steps_run, timesteps)
    scale = 1 if name in VARIANCE_EXPLODING else math.sqrt(sigma**2 + 1)
    assert torch.allclose(latents * scale, picture + sigma * noise, atol=2e-4 * (1 + sigma))

    for timestep in timesteps:
        seen = scheduler.scale_model_input(latents, timestep)
        level = reference.level_at(float(timestep))
        prediction = (seen * math.sqrt(level**2 + 1) - picture) / level
        latents = step(scheduler, prediction, timestep, latents, own)
    # DDIM, DDPM, PLMS and DEIS end at the smallest trained level, 0.0292; LCM mixes a little of the sample in
    assert float((latents - picture).abs().max()) < 0.15
