"""How noisy latents are, and what a model's prediction says of the picture beneath the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Of one call of the network. alpha² + sigma² = 1: the share of the picture, and that of the noise."""

    step: int  # 1 … steps
    alpha: float
    sigma: float
    at_scale_1: bool  # latents hold the picture at scale 1 under noise of deviation sigma / alpha
    velocity: bool  # the prediction is one, not the noise

    @property
    def noise(self) -> float:
        """Its deviation beside a picture at scale 1: what k-diffusion calls sigma."""
        return self.sigma / self.alpha

    @property
    def slope(self) -> float:
        """By how much the clean latents change with the prediction."""
        return -self.sigma if self.velocity else -self.sigma / self.alpha

    def clean(self, latents: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
        """The clean latents that a prediction implies, for every parameterisation (Salimans & Ho 2022, §4)."""
        noisy, said = self.noisy(latents), prediction.float()
        return self.alpha * noisy - self.sigma * said if self.velocity else (noisy - self.sigma * said) / self.alpha

    def prediction(self, latents: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """The prediction that implies these clean latents."""
        noisy, clean = self.noisy(latents), clean.float()
        if self.velocity:
            return (self.alpha * noisy - clean) / self.sigma
        return (noisy - self.alpha * clean) / self.sigma

    def noisy(self, latents: torch.Tensor) -> torch.Tensor:
        """alpha times the clean latents plus sigma times noise."""
        noisy: torch.Tensor = latents.float()
        return noisy * self.alpha if self.at_scale_1 else noisy


def level_at(timestep: torch.Tensor, scheduler: Any, step: int = 1) -> Level:
    """Schedulers that start from noise of deviation 1 keep alpha² + sigma² = 1; the others the picture at scale 1."""
    alphas = scheduler.alphas_cumprod.to(torch.float64)
    position = float(timestep)
    low = int(min(max(position, 0), len(alphas) - 1))
    high = min(low + 1, len(alphas) - 1)
    squared = float(torch.lerp(alphas[low], alphas[high], min(max(position - low, 0.0), 1.0)))
    return Level(
        step=step,
        alpha=squared**0.5,
        sigma=(1 - squared) ** 0.5,
        at_scale_1=float(scheduler.init_noise_sigma) != 1.0,
        velocity=scheduler.config.prediction_type == "v_prediction",
    )
