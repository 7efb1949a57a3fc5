"""A classifier leads the picture: Dhariwal & Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis",
arXiv:2105.05233, algorithm 2: the noise is said to be less by weight · σ ∇ log p(y | x_t).

The classifier is the built-in model's own head for noisy latents (`models/noisy_judge.py`), y what its prompt names of
that model's world. On the processor and in float32, whatever makes the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pipelines.engines.conditioning import Predictions
from pipelines.engines.modifiers.base import Call, Modifier, within
from pipelines.leading import Guiding
from pipelines.models import noisy_judge
from pipelines.models.noisy_judge import likelihood
from pipelines.prompts.things import asked
from pipelines.sampling.levels import Level

TINY = 1e-4  # shares of picture or noise are not below


class Classified(Modifier):
    """Stands behind what changes how the prompts lead."""

    def __init__(self, guiding: Guiding, prompt: str) -> None:
        self._guiding, self._things = guiding, asked(prompt)
        self._levels: Sequence[Level] = ()

    def begin(self, levels: Sequence[Level]) -> None:
        self._levels = levels

    def after_guidance(self, prediction: torch.Tensor, predictions: Predictions, call: Call) -> torch.Tensor:
        guiding = self._guiding
        if not self._things or not within(guiding.classifier_start, guiding.classifier_stop, call):
            return prediction
        level = self._levels[call.number]
        alpha, sigma = max(level.alpha, TINY), max(level.sigma, TINY)
        slope = gradient(level.noisy(call.latents), math.log(alpha / sigma), self._things).to(prediction.device)
        cleaner = guiding.classifier * sigma**2 / alpha * slope  # by so much the clean latents change
        return (prediction.float() + cleaner / level.slope).to(prediction)

    def facts(self) -> Mapping[str, Any]:
        return {"classifier": {"things": dict(self._things), "sha256": noisy_judge.sha256()}}


def gradient(noisy: torch.Tensor, signal: float, things: Mapping[str, str]) -> torch.Tensor:
    """∇ log p(y | x_t) of each image, on the processor."""
    with torch.enable_grad():
        at = noisy.detach().float().cpu().requires_grad_(True)
        (found,) = torch.autograd.grad(likelihood(noisy_judge.shipped(), at, signal, things).sum(), at)
    return found
