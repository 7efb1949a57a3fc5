"""Samplers by the names people know, each a specification and not a branch. No torch here: see `schedulers.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

SCHEDULES = ("automatic", "karras", "exponential", "beta", "sgm uniform")

Noise = Literal["none", "generator"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplerSpec:
    """What a sampler is made of.

    scheduler: class name in `kdiffusion.py` (ours, on a class of diffusers) or in diffusers itself.
    options: its configuration over the model's own.
    schedules: which of `SCHEDULES` work with it.
    automatic: the schedule that "automatic" stands for; empty: the model's own noise levels, evenly spaced in time.
    calls: model calls for n steps are `calls * n + calls_offset`.
    noise: what it draws while sampling: nothing, or from each image's generator.
    tokens: for models that draw by masked tokens, and for no others.
    """

    name: str
    scheduler: str
    options: Mapping[str, Any] = field(default_factory=dict)
    schedules: tuple[str, ...] = ("automatic",)
    automatic: str = ""
    calls: int = 1
    calls_offset: int = 0
    noise: Noise = "none"
    tokens: bool = False


_ALL = SCHEDULES


def _order_2(name: str, scheduler: str, noise: Noise = "none") -> SamplerSpec:
    # the last step, down to sigma 0, is Euler's: one call
    return SamplerSpec(name=name, scheduler=scheduler, schedules=_ALL, calls=2, calls_offset=-1, noise=noise)


# Without clip_sample=False these would clip latents as if they were pixels; without set_alpha_to_one=False
# they would end at a noise level that the model never saw.
_DISCRETE = {"clip_sample": False, "set_alpha_to_one": False, "timestep_spacing": "leading"}

_SPECS = (
    SamplerSpec(name="DPM++ 2M", scheduler="KMultistep", schedules=_ALL),
    SamplerSpec(
        name="DPM++ 2M SDE",
        scheduler="KMultistep",
        options={"algorithm_type": "sde-dpmsolver++"},
        schedules=_ALL,
        noise="generator",
    ),
    SamplerSpec(
        name="DPM++ 3M SDE",
        scheduler="KMultistepThirdOrderSDE",
        # k-diffusion begins with the heun form of order 2 and never lowers the order before the last step
        options={
            "algorithm_type": "sde-dpmsolver++",
            "solver_order": 3,
            "solver_type": "heun",
            "lower_order_final": False,
        },
        # order 3 breaks where a step in log sigma is far longer than the one before it: no beta, no even spacing
        schedules=("automatic", "karras", "exponential", "sgm uniform"),
        automatic="exponential",
        noise="generator",
    ),
    _order_2("DPM++ SDE", "KMidpointSDE", noise="generator"),
    SamplerSpec(name="Euler", scheduler="KEuler", schedules=_ALL),
    SamplerSpec(name="Euler a", scheduler="KEulerAncestral", schedules=_ALL, noise="generator"),
    _order_2("Heun", "KHeun"),
    _order_2("DPM2", "KDPM2"),
    _order_2("DPM2 a", "KDPM2Ancestral", noise="generator"),
    # LMS extrapolates its last step to sigma 0 from four levels: grain where those lie close together or far from 0,
    # which exponential and sgm uniform bring from 50 steps on, and karras towards 100.
    SamplerSpec(name="LMS", scheduler="KLMS", schedules=("automatic", "karras", "beta")),
    SamplerSpec(name="UniPC", scheduler="KUniPC", schedules=_ALL),
    # DEIS cannot step to sigma 0 (its integrals hold log sigma): it ends at the model's smallest sigma, so its
    # automatic levels are spaced as sgm uniform's already and its sigmas are not k-diffusion's.
    SamplerSpec(name="DEIS", scheduler="KDEIS", schedules=("automatic", "karras", "exponential", "beta")),
    # Those below walk the model's own timesteps, not sigmas; karras, exponential and beta have no meaning there.
    SamplerSpec(name="DDIM", scheduler="DDIMScheduler", options=_DISCRETE, schedules=("automatic", "sgm uniform")),
    SamplerSpec(
        name="DDPM",
        scheduler="DDPMScheduler",
        options=_DISCRETE,
        schedules=("automatic", "sgm uniform"),
        noise="generator",
    ),
    # One step alone has no second evaluation: PLMS calls the model once for n = 1.
    SamplerSpec(name="PLMS", scheduler="PNDMScheduler", options={**_DISCRETE, "skip_prk_steps": True}, calls_offset=1),
    SamplerSpec(name="LCM", scheduler="ManyStepLCM", noise="generator"),
    SamplerSpec(name="TCD", scheduler="ManyStepTCD", noise="generator"),
    SamplerSpec(name="MaskGIT", scheduler="AmusedScheduler", noise="generator", tokens=True),
)
SAMPLERS: Mapping[str, SamplerSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
UNMASKING = _SPECS[-1].name  # the one of models that draw by masked tokens
DENOISERS: Mapping[str, SamplerSpec] = MappingProxyType({spec.name: spec for spec in _SPECS if not spec.tokens})
