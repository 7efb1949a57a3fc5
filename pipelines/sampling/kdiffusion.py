"""Diffusers' solvers on k-diffusion's noise levels, and the two solvers that diffusers lacks or has wrong.

Diffusers spaces its levels in its own ways (rounded timesteps, other ends); pictures made elsewhere with the same
sampler name used k-diffusion's. Here one function computes the levels for all. Sources: Karras et al. 2022
(arXiv:2206.00364), Lu et al. 2022 (DPM-Solver++, arXiv:2211.01095), Lee et al. 2024 (beta, arXiv:2407.12173).
"""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import torch
from diffusers.schedulers.scheduling_utils import SchedulerOutput
from diffusers.utils.torch_utils import randn_tensor

Sigmas = npt.NDArray[np.float64]

KARRAS_RHO = 7.0
BETA_SHAPE = 0.6  # both parameters of the beta distribution, as in the paper


def model_sigmas(alphas_cumprod: torch.Tensor) -> Sigmas:
    """The noise levels a model was trained on, ascending, one a training timestep."""
    alphas: Sigmas = alphas_cumprod.cpu().double().numpy()
    sigmas: Sigmas = np.sqrt((1 - alphas) / alphas)
    return sigmas


def sigma_at(timesteps: Sigmas, sigmas: Sigmas) -> Sigmas:
    """Noise levels of fractional timesteps: linear in log sigma between the trained ones."""
    return np.exp(np.interp(timesteps, np.arange(len(sigmas)), np.log(sigmas)))


def timestep_at(levels: Sigmas, sigmas: Sigmas) -> Sigmas:
    """Inverse of `sigma_at`; beyond the trained levels it stays at the ends."""
    return np.interp(np.log(levels), np.log(sigmas), np.arange(len(sigmas), dtype=np.float64))


def schedule_sigmas(schedule: str, sigmas: Sigmas, steps: int) -> Sigmas:
    """`steps` noise levels, descending, without the final 0. `sigmas`: the model's, ascending."""
    low, high, last = sigmas[0], sigmas[-1], len(sigmas) - 1
    if schedule == "automatic":
        return sigma_at(np.linspace(last, 0, steps), sigmas)
    if schedule == "sgm uniform":
        return sigma_at(np.linspace(last, 0, steps + 1)[:-1], sigmas)
    if schedule == "karras":
        ends = high ** (1 / KARRAS_RHO), low ** (1 / KARRAS_RHO)
        return np.linspace(*ends, steps) ** KARRAS_RHO
    if schedule == "exponential":
        return np.exp(np.linspace(np.log(high), np.log(low), steps))
    if schedule == "beta":
        from scipy.stats import beta  # slow to import, and only this schedule needs it

        share: Sigmas = np.asarray(beta.ppf(np.linspace(1, 0, steps), BETA_SHAPE, BETA_SHAPE))
        levels: Sigmas = low + (high - low) * share
        return levels
    raise ValueError(f"no such schedule: {schedule!r}")


class FirstOrder:
    """One model call a step. `schedule` is set when the scheduler is made."""

    schedule = "automatic"

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        # the parent forgets the last run's history; its levels are then replaced
        super().set_timesteps(num_inference_steps, device=device)  # type: ignore[misc]
        levels = self._levels(num_inference_steps)
        own = model_sigmas(self.alphas_cumprod)  # type: ignore[attr-defined]
        self.sigmas = torch.from_numpy(levels).float()  # on the CPU, as diffusers keeps them
        self.timesteps = torch.from_numpy(timestep_at(levels[:-1], own)).float().to(device)

    def _levels(self, steps: int) -> Sigmas:
        own = model_sigmas(self.alphas_cumprod)  # type: ignore[attr-defined]
        return np.append(schedule_sigmas(self.schedule, own, steps), 0.0)


class SecondOrder:
    """Two model calls a step. Diffusers derives doubled lists from the levels, so these are handed in where it asks
    for exponential ones: built with `use_exponential_sigmas=True` whatever the schedule."""

    schedule = "automatic"
    timesteps: torch.Tensor

    def _convert_to_exponential(self, in_sigmas: object, num_inference_steps: int) -> Sigmas:
        own = model_sigmas(self.alphas_cumprod)  # type: ignore[attr-defined]
        return schedule_sigmas(self.schedule, own, num_inference_steps)

    def _sigma_to_t(self, sigma: Any, log_sigmas: Any) -> Sigmas:
        # as diffusers', which takes seconds for DPM2's midpoints
        own = model_sigmas(self.alphas_cumprod)  # type: ignore[attr-defined]
        return timestep_at(np.maximum(np.asarray(sigma, dtype=np.float64), 1e-10), own)

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: torch.device | str | None = None,
        num_train_timesteps: int | None = None,
    ) -> None:
        super().set_timesteps(num_inference_steps, None, num_train_timesteps)  # type: ignore[misc]
        self.timesteps = self.timesteps.float().to(device)  # DPM2's are float64, which MPS has not


