"""Noise levels and solvers written from the published formulas, in k-diffusion's scaling (picture + sigma × noise).

Karras et al. 2022 (arXiv:2206.00364), Lu et al. 2022 (arXiv:2211.01095), Lee et al. 2024 (arXiv:2407.12173). Shares no
code with the project, so that agreement means something.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import torch

Denoiser = Callable[[torch.Tensor, float], torch.Tensor]  # (noisy picture, sigma) -> clean picture
Draw = Callable[[], torch.Tensor]

SD_CONFIG = {  # the scheduler file of SD 1.5, in the parts that matter
    "_class_name": "PNDMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "prediction_type": "epsilon",
    "clip_sample": False,
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "trained_betas": None,
}


def trained_levels() -> list[float]:
    """Sigmas of the 1000 training timesteps of SD's scaled linear betas."""
    product, levels = 1.0, []
    first, last = math.sqrt(0.00085), math.sqrt(0.012)
    for t in range(1000):
        product *= 1 - (first + (last - first) * t / 999) ** 2
        levels.append(math.sqrt((1 - product) / product))
    return levels


LEVELS = trained_levels()


def level_at(t: float) -> float:
    low = min(int(t), 998)
    share = t - low
    return math.exp((1 - share) * math.log(LEVELS[low]) + share * math.log(LEVELS[low + 1]))


@cache
def _beta_quantile(share: float, shape: float = 0.6) -> float:
    # by bisection on the regularised incomplete beta function, itself by substitution u = s**shape (smooth integrand)
    def integral(x: float) -> float:
        top = x**shape
        grid = (np.arange(20000) + 0.5) / 20000 * top
        return float(np.sum((1 - grid ** (1 / shape)) ** (shape - 1)) * top / 20000 / shape)

    half = integral(0.5)  # symmetric: this is half of the whole
    if share > 0.5:
        return 1 - _beta_quantile(1 - share, shape)
    low, high = 0.0, 0.5
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if integral(middle) / (2 * half) < share else (low, middle)
    return (low + high) / 2


