"""Whole runs and their ends (img2img) against schedulers that diffusers builds itself from the model's own file.

Nothing of the project stands on their side: not our classes, not our options, not our lists of timesteps. What the
project does otherwise on purpose is written out here: noise levels as k-diffusion spaces them (from `reference`), and
the two ways in which diffusers' own runs go wrong when they begin in the middle (LMS's order, PLMS's second call).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from pipelines.sampling.noise import generators, randn
from pipelines.sampling.schedulers import make_scheduler, step, timesteps_for
from tests.sampling import reference
from tests.sampling.common import OLD_NUMPY, PAIRS, SHAPE, level_of, predicted

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]

SEEDS = [3, 4]
RUNS = [(1, 1), (2, 2), (3, 3), (7, 7), (20, 20), (12, 11), (12, 5), (12, 2), (12, 1)]  # steps, of them run
MANY = (60, 60)
FEW = [(1, 1), (12, 12), (12, 5), (12, 1)]  # two or three steps over all levels magnify rounding where each looks twice
DISTILLED = 50  # steps that LCM and TCD know of themselves
OWN_TIMESTEPS: dict[str, Any] = {  # walk timesteps and know no sigmas
    "DDIM": diffusers.DDIMScheduler,
    "DDPM": diffusers.DDPMScheduler,
    "PLMS": diffusers.PNDMScheduler,
    "LCM": diffusers.LCMScheduler,
    "TCD": diffusers.TCDScheduler,
}
ONE_CALL: dict[str, tuple[Any, dict[str, Any]]] = {
    "Euler": (diffusers.EulerDiscreteScheduler, {}),
    "Euler a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "LMS": (diffusers.LMSDiscreteScheduler, {}),
    "DPM++ 2M": (diffusers.DPMSolverMultistepScheduler, {}),
    "DPM++ 2M SDE": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "UniPC": (diffusers.UniPCMultistepScheduler, {}),
    "DEIS": (diffusers.DEISMultistepScheduler, {}),
}
TWO_CALLS: dict[str, Any] = {
    "Heun": diffusers.HeunDiscreteScheduler,
    "DPM2": diffusers.KDPM2DiscreteScheduler,
    "DPM2 a": diffusers.KDPM2AncestralDiscreteScheduler,
}
FLAGS = {"karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas", "beta": "use_beta_sigmas"}
# Diffusers has them not, or not so that a run can be made again: `test_solvers` judges them by the papers
ELSEWHERE = {"DPM++ SDE", "DPM++ 3M SDE"}

XL_CONFIG = {  # as Stable Diffusion XL ships it
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}
CONFIGS: dict[str, Mapping[str, Any]] = {
    "sd": reference.SD_CONFIG,
    "xl": XL_CONFIG,
    "sd2 v": {**reference.SD_CONFIG, "_class_name": "DDIMScheduler", "prediction_type": "v_prediction"},
    "no offset": {**reference.SD_CONFIG, "steps_offset": 0},
}


def test_every_sampler_is_judged() -> None:
    judged = {*OWN_TIMESTEPS, *ONE_CALL, *TWO_CALLS, *ELSEWHERE}
    assert judged == {name for name, _ in PAIRS}
    assert set(reference.SOLVERS) >= ELSEWHERE


def levels_of(name: str, schedule: str, steps: int) -> tuple[float, ...]:
    # DEIS cannot step to 0
    return reference.levels(schedule, steps + 1)[:-1] if name == "DEIS" else reference.levels(schedule, steps)


@cache
def two_calls(name: str, prediction: str) -> Any:
    """Built once, as it looks for a thousand midpoints; `set_timesteps` begins anew."""
    config = {**reference.SD_CONFIG, "prediction_type": prediction}
    made = TWO_CALLS[name].from_config(config, timestep_spacing="linspace", use_exponential_sigmas=True)
    timestep_of, known = made._sigma_to_t, np.log(reference.LEVELS)
    made._sigma_to_t = lambda sigma, _: timestep_of(np.asarray(sigma), known)  # on tensors it takes seconds
    return made


def of_diffusers(name: str, schedule: str, config: Mapping[str, Any], steps: int) -> Any:
    """Diffusers' own scheduler, ready for `steps` steps."""
    if name in OWN_TIMESTEPS:
        spacing = {"timestep_spacing": "trailing"} if schedule == "sgm uniform" else {}
        made = OWN_TIMESTEPS[name].from_config(config, **spacing)
        origin = {"original_inference_steps": 1000} if steps > DISTILLED and name in {"LCM", "TCD"} else {}
        # told its own number, TCD spaces its timesteps evenly over all of the model's, which is what pictures have
        origin = origin or ({"original_inference_steps": DISTILLED} if name == "TCD" else {})
        made.set_timesteps(steps, **origin)
        return made
    if name in TWO_CALLS:
        made = two_calls(name, str(config["prediction_type"]))
        levels = np.array(levels_of(name, schedule, steps)[:-1])
        made._convert_to_exponential = lambda **_: levels
        made.set_timesteps(steps)
        return made
    kind, options = ONE_CALL[name]
    if schedule in FLAGS and name not in {"DEIS", "Euler a"} and steps > 1:  # diffusers has these levels itself
        made = kind.from_config(config, timestep_spacing="linspace", **{FLAGS[schedule]: True}, **options)
        made.set_timesteps(steps)
        return made
    made = kind.from_config(config, timestep_spacing="linspace", **options)
    made.set_timesteps(steps)
    made.sigmas = torch.tensor(levels_of(name, schedule, steps))
    return made


