"""What is tried when memory runs out: rung by rung, the same job, and the picture's record says which rungs it took.

free cache      what the allocator keeps for later is given back    same pixels
tile            the VAE works on tiles                              same pixels up to one tile (512²), else near
one at a time   the images of a batch one after the other           other last bits: another batch size
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from pipelines.models.device import is_out_of_memory

FREE_CACHE, TILE, ONE_AT_A_TIME = "free cache", "tile", "one at a time"
RUNGS = "memory_rungs"  # the fact that names those taken; left out when there were none
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One way of doing a piece of work, and the rungs it stands on."""

    tiled: bool = False
    singly: bool = False
    rungs: tuple[str, ...] = ()


PLAIN_TRIES = (Try(), Try(rungs=(FREE_CACHE,)))
VAE_TRIES = (Try(), Try(rungs=(FREE_CACHE,)), Try(tiled=True, rungs=(FREE_CACHE, TILE)))
DENOISING_TRIES = (Try(), Try(rungs=(FREE_CACHE,)), Try(singly=True, rungs=(FREE_CACHE, ONE_AT_A_TIME)))


def climb(work: Callable[[Try], Result], tries: tuple[Try, ...], device: str) -> tuple[Result, Try]:
    """`work` by the first try that has enough memory, and that try. Raises what the last try raised."""
    for attempt in tries[:-1]:
        try:
            return work(attempt), attempt
        except (MemoryError, RuntimeError) as error:  # torch's own OutOfMemoryError is a RuntimeError
            if not is_out_of_memory(error):
                raise
        free_memory(device)  # outside of the handler, whose traceback still holds what the try had made
    return work(tries[-1]), tries[-1]


def free_memory(device: str) -> None:
    """Gives back what nobody uses."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