@cache
def levels(schedule: str, n: int) -> tuple[float, ...]:
    """n sigmas, descending, and 0."""
    high, low = LEVELS[-1], LEVELS[0]
    ramp = [i / (n - 1) if n > 1 else 0.0 for i in range(n)]
    if schedule == "automatic":
        result = [level_at(999 * (1 - r)) for r in ramp]
    elif schedule == "sgm uniform":
        result = [level_at(999 * (1 - i / n)) for i in range(n)]
    elif schedule == "karras":  # eq. 5, rho = 7
        result = [(high ** (1 / 7) + r * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for r in ramp]
    elif schedule == "exponential":
        result = [high * (low / high) ** r for r in ramp]
    elif schedule == "beta":
        result = [low + (high - low) * _beta_quantile(1 - r) for r in ramp]
    else:
        raise ValueError(schedule)
    return (*result, 0.0)


def euler(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    for s, s_next in pairwise(sigmas):
        x = x + (x - denoise(x, s)) / s * (s_next - s)
    return x


def ancestral(s: float, s_next: float) -> tuple[float, float]:
    up = math.sqrt(max(s_next**2 * (s**2 - s_next**2) / s**2, 0))
    return math.sqrt(max(s_next**2 - up**2, 0)), up


def euler_ancestral(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    for s, s_next in pairwise(sigmas):
        down, up = ancestral(s, s_next)
        x = x + (x - denoise(x, s)) / s * (down - s)
        if s_next > 0:
            x = x + draw() * up
    return x


def heun(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    for s, s_next in pairwise(sigmas):
        slope = (x - denoise(x, s)) / s
        guess = x + slope * (s_next - s)
        if s_next > 0:
            slope = (slope + (guess - denoise(guess, s_next)) / s_next) / 2
        x = x + slope * (s_next - s)
    return x


def dpm2(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    for s, s_next in pairwise(sigmas):
        slope = (x - denoise(x, s)) / s
        if s_next > 0:
            middle = math.sqrt(s * s_next)
            guess = x + slope * (middle - s)
            slope = (guess - denoise(guess, middle)) / middle
        x = x + slope * (s_next - s)
    return x


def dpm2_ancestral(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    for s, s_next in pairwise(sigmas):
        slope = (x - denoise(x, s)) / s
        down, up = ancestral(s, s_next)
        if s_next > 0:
            middle = math.sqrt(s * down)
            guess = x + slope * (middle - s)
            x = x + (guess - denoise(guess, middle)) / middle * (down - s) + draw() * up
        else:
            x = x + slope * (down - s)
    return x


def lms(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    slopes: list[torch.Tensor] = []
    for i, (s, s_next) in enumerate(pairwise(sigmas)):
        slopes = [(x - denoise(x, s)) / s, *slopes][:4]
        known = sigmas[i : i - len(slopes) : -1] if i >= len(slopes) else sigmas[i::-1]
        for j, slope in enumerate(slopes):
            others = [known[k] for k in range(len(slopes)) if k != j]
            basis = np.poly1d(np.poly(others) if others else [1.0]) / np.prod([known[j] - o for o in others] or [1.0])
            whole = basis.integ()
            x = x + float(whole(s_next) - whole(s)) * slope
    return x


def dpmpp_2m(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    before, h_before = None, 0.0
    for s, s_next in pairwise(sigmas):
        clean = denoise(x, s)
        if s_next == 0:
            x = clean
            break
        h = math.log(s / s_next)
        target = clean if before is None else clean + (clean - before) * (h / h_before / 2)
        x = s_next / s * x + (1 - math.exp(-h)) * target
        before, h_before = clean, h
    return x


def dpmpp_2m_sde(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    before, h_before = None, 0.0
    for s, s_next in pairwise(sigmas):
        clean = denoise(x, s)
        if s_next == 0:
            x = clean
            break
        h = math.log(s / s_next)
        grow = 1 - math.exp(-2 * h)
        x = s_next / s * math.exp(-h) * x + grow * clean
        if before is not None:
            x = x + 0.5 * grow * (h / h_before) * (clean - before)
        x = x + draw() * s_next * math.sqrt(grow)
        before, h_before = clean, h
    return x


def dpmpp_3m_sde(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    cleans: list[torch.Tensor] = []
    gaps: list[float] = []
    for s, s_next in pairwise(sigmas):
        clean = denoise(x, s)
        if s_next == 0:
            x = clean
            break
        h = math.log(s / s_next)
        g = 2 * h  # h × (eta + 1)
        x = math.exp(-g) * x + (1 - math.exp(-g)) * clean
        phi_2 = (math.exp(-g) - 1) / g + 1
        phi_3 = phi_2 / g - 0.5
        if len(cleans) >= 2:
            r0, r1 = gaps[0] / h, gaps[1] / h
            d1_0, d1_1 = (clean - cleans[0]) / r0, (cleans[0] - cleans[1]) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            x = x + phi_2 * d1 - phi_3 * (d1_0 - d1_1) / (r0 + r1)
        elif cleans:
            x = x + phi_2 * (clean - cleans[0]) * h / gaps[0]
        x = x + draw() * s_next * math.sqrt(1 - math.exp(-g))
        cleans, gaps = [clean, *cleans][:2], [h, *gaps][:2]
    return x


def dpmpp_sde(denoise: Denoiser, x: torch.Tensor, sigmas: tuple[float, ...], draw: Draw) -> torch.Tensor:
    for s, s_next in pairwise(sigmas):
        clean = denoise(x, s)
        if s_next == 0:
            x = clean
            break
        middle = math.sqrt(s * s_next)  # r = 1/2 in log sigma
        first, second = draw(), draw()  # Brownian increments over s … middle … s_next
        down, up = ancestral(s, middle)
        guess = down / s * x + (1 - down / s) * clean + first * up
        clean = denoise(guess, middle)
        down, up = ancestral(s, s_next)
        whole = (first * math.sqrt(s - middle) + second * math.sqrt(middle - s_next)) / math.sqrt(s - s_next)
        x = down / s * x + (1 - down / s) * clean + whole * up
    return x


SOLVERS = {
    "Euler": euler,
    "Euler a": euler_ancestral,
    "Heun": heun,
    "DPM2": dpm2,
    "DPM2 a": dpm2_ancestral,
    "LMS": lms,
    "DPM++ 2M": dpmpp_2m,
    "DPM++ 2M SDE": dpmpp_2m_sde,
    "DPM++ 3M SDE": dpmpp_3m_sde,
    "DPM++ SDE": dpmpp_sde,
}
