"""The loop from noise to latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipelines.engines.conditioning import Conditioning
from pipelines.errors import NotFinite
from pipelines.sampling.schedulers import step as scheduler_step

AfterCall = Callable[[int, torch.Tensor, torch.Tensor], None]
Blend = Callable[[torch.Tensor, Any, "torch.Tensor | None"], torch.Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that the loop needs and that stays the same during it."""

    unet: Any
    scheduler: Any
    timesteps: torch.Tensor  # (calls,)
    steps: int
    conditioning: Conditioning
    generators: Sequence[torch.Generator]  # one an image: noise drawn while sampling comes from them
    # (batch, 5 or 4, height, width): an inpainting UNet's mask and picture, or the picture that another is to change
    extra_channels: torch.Tensor | None = None
    before_call: Callable[[int], None] | None = None  # told the step
    blend: Blend | None = None  # (latents, scheduler, next timestep) -> latents; keeps a part of the picture


def denoise(task: Task, latents: torch.Tensor, after_call: AfterCall) -> torch.Tensor:
    """Noise (batch, channels, height, width) -> clean latents.

    `after_call(call, latents it saw, prediction)` follows every call of the UNet and may raise to stop.
    Raises `NotFinite` after the first call or at the end.
    """
    last = len(task.timesteps) - 1
    for call, timestep in enumerate(task.timesteps):
        step = min(call // task.scheduler.order + 1, task.steps)
        prediction = _predict(task, latents, timestep, step)
        seen = latents
        latents = scheduler_step(task.scheduler, prediction, timestep, latents, task.generators)
        if task.blend is not None and (call == last or getattr(task.scheduler, "state_in_first_order", True)):
            # two-call samplers are at a whole noise level after their second call, and at the very end
            latents = task.blend(latents, task.scheduler, None if call == last else task.timesteps[call + 1])
        if call in (0, last) and not bool(torch.isfinite(latents).all()):
            raise NotFinite(f"The model gave numbers that are not finite at step {step}; nothing was saved.")
        after_call(call, seen, prediction)
    return latents


def _predict(task: Task, latents: torch.Tensor, timestep: torch.Tensor, step: int) -> torch.Tensor:
    """One call of the UNet for both halves of the guidance -> (batch, channels, height, width)."""
    told = task.conditioning.at(step, len(latents))
    copies = len(told.embeddings) // len(latents)
    model_input = task.scheduler.scale_model_input(torch.cat([latents] * copies), timestep)
    if task.extra_channels is not None:
        extra, blind = task.extra_channels, task.conditioning.blind
        shown = [torch.zeros_like(extra)] * blind + [extra] * (copies - blind)
        model_input = torch.cat([model_input, torch.cat(shown)], 1)  # (…, 9 or 8, height, width)
    if task.before_call is not None:
        task.before_call(step)
    prediction = task.unet(
        model_input,
        timestep,
        encoder_hidden_states=told.embeddings,
        added_cond_kwargs=told.added,
        return_dict=False,
    )[0]
    return task.conditioning.combine(prediction, told.weights)