class KEuler(FirstOrder, diffusers.EulerDiscreteScheduler):  # type: ignore[misc]
    """Euler."""


class KEulerAncestral(FirstOrder, diffusers.EulerAncestralDiscreteScheduler):  # type: ignore[misc]
    """Euler a. Diffusers splits a level by a difference that can be NaN in float32 for very high levels."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        generator: list[torch.Generator] | torch.Generator | None = None,
        return_dict: bool = True,
    ) -> Any:
        """Euler's step to below the next level and noise back up to it, eta = 1."""
        if self.step_index is None:
            self._init_step_index(timestep)
        start, end = self.sigmas[self.step_index], self.sigmas[self.step_index + 1]
        denoised = _denoised(self.config.prediction_type, model_output, sample.float(), start)
        noise = randn_tensor(sample.shape, generator=generator, device=sample.device, dtype=torch.float32)
        self._step_index += 1
        return _answer(_ancestral_step(sample.float(), denoised, start, end, noise), model_output, return_dict)


class KLMS(FirstOrder, diffusers.LMSDiscreteScheduler):  # type: ignore[misc]
    """LMS."""

    def step(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, return_dict: bool = True) -> Any:
        # diffusers takes the order from the place in the schedule: wrong when a run begins in its middle (img2img)
        order = min(len(self.derivatives) + 1, 4)
        return super().step(model_output, timestep, sample, order=order, return_dict=return_dict)


class KHeun(SecondOrder, diffusers.HeunDiscreteScheduler):  # type: ignore[misc]
    """Heun."""


class KDPM2(SecondOrder, diffusers.KDPM2DiscreteScheduler):  # type: ignore[misc]
    """DPM2."""


class KDPM2Ancestral(SecondOrder, diffusers.KDPM2AncestralDiscreteScheduler):  # type: ignore[misc]
    """DPM2 a. With eta = 1 the midpoint between a level and the one stepped down to is the next level itself."""

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: torch.device | str | None = None,
        num_train_timesteps: int | None = None,
    ) -> None:
        super().set_timesteps(num_inference_steps, device, num_train_timesteps)
        # diffusers computes these two by a difference that is NaN in float32 for very high levels
        levels = torch.cat([self.sigmas[:1], self.sigmas[1:-1:2]])
        following = torch.cat([levels[1:], torch.zeros(1)])
        down = torch.where(levels > 0, following**2 / levels.clamp(min=1e-10), 0.0)
        self.sigmas_interpol, self.sigmas_down = _doubled(following), _doubled(down)
        steps = torch.cat([self.timesteps[:1], self.timesteps[2::2]])
        self.timesteps = torch.cat([steps[:1], steps[1:].repeat_interleave(2)])


def _doubled(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values[:1], values[1:].repeat_interleave(2), values[-1:]])


class KMultistep(FirstOrder, diffusers.DPMSolverMultistepScheduler):  # type: ignore[misc]
    """DPM++ 2M and DPM++ 2M SDE."""


class KUniPC(FirstOrder, diffusers.UniPCMultistepScheduler):  # type: ignore[misc]
    """UniPC."""


class KDEIS(FirstOrder, diffusers.DEISMultistepScheduler):  # type: ignore[misc]
    """DEIS: n steps between n + 1 levels, the last being the model's smallest and not 0."""

    def _levels(self, steps: int) -> Sigmas:
        own = model_sigmas(self.alphas_cumprod)
        return schedule_sigmas(self.schedule, own, steps + 1)


