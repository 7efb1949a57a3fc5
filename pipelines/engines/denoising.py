"""The loop from noise to latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from pipelines.engines.conditioning import Conditioning, combined, predictions_of, told
from pipelines.engines.modifiers.base import Call, Modifier, applied, arguments_of
from pipelines.engines.replay import Replayed
from pipelines.engines.tiles import Tiles
from pipelines.errors import NotFinite
from pipelines.sampling.levels import level_at
from pipelines.sampling.schedulers import calls_of
from pipelines.sampling.schedulers import step as scheduler_step

AfterCall = Callable[[int, torch.Tensor, torch.Tensor], None]


@dataclass(slots=True)
class Ending:
    """After how many steps of all passes a batch ends; 0: after all. A person may say so meanwhile."""

    after: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """All that the loop needs and that stays the same during it."""

    unet: Any
    scheduler: Any
    timesteps: torch.Tensor  # of its calls, and behind them of those that are another network's
    steps: int
    conditioning: Conditioning
    generators: Sequence[torch.Generator]  # one an image: noise drawn while sampling comes from them
    modifiers: tuple[Modifier, ...] = ()
    ending: Ending = field(default_factory=Ending)
    before: int = 0  # steps of the passes before
    done: int = 0  # steps of the same noise levels that another network ran before
    left: int = 0  # ... and that another one will run
    tiles: Tiles | None = None  # the parts that the network sees the latents in
    stand: Replayed | None = None  # in the place of the UNet at its calls; None: it stands there itself

    @property
    def calls(self) -> int:
        return calls_of(self.scheduler, self.steps) if self.left else len(self.timesteps)

    def ends(self, number: int) -> bool:
        """With this call, which is not the last."""
        return number < len(self.timesteps) - 1 and 0 < self.ending.after <= self.before + self.own_step(number)

    def own_step(self, number: int) -> int:
        """1 … steps, of its own."""
        return int(min(number // self.scheduler.order + 1, self.steps))

    def step(self, number: int) -> int:
        """That a call belongs to, counted over all networks that share the noise levels."""
        return self.done + int(min(number // self.scheduler.order + 1, self.steps + self.left))

    @property
    def steps_left(self) -> int:
        """Steps that it runs, as far as is known now."""
        return min(self.steps, self.ending.after - self.before) if self.ending.after else self.steps

    @property
    def capturable(self) -> bool:
        """A graph of one call of the UNet would do the same as the call."""
        return self.tiles is None and all(modifier.capturable for modifier in self.modifiers)


def denoise(task: Task, latents: torch.Tensor, after_call: AfterCall) -> torch.Tensor:
    """Noise (batch, channels, height, width) -> clean latents; as noisy as the next step wants them where another
    network goes on.

    `after_call(call, latents it saw, prediction)` follows every call of the UNet and may raise to stop.
    What a batch that is ended before shows is the clean picture that its last call implies: that of the preview.
    Raises `NotFinite` after the first call or at the end.
    """
    last = task.calls - 1
    if task.modifiers:
        levels = [level_at(timestep, task.scheduler, task.step(n)) for n, timestep in enumerate(task.timesteps)]
        seeds = [generator.initial_seed() for generator in task.generators]
        for modifier in task.modifiers:
            modifier.begin(levels)
            modifier.seeded(seeds)
    with applied(task.modifiers, task.unet):
        for number, timestep in enumerate(task.timesteps[: task.calls]):
            prediction = _predict(task, latents, number)
            seen = latents
            latents = scheduler_step(task.scheduler, prediction, timestep, latents, task.generators)
            whole = number == last or getattr(task.scheduler, "state_in_first_order", True)
            if whole:
                # two-call samplers are at a whole noise level after their second call, and at the very end
                following = task.timesteps[number + 1] if number + 1 < len(task.timesteps) else None
                for modifier in task.modifiers:
                    latents = modifier.after_step(latents, task.scheduler, following)
            if number in (0, last) and not bool(torch.isfinite(latents).all()):
                raise NotFinite("not_finite_at", step=task.step(number))
            after_call(number, seen, prediction)
            if whole and task.ends(number):
                return _as_it_is(task, number, seen, prediction)
    return latents


def _as_it_is(task: Task, number: int, seen: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
    level = level_at(task.timesteps[number], task.scheduler, task.step(number))
    clean = level.clean(seen, prediction).to(seen.dtype)
    for modifier in task.modifiers:
        clean = modifier.after_step(clean, task.scheduler, None)
    return clean


def _predict(task: Task, latents: torch.Tensor, number: int) -> torch.Tensor:
    """One call of the UNet for all rows -> (batch, channels, height, width)."""
    step, timestep = task.step(number), task.timesteps[number]
    rows = task.conditioning.at(step)
    for modifier in task.modifiers:
        rows = modifier.rows(rows, step)
    others = {role: other for modifier in task.modifiers for role, other in modifier.shown(number).items()}
    seen = [others.get(one.role, latents) for one in rows]
    height, width = latents.shape[-2:]
    asked = [one.moves(rows, number / len(task.timesteps), (height, width)) for one in task.modifiers]
    if moves := next(filter(None, asked), ()):
        seen = [one.roll(way, (-2, -1)) for one, way in zip(seen, moves, strict=True)]
    words, conditions = told(rows, len(latents))
    call = Call(
        number=number,
        calls=len(task.timesteps),
        step=step,
        timestep=timestep,
        latents=latents,
        sample=task.scheduler.scale_model_input(torch.cat(seen), timestep),
        rows=rows,
        words=words,
        conditions=conditions,
        moved=bool(moves),
    )
    prediction = _asked(task, call) if task.tiles is None else task.tiles.together(call, partial(_asked, task))
    if moves:
        said = zip(prediction.chunk(len(rows)), moves, strict=True)
        prediction = torch.cat([one.roll((-down, -right), (-2, -1)) for one, (down, right) in said])
    predictions = predictions_of(prediction, rows, task.conditioning.guidance)
    for modifier in task.modifiers:
        predictions = modifier.before_guidance(predictions, call)
    guided = combined(predictions)
    for modifier in task.modifiers:
        guided = modifier.after_guidance(guided, predictions, call)
    return guided


def _asked(task: Task, call: Call) -> torch.Tensor:
    """What the UNet says, with all that modifiers add -> (rows, channels, height, width)."""
    added = [modifier.call(call) for modifier in task.modifiers]
    channels = [one.channels for one in added if one.channels is not None]
    if call.area is not None:
        channels = [call.area.of(one) for one in channels]
    sample = torch.cat([call.sample, *channels], 1) if channels else call.sample
    network = task.unet if task.stand is None else task.stand
    said: torch.Tensor = network(sample, call.timestep, **arguments_of(added, call), return_dict=False)[0]
    return said
