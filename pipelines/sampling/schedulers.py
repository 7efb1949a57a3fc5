"""From a sampler's name to a fresh scheduler of the loaded model, and the calls that a run makes on it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import diffusers
import torch

from pipelines.errors import ModelError
from pipelines.sampling import kdiffusion
from pipelines.sampling.samplers import SAMPLERS

# What belongs to the model. All else in its scheduler's file (spacing, solver, clipping) is the sampler's choice.
MODEL_KEYS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "steps_offset")
PREDICTIONS = ("epsilon", "v_prediction")
SMALLEST_ALPHA = 2.0**-24  # instead of 0 after rescaling: keeps the first sigma finite, 4096, as diffusers does

Scheduler = Any  # diffusers' schedulers share no type that has `step`


def make_scheduler(sampler: str, schedule: str, config: Mapping[str, Any], seeds: Sequence[int] = ()) -> Scheduler:
    """A fresh scheduler, for one batch.

    config: the model's own scheduler config, of whatever class. seeds: unused today, as every sampler that draws noise
    takes it from the generators given to `step`. Raises KeyError for an unknown pair, ModelError for a model that
    predicts neither noise nor velocity.
    """
    spec = SAMPLERS[sampler]
    if schedule not in spec.schedules:
        raise KeyError(f"{sampler} has no schedule {schedule!r}")
    if schedule == "automatic":
        schedule = spec.automatic or schedule
    kind = getattr(kdiffusion, spec.scheduler, None) or getattr(diffusers, spec.scheduler)
    options = {**_model_options(config), **spec.options}
    if issubclass(kind, kdiffusion.SecondOrder):
        options["use_exponential_sigmas"] = True  # the hook: see the class
    elif schedule == "sgm uniform":
        options["timestep_spacing"] = "trailing"
    scheduler = kind(**_known(kind, options))
    scheduler.schedule = schedule
    return scheduler


def _model_options(config: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {key: config[key] for key in MODEL_KEYS if config.get(key) is not None}
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise ModelError("prediction_unknown", value=str(prediction), known=tuple(PREDICTIONS))
    if config.get("rescale_betas_zero_snr"):
        # as betas, not as a flag: half of the schedulers do not know the flag
        options["trained_betas"] = _rescaled_betas(options)
    # SD's configs say leading, which begins below the highest sigma
    return options | {"prediction_type": prediction, "timestep_spacing": "linspace"}


def _rescaled_betas(options: Mapping[str, Any]) -> list[float]:
    """Betas that end without any signal (Lin et al. 2023, arXiv:2305.08891, algorithm 1)."""
    kind = diffusers.DDPMScheduler
    roots = kind(**_known(kind, options)).alphas_cumprod.double().sqrt()
    alphas_cumprod = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    alphas_cumprod[-1] = SMALLEST_ALPHA
    before = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    betas: list[float] = (1 - alphas_cumprod / before).tolist()
    return betas


def _known(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    accepted = inspect.signature(kind).parameters
    return {key: value for key, value in options.items() if key in accepted}


def resolved(scheduler: Scheduler) -> dict[str, Any]:
    """What an image's metadata keeps of its scheduler, as JSON values: class, base, schedule, options.

    The schedule is the resolved one: what the sampler's "automatic" stands for."""
    hidden = {"trained_betas", *_HOOKS}
    options = {
        key: value
        for key, value in scheduler.config.items()
        if not key.startswith("_") and key not in hidden and _is_plain(value)
    }
    base = next(kind for kind in type(scheduler).__mro__ if kind.__module__.startswith("diffusers."))
    return {
        "class": type(scheduler).__name__,
        "base": base.__name__,
        "schedule": scheduler.schedule,
        "rescaled_betas": scheduler.config.get("trained_betas") is not None,
        "options": options,
    }


_HOOKS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")  # `schedule` says it


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return abs(value) != float("inf")  # JSON has no infinity
    return value is None or isinstance(value, (str, int, bool))


def timesteps_for(
    scheduler: Scheduler, steps: int, steps_run: int, device: torch.device | str | None = None
) -> torch.Tensor:
    """The timesteps of the last `steps_run` of `steps` steps, one a model call, with the scheduler ready at the first.

    Then `scheduler.add_noise(latents, noise, timesteps[:1])` gives a picture the noise that this run begins with.
    """
    if not 1 <= steps_run <= steps:
        raise ValueError(f"steps_run must be from 1 to {steps}, got {steps_run}")
    scheduler.set_timesteps(steps, device=device)
    skipped = (steps - steps_run) * scheduler.order  # order 2: two entries a step
    timesteps: torch.Tensor = scheduler.timesteps
    if isinstance(scheduler, diffusers.PNDMScheduler):
        return _plms_timesteps(timesteps, skipped)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(skipped)
    return timesteps[skipped:]


def calls_of(scheduler: Scheduler, steps: int) -> int:
    """Calls of the model that the first `steps` of more steps take."""
    plms = isinstance(scheduler, diffusers.PNDMScheduler)  # it evaluates one timestep twice
    return steps * int(scheduler.order) + plms


def _plms_timesteps(timesteps: torch.Tensor, skipped: int) -> torch.Tensor:
    """PLMS evaluates its second timestep twice, wherever a run begins; the full list has that only at its own start."""
    once = torch.cat([timesteps[:1], timesteps[2:]])[skipped:]
    return torch.cat([once[:2], once[1:]])


def step(
    scheduler: Scheduler,
    prediction: torch.Tensor,
    timestep: torch.Tensor,
    latents: torch.Tensor,
    generators: Sequence[torch.Generator],
) -> torch.Tensor:
    """Latents after one model call, (batch, channels, height, width); noise from each image's own generator."""
    extra = {"generator": list(generators)} if _takes_generator(scheduler.__class__) else {}
    result: torch.Tensor = scheduler.step(prediction, timestep, latents, return_dict=False, **extra)[0]
    return result


@cache
def _takes_generator(kind: type) -> bool:
    return "generator" in inspect.signature(kind.step).parameters  # type: ignore[attr-defined]
