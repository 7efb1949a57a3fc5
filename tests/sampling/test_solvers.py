"""Whole runs against k-diffusion's algorithms, with the same noise; double precision on their side."""

import math

import pytest

from pipelines.sampling.noise import generators, randn
from pipelines.sampling.schedulers import make_scheduler, step, timesteps_for
from tests.sampling import reference
from tests.sampling.common import OLD_NUMPY, PAIRS, SHAPE, VARIANCE_EXPLODING, denoise, level_of, meant, predicted

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "schedule"), [pair for pair in PAIRS if pair[0] in reference.SOLVERS])
def test_run_agrees_with_the_published_algorithm(name: str, schedule: str, prediction: str) -> None:
    steps, seeds = 12, [3, 4]
    config = {**reference.SD_CONFIG, "prediction_type": prediction}
    scheduler = make_scheduler(name, schedule, config, seeds)
    timesteps = timesteps_for(scheduler, steps, steps)
    own, theirs = generators(seeds), generators(seeds)
    start = randn(SHAPE, own).double()
    randn(SHAPE, theirs)
    sigmas = reference.levels(meant(name, schedule), steps)
    latents = start * sigmas[0]
    if name not in VARIANCE_EXPLODING:
        latents = latents / math.sqrt(sigmas[0] ** 2 + 1)
    latents = latents.float()
    for timestep in timesteps:
        prediction_made = predicted(scheduler.scale_model_input(latents, timestep), level_of(timestep), prediction)
        latents = step(scheduler, prediction_made, timestep, latents, own)
    wanted = reference.SOLVERS[name](denoise, start * sigmas[0], sigmas, lambda: randn(SHAPE, theirs).double())
    assert float((latents - wanted).abs().max()) < 1e-4  # float32 against float64
    assert float(wanted.std()) > 0.1  # a picture, not a constant