class KMultistepThirdOrderSDE(KMultistep):
    """DPM++ 3M SDE. Only the third order's update is ours: in diffusers 0.42.1 the 0.5 that belongs to its last
    coefficient has the wrong sign with noise, so that the correction does not vanish for small steps."""

    def multistep_dpm_solver_third_order_update(
        self, model_output_list: list[torch.Tensor], *, sample: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Lu et al. 2022, multistep data prediction of order 3, with the noise of the SDE (eta = 1).

        model_output_list: the last three denoised predictions, oldest first. All (batch, channels, height, width).
        """
        here = self.step_index
        # lambda = -log sigma in k-diffusion's scaling, where x is sample / alpha
        times = -torch.log(self.sigmas[here - 2 : here + 2].double())
        older, before, step = times.diff()
        newest, second, third = model_output_list[-1], model_output_list[-2], model_output_list[-3]
        slope, slope_before = (newest - second) * (step / before), (second - third) * (step / older)
        share = before / (before + older)
        first_difference = slope + (slope - slope_before) * share
        second_difference = (slope - slope_before) * (step / (before + older))
        decay = torch.exp(-2 * step)
        phi_2 = (decay - 1) / (2 * step) + 1
        phi_3 = phi_2 / (2 * step) - 0.5
        alpha_from, _ = self._sigma_to_alpha_sigma_t(self.sigmas[here])
        alpha_to, sigma_to = self._sigma_to_alpha_sigma_t(self.sigmas[here + 1])
        denoised = (1 - decay) * newest + phi_2 * first_difference - phi_3 * second_difference
        result: torch.Tensor = (
            (decay * alpha_to / alpha_from) * sample + alpha_to * denoised + sigma_to * torch.sqrt(1 - decay) * noise
        )
        return result


class KMidpointSDE(SecondOrder, diffusers.KDPM2DiscreteScheduler):  # type: ignore[misc]
    """DPM++ SDE: the levels of DPM2 (its midpoint is the geometric mean, r = 1/2), the step of DPM-Solver++.

    Diffusers' own needs a package more and ignores the generator. Here the Brownian path's increments come from each
    image's generator: both stages share the first one, as the path demands.
    """

    sample: torch.Tensor | None  # the step's start, while between its two stages

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        generator: list[torch.Generator] | torch.Generator | None = None,
        return_dict: bool = True,
    ) -> Any:
        """One of the two stages of a step (Lu et al. 2022, 2S, with ancestral noise, eta = 1)."""
        if self.step_index is None:
            self._init_step_index(timestep)
        here, first = self.step_index, self.state_in_first_order
        start, target = (self.sigmas[here], self.sigmas[here + 1]) if first else self.sigmas[here - 1 : here + 1]
        middle = self.sigmas_interpol[here + 1 if first else here]
        seen = start if first else middle
        denoised = _denoised(self.config.prediction_type, model_output, sample.float(), seen)

        if target == 0:
            result = denoised
        else:
            noise = randn_tensor(sample.shape, generator=generator, device=sample.device, dtype=torch.float32)
            if self.sample is None:
                self.sample, self._first_noise = sample, noise
                result = _ancestral_step(sample.float(), denoised, start, middle, noise)
            else:
                whole = self._first_noise * (start - middle).sqrt() + noise * (middle - target).sqrt()
                noise = whole / (start - target).sqrt()
                # r = 1/2: (1 - 1/2r) of the first prediction and 1/2r of the second leave the second alone
                result = _ancestral_step(self.sample.float(), denoised, start, target, noise)
                self.sample = None
        self._step_index += 1
        return _answer(result, model_output, return_dict)


def _answer(result: torch.Tensor, model_output: torch.Tensor, return_dict: bool) -> Any:
    result = result.to(model_output.dtype)
    return SchedulerOutput(prev_sample=result) if return_dict else (result,)


def _denoised(
    prediction_type: str, model_output: torch.Tensor, sample: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """The picture that a prediction means. `sample` is the picture plus sigma times noise."""
    if prediction_type == "epsilon":
        return sample - sigma * model_output
    return sample / (sigma**2 + 1) - model_output * (sigma / (sigma**2 + 1).sqrt())


def _ancestral_step(
    sample: torch.Tensor, denoised: torch.Tensor, start: torch.Tensor, end: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """From sigma `start` down past `end`, exact for a constant prediction, and up to `end` by noise (eta = 1)."""
    up = end * (1 - (end / start) ** 2).sqrt()
    down = end**2 / start  # the root of end² - up², without its cancellation
    return (down / start) * sample + (1 - down / start) * denoised + up * noise


class ManyStepLCM(diffusers.LCMScheduler):  # type: ignore[misc]
    """LCM that also takes more steps than the 50 it was distilled from."""

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        origin = _origin_steps(self.config, num_inference_steps)
        super().set_timesteps(num_inference_steps, device, original_inference_steps=origin)


class ManyStepTCD(diffusers.TCDScheduler):  # type: ignore[misc]
    """TCD that also takes more steps than the 50 it was distilled from."""

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        origin = _origin_steps(self.config, num_inference_steps)
        super().set_timesteps(num_inference_steps, device, original_inference_steps=origin)


def _origin_steps(config: Any, steps: int) -> int:
    distilled: int = config.original_inference_steps
    return distilled if steps <= distilled else int(config.num_train_timesteps)
