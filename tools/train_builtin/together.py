"""Several one-thread processes train copies of one network and average their weights every few steps.

On a busy machine this beats one process with several threads by far: nobody waits for a preempted sibling inside each
operation. On a GPU the same code runs as one process. Progress is wall time, kept across restarts in the checkpoint.
"""

import functools
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from tqdm import tqdm  # type: ignore[import-untyped]

from pipelines.models.device import choose

SAVE_EVERY_S = 180.0


class Team:
    """The processes of one training: rank 0 speaks and saves."""

    def __init__(self, work: Path, name: str, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # more threads of one process wait for each other whenever the machine is busy
        if count > 1:
            meeting = work / f"{name}.meeting"
            torch.distributed.init_process_group(
                "gloo", init_method=f"file://{meeting.resolve()}", rank=rank, world_size=count
            )

    @property
    def leads(self) -> bool:
        return self.rank == 0

    @torch.no_grad()
    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every copy of the weights by their mean."""
        if self.count == 1:
            return
        tensors = list(parameters)
        flat = torch.cat([p.reshape(-1) for p in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        offset = 0
        for p in tensors:
            p.copy_(flat[offset : offset + p.numel()].view(p.shape))
            offset += p.numel()

    def mean(self, value: float) -> float:
        """The mean of a number over the team: what all must agree on, such as the progress."""
        if self.count == 1:
            return value
        number = torch.tensor([value], dtype=torch.float64)
        torch.distributed.all_reduce(number)
        return float(number.item()) / self.count

    def leave(self) -> None:
        if self.count > 1:
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()


class Clock:
    """Progress from 0 to 1 over a time budget in seconds, with a bar; `spent` is what earlier starts used."""

    def __init__(self, team: Team, name: str, seconds: float, spent: float = 0.0) -> None:
        self.team, self.seconds = team, seconds
        self._begin = time.monotonic() - spent
        self._saved = time.monotonic()
        self._bar = tqdm(total=round(seconds), desc=name, unit="s", disable=not team.leads, mininterval=15)

    @property
    def spent(self) -> float:
        return time.monotonic() - self._begin

    def progress(self) -> float:
        """The team's progress (all processes must ask together)."""
        mean = self.team.mean(self.spent)
        self._bar.n = round(min(mean, self.seconds))
        return mean / self.seconds

    def note(self, **figures: float) -> None:
        self._bar.set_postfix({key: f"{value:.4g}" for key, value in figures.items()})

    def save_due(self) -> bool:
        if time.monotonic() - self._saved < SAVE_EVERY_S:
            return False
        self._saved = time.monotonic()
        return True


@functools.cache
def compute_dtype(device: torch.device) -> torch.dtype:
    """bf16 on a GPU and on a CPU with instructions for it; other CPUs emulate it, fifty times slower than fp32."""
    return torch.bfloat16 if device.type == "cuda" else choose(device.type).dtype


def mixed(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to `compute_dtype`."""
    dtype = compute_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def cosine(progress: float, hold: float = 0.0) -> float:
    """Learning-rate factor: 1 until `hold`, then a half cosine to 0.02."""
    if progress <= hold:
        return 1.0
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - hold) / (1 - hold))))


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale each group's `base_lr`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.rename(path)


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The saved state, or None on a first start."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def launch(train: Callable[..., None], work: Path, name: str, processes: int, *arguments: Any) -> None:
    """Run `train(rank, processes, work, *arguments)` in every process of a new team."""
    (work / f"{name}.meeting").unlink(missing_ok=True)
    if processes == 1:
        train(0, 1, work, *arguments)
        return
    spawn(train, args=(processes, work, *arguments), nprocs=processes)  # type: ignore[no-untyped-call]


def images_to_tensor(images: Any, device: torch.device) -> Tensor:
    """(batch, height, width, 3) uint8 -> (batch, 3, height, width) float in -1..1, channels last."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return x.contiguous(memory_format=torch.channels_last)
