"""Whole runs against k-diffusion's algorithms, with the same noise; double precision on their side."""

import math

import numpy as np
import pytest
import torch

from pipelines.sampling.noise import generators, randn
from pipelines.sampling.schedulers import make_scheduler, step, timesteps_for
from tests.sampling import reference
from tests.sampling.common import OLD_NUMPY, PAIRS, SHAPE, VARIANCE_EXPLODING, meant

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]


def denoise(x, sigma):
    """Smooth, not linear and unlike at every level, so that errors of any order show; not so steep that it magnifies
    rounding."""
    return torch.tanh(1.2 * x / (sigma**2 + 1)) + 0.2 * math.log1p(sigma)


def predict(scaled, timestep, prediction):
    """The same denoiser as a UNet would give it, from the scaled input (unit variance) and the timestep."""
    sigma = float(np.exp(np.interp(float(timestep), np.arange(1000), np.log(reference.LEVELS))))
    x = scaled.double() * math.sqrt(sigma**2 + 1)
    clean = denoise(x, sigma)
    noise = (x - clean) / sigma
    if prediction == "epsilon":
        return noise.float()
    return ((noise - sigma * clean) / math.sqrt(sigma**2 + 1)).float()  # v = alpha × noise - sigma_vp × clean


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "schedule"), [pair for pair in PAIRS if pair[0] in reference.SOLVERS])
def test_run_agrees_with_the_published_algorithm(name, schedule, prediction):
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
        prediction_made = predict(scheduler.scale_model_input(latents, timestep), timestep, prediction)
        latents = step(scheduler, prediction_made, timestep, latents, own)
    wanted = reference.SOLVERS[name](denoise, start * sigmas[0], sigmas, lambda: randn(SHAPE, theirs).double())
    assert float((latents - wanted).abs().max()) < 1e-4  # float32 against float64
    assert float(wanted.std()) > 0.1  # a picture, not a constant
