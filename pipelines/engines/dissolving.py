"""A picture taken apart into noise in the latents of a model: the forward process, which asks the VAE alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipelines import images
from pipelines.engines import decoding
from pipelines.engines.modifiers.base import Modifier
from pipelines.engines.modifiers.filming import Seen
from pipelines.engines.passes import Outcome, Run
from pipelines.errors import InvalidRequest
from pipelines.sampling import noise
from pipelines.sampling.levels import Level
from pipelines.sampling.schedulers import make_scheduler
from pipelines.types import GenerationRequest
from pipelines.watching import Dissolving


@dataclass(frozen=True, kw_only=True, slots=True)
class Dissolution:
    """A `Pass`. What it gives is the picture as the VAE knows it."""

    request: GenerationRequest
    dissolving: Dissolving
    name: str = "forward process"
    steps: int = 0
    modifiers: tuple[Modifier, ...] = ()

    def make(self, run: Run, before: Outcome | None) -> Outcome:
        """Raises `InvalidRequest` without a picture to begin with."""
        parts, request = run.parts, self.request
        if request.init is None:
            raise InvalidRequest("init_image", "picture_needed")
        picture = images.fit(request.init.image, request.size, request.init.resize_mode)
        middle = decoding.likeliest(parts, picture, 1, run.ways, run.rungs).float().cpu()
        clean = middle * parts.vae.config.scaling_factor
        (generator,) = noise.generators(run.batch.seeds[:1])
        if self.dissolving.stepwise:
            noisy, facts = stepwise(clean, self.dissolving.left, generator)
            levels = [(self.dissolving.left[-1], noisy)]
        else:
            drawn, facts = noise.randn(clean.shape[1:], [generator]), {}
            levels = [(left, mixed(clean, drawn, left)) for left in self.dissolving.left]
        placed = [(left, one.to(parts.placement.device, parts.placement.dtype)) for left, one in levels]
        return Outcome(
            latents=clean.to(parts.placement.device, parts.placement.dtype),
            steps=len(levels),
            scheduler=make_scheduler(request.sampler, request.schedule, parts.scheduler_config),
            facts=facts,
            film=tuple(_seen(step, left, one) for step, (left, one) in enumerate(placed, 1)),
        )


def mixed(clean: torch.Tensor, drawn: torch.Tensor, left: float) -> torch.Tensor:
    """x_t in one step."""
    noisy: torch.Tensor = left**0.5 * clean + (1 - left) ** 0.5 * drawn
    return noisy


def stepwise(
    clean: torch.Tensor, left: Sequence[float], generator: torch.Generator
) -> tuple[torch.Tensor, dict[str, Any]]:
    """x_t in single steps; how far it is from the one step with all their noise together, at most, and that noise's
    deviation."""
    here, together, before = clean, torch.zeros_like(clean), 1.0
    for now in left:
        kept = now / before
        drawn = noise.randn(clean.shape[1:], [generator])
        here, together = mixed(here, drawn, kept), mixed(together, drawn, kept)
        before = now
    spread = (1 - before) ** 0.5
    whole = together / spread if spread else together
    apart = float((here - mixed(clean, whole, before)).abs().max())
    return here, {"apart": apart, "deviation": float(whole.square().mean().sqrt())}


def _seen(step: int, left: float, noisy: torch.Tensor) -> Seen:
    level = Level(step=step, alpha=left**0.5, sigma=(1 - left) ** 0.5, at_scale_1=False, velocity=False)
    return Seen(level=level, views={"noisy": noisy})
