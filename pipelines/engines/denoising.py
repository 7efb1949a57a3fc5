"""The loop from noise to latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipelines.engines.conditioning import Conditioning, combined, predictions_of, told
from pipelines.engines.modifiers.base import Call, Modifier, applied, arguments_of
from pipelines.errors import NotFinite
from pipelines.sampling.levels import level_at
from pipelines.sampling.schedulers import step as scheduler_step

AfterCall = Callable[[int, torch.Tensor, torch.Tensor], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that the loop needs and that stays the same during it."""

    unet: Any
    scheduler: Any
    timesteps: torch.Tensor  # (calls,)
    steps: int
    conditioning: Conditioning
    generators: Sequence[torch.Generator]  # one an image: noise drawn while sampling comes from them
    modifiers: tuple[Modifier, ...] = ()

    @property
    def capturable(self) -> bool:
        """A graph of one call of the UNet would do the same as the call."""
        return all(modifier.capturable for modifier in self.modifiers)


def denoise(task: Task, latents: torch.Tensor, after_call: AfterCall) -> torch.Tensor:
    """Noise (batch, channels, height, width) -> clean latents.

    `after_call(call, latents it saw, prediction)` follows every call of the UNet and may raise to stop.
    Raises `NotFinite` after the first call or at the end.
    """
    last = len(task.timesteps) - 1
    if task.modifiers:
        levels = [level_at(timestep, task.scheduler, _step(task, n)) for n, timestep in enumerate(task.timesteps)]
        for modifier in task.modifiers:
            modifier.begin(levels)
    with applied(task.modifiers, task.unet):
        for number, timestep in enumerate(task.timesteps):
            prediction = _predict(task, latents, number)
            seen = latents
            latents = scheduler_step(task.scheduler, prediction, timestep, latents, task.generators)
            if number == last or getattr(task.scheduler, "state_in_first_order", True):
                # two-call samplers are at a whole noise level after their second call, and at the very end
                following = None if number == last else task.timesteps[number + 1]
                for modifier in task.modifiers:
                    latents = modifier.after_step(latents, task.scheduler, following)
            if number in (0, last) and not bool(torch.isfinite(latents).all()):
                raise NotFinite("not_finite_at", step=_step(task, number))
            after_call(number, seen, prediction)
    return latents


def _step(task: Task, number: int) -> int:
    return int(min(number // task.scheduler.order + 1, task.steps))


def _predict(task: Task, latents: torch.Tensor, number: int) -> torch.Tensor:
    """One call of the UNet for all rows -> (batch, channels, height, width)."""
    step, timestep = _step(task, number), task.timesteps[number]
    rows = task.conditioning.at(step)
    for modifier in task.modifiers:
        rows = modifier.rows(rows, step)
    words, conditions = told(rows, len(latents))
    call = Call(
        number=number,
        calls=len(task.timesteps),
        step=step,
        timestep=timestep,
        latents=latents,
        sample=task.scheduler.scale_model_input(torch.cat([latents] * len(rows)), timestep),
        rows=rows,
        words=words,
        conditions=conditions,
    )
    added = [modifier.call(call) for modifier in task.modifiers]
    channels = [one.channels for one in added if one.channels is not None]
    sample = torch.cat([call.sample, *channels], 1) if channels else call.sample
    prediction = task.unet(sample, timestep, **arguments_of(added, call), return_dict=False)[0]
    predictions = predictions_of(prediction, rows, task.conditioning.guidance)
    for modifier in task.modifiers:
        predictions = modifier.before_guidance(predictions, call)
    guided = combined(predictions)
    for modifier in task.modifiers:
        guided = modifier.after_guidance(guided, predictions, call)
    return guided