def their_calls(name: str, made: Any, steps: int, steps_run: int) -> Iterator[tuple[torch.Tensor, float]]:
    """Timestep and sigma of each call of the last steps."""
    first = (steps - steps_run) * made.order
    if name == "PLMS":
        once = [*made.timesteps[:1], *made.timesteps[2:]][first:]  # the second timestep is seen twice
        for timestep in [*once[:2], *once[1:]]:
            yield timestep, level_of(timestep)
        return
    if hasattr(made, "set_begin_index"):
        made.set_begin_index(first)
    for place, timestep in enumerate(made.timesteps[first:], first):
        yield timestep, float(made.sigmas[place]) if name in ONE_CALL else level_of(timestep)


def their_run(name: str, made: Any, picture: torch.Tensor, steps: int, steps_run: int) -> torch.Tensor:
    own = generators(SEEDS)
    noise, order = randn(SHAPE, own), 0
    for place, (timestep, level) in enumerate(their_calls(name, made, steps, steps_run)):
        if place == 0:
            latents = start_of(made, picture, noise, timestep.reshape(1), whole=steps == steps_run)
        prediction = predicted(made.scale_model_input(latents, timestep), level, made.config.prediction_type)
        extra: dict[str, Any] = {"generator": own} if name in DRAWING else {}
        if name == "LMS":
            order = min(order + 1, 4)
            extra = {"order": order}
        latents = made.step(prediction, timestep, latents, **extra).prev_sample
    return latents


DRAWING = {"Euler a", "DPM2 a", "DPM++ 2M SDE", "DDPM", "LCM", "TCD"}


def start_of(
    scheduler: Any, picture: torch.Tensor, noise: torch.Tensor, first: torch.Tensor, *, whole: bool
) -> torch.Tensor:
    latents: torch.Tensor = scheduler.init_noise_sigma * noise if whole else scheduler.add_noise(picture, noise, first)
    return latents


def our_run(
    name: str, schedule: str, config: Mapping[str, Any], picture: torch.Tensor, steps: int, steps_run: int
) -> torch.Tensor:
    scheduler, own = make_scheduler(name, schedule, config, SEEDS), generators(SEEDS)
    timesteps = timesteps_for(scheduler, steps, steps_run)
    latents = start_of(scheduler, picture, randn(SHAPE, own), timesteps[:1], whole=steps == steps_run)
    for timestep in timesteps:
        seen = scheduler.scale_model_input(latents, timestep)
        prediction = predicted(seen, level_of(timestep), str(config["prediction_type"]))
        latents = step(scheduler, prediction, timestep, latents, own)
    return latents


def cases() -> Iterator[tuple[str, str, str]]:
    """Sampler, schedule, model: what a model's file says of timesteps matters only to those that walk them."""
    for name, schedule in PAIRS:
        if name not in ELSEWHERE:
            for config in CONFIGS if name in OWN_TIMESTEPS else ("sd", "sd2 v"):
                yield name, schedule, config


@pytest.mark.parametrize(("name", "schedule", "config"), list(cases()))
def test_runs_agree_with_diffusers_own(name: str, schedule: str, config: str) -> None:
    picture = torch.tanh(torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1)))
    for steps, steps_run in FEW if name in TWO_CALLS else [*RUNS, MANY] if name in OWN_TIMESTEPS else RUNS:
        wanted = their_run(name, of_diffusers(name, schedule, CONFIGS[config], steps), picture, steps, steps_run)
        made = our_run(name, schedule, CONFIGS[config], picture, steps, steps_run)
        assert float(wanted.std()) > 0.05  # a picture, not a constant
        difference = float((made - wanted).abs().max())
        assert difference < 1e-4, f"{steps_run} of {steps} steps: {difference}"
