"""Training counted in steps: what step n draws comes from the number n, so a stopped one goes on as if nothing was.

The weights after n steps are the same whether they were reached in one go or in ten.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tools.train_builtin.together import cosine, read_checkpoint, save_checkpoint, set_rate

SAVE_EVERY_S = 180.0
NOTE_EVERY = 50  # steps
WARM_UP = 100  # steps
KEPT = 0.998  # of the running mean, each step
CHECKPOINT = "checkpoint.pt"
PROGRESS = "progress.txt"


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long and how fast to train: steps in all, learning rate, the folder of checkpoint and progress."""

    work: Path
    steps: int
    rate: float


def seeded(name: str, step: int) -> np.random.Generator:
    """The chances of one step; torch's own noise is set by them too."""
    random = np.random.default_rng([*name.encode(), step])
    torch.manual_seed(int(random.integers(2**31)))
    return random


def train(
    net: nn.Module,
    loss_at: Callable[[int], Tensor],
    course: Course,
    stop_at: int | None = None,
    optimizers: Sequence[torch.optim.Optimizer] = (),
) -> None:
    """Train until `course.steps` (or `stop_at`), going on from the checkpoint; then `net` holds the running mean.

    `loss_at(step)` must draw everything from `step`. One line every 50 steps goes to `progress.txt`. Without
    `optimizers` (whose groups have a `base_lr`) it is AdamW.
    """
    parameters = list(net.parameters())
    optimizers = optimizers or [
        torch.optim.AdamW(
            [{"params": parameters, "base_lr": course.rate}], course.rate, betas=(0.9, 0.99), weight_decay=0.0
        )
    ]
    mean, step = [parameter.detach().clone() for parameter in parameters], 0
    saved = read_checkpoint(course.work / CHECKPOINT)
    if saved:
        net.load_state_dict(saved["weights"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        mean, step = saved["mean"], saved["step"]

    def save() -> None:
        state = {"weights": net.state_dict(), "mean": mean, "step": step}
        state["optimizers"] = [optimizer.state_dict() for optimizer in optimizers]
        save_checkpoint(course.work / CHECKPOINT, state)

    course.work.mkdir(parents=True, exist_ok=True)
    saved_at, losses = time.monotonic(), []
    end = min(course.steps, stop_at or course.steps)
    with (course.work / PROGRESS).open("a", encoding="utf-8", buffering=1) as progress:
        while step < end:
            for optimizer in optimizers:
                set_rate(optimizer, min(1.0, (step + 1) / WARM_UP) * cosine(step / course.steps, 0.3))
            loss = loss_at(step)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            step += 1
            _move(mean, parameters, min(KEPT, step / (step + 10)))
            losses.append(loss.item())
            if step % NOTE_EVERY == 0:
                progress.write(f"{time.strftime('%F %T')} step {step} of {course.steps} loss {np.mean(losses):.5f}\n")
                losses.clear()
            if time.monotonic() - saved_at > SAVE_EVERY_S:
                save()
                saved_at = time.monotonic()
    save()
    with torch.no_grad():
        for parameter, value in zip(parameters, mean, strict=True):
            parameter.copy_(value)


@torch.no_grad()
def _move(mean: list[Tensor], parameters: list[nn.Parameter], kept: float) -> None:
    for value, parameter in zip(mean, parameters, strict=True):
        value.lerp_(parameter, 1 - kept)
