"""What the tests of this room share: every pair, and a whole run with a model that is a formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from pipelines.sampling.noise import generators, randn
from pipelines.sampling.samplers import DENOISERS
from pipelines.sampling.schedulers import make_scheduler, step, timesteps_for
from tests.sampling.reference import LEVELS, SD_CONFIG

SHAPE = (4, 6, 6)
PAIRS = [(name, schedule) for name, spec in DENOISERS.items() for schedule in spec.schedules]
AUTOMATIC = {"DPM++ 3M SDE": "exponential"}  # what automatic stands for, where it is not the model's own levels
VARIANCE_EXPLODING = {"Euler", "Euler a", "LMS", "Heun", "DPM2", "DPM2 a", "DPM++ SDE"}  # x = picture + sigma × noise
# diffusers still uses NumPy 1's array protocol on tensors
OLD_NUMPY = "ignore:__array_:DeprecationWarning"

Model = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (scaled input, timestep) -> prediction


def meant(name: str, schedule: str) -> str:
    return AUTOMATIC.get(name, schedule) if schedule == "automatic" else schedule


def elementwise(x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    """A prediction in which no image sees another and none is linear."""
    return 0.3 * torch.sin(1.7 * x + 0.001 * float(timestep))


def level_of(timestep: torch.Tensor) -> float:
    """SD's noise level of a timestep, which may be fractional."""
    return float(np.exp(np.interp(float(timestep), np.arange(1000), np.log(LEVELS))))


def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The clean picture in `x`. Smooth, not linear and unlike at every level, so that errors of any order show; not so
    steep that it magnifies rounding."""
    return torch.tanh(1.2 * x / (sigma**2 + 1)) + 0.2 * math.log1p(sigma)


def predicted(scaled: torch.Tensor, sigma: float, prediction: str) -> torch.Tensor:
    """What a UNet that denoises like that gives for its input, which has unit variance."""
    x = scaled.double() * math.sqrt(sigma**2 + 1)
    clean = denoise(x, sigma)
    noise = (x - clean) / sigma
    if prediction == "epsilon":
        return noise.float()
    return ((noise - sigma * clean) / math.sqrt(sigma**2 + 1)).float()  # v = alpha × noise - sigma_vp × clean


def run(
    name: str,
    schedule: str,
    *,
    steps: int,
    seeds: list[int],
    model: Model = elementwise,
    config: Mapping[str, Any] = SD_CONFIG,
) -> tuple[torch.Tensor, int]:
    """Latents (batch, *SHAPE) after a whole run, and the model's calls."""
    scheduler = make_scheduler(name, schedule, config, seeds)
    timesteps = timesteps_for(scheduler, steps, steps)
    own = generators(seeds)
    latents, calls = randn(SHAPE, own) * scheduler.init_noise_sigma, 0
    for timestep in timesteps:
        prediction = model(scheduler.scale_model_input(latents, timestep), timestep)
        latents = step(scheduler, prediction, timestep, latents, own)
        calls += 1
    return latents, calls
