"""What is tried when memory runs out: rung by rung, the same job, and the picture's record says which rungs it took.

free cache      what the allocator keeps for later is given back, and       same pixels
                before that what is kept for speed alone (`Components.give_back`)
offload         only the part at work stays on the card                     same pixels
tile            the VAE works on tiles                                      same pixels up to one tile (512²), else near
one at a time   the images of a batch one after the other                   other last bits: another batch size
sequential      the layers of the UNet come to the card one by one          same pixels

It begins where the memory plan was wrong: rungs that the plan has taken already are left out.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import torch

from pipelines.models.device import is_out_of_memory
from pipelines.models.memory import Ways
from pipelines.models.weights.components import Stage

FREE_CACHE, OFFLOAD, TILE, ONE_AT_A_TIME = "free cache", "offload", "tile", "one at a time"
SEQUENTIAL = "sequential"
RUNGS = "memory_rungs"  # the fact that names those taken; left out when there were none
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One way of doing a piece of work, and the rungs it stands on."""

    ways: Ways
    rungs: tuple[str, ...] = ()


def tries(ways: Ways, stage: Stage | Literal["whole"], *, moves: bool, images: int = 1) -> tuple[Try, ...]:
    """From the plan down the ladder, as far as its rungs help at this stage; "whole": a run that cannot be told apart
    into stages. `moves`: parts may leave the device."""
    found = [Try(ways=ways), Try(ways=ways, rungs=(FREE_CACHE,))]
    decodes, samples = stage in ("vae", "whole"), stage in ("unet", "whole")
    alone = ways.parts_alone or ways.streamed
    for rung, change, helps in (
        (OFFLOAD, {"parts_alone": True, "text_off": False}, moves and not alone),
        (TILE, {"tiled": True}, decodes and not ways.tiled),
        (ONE_AT_A_TIME, {"singly": True}, samples and images > 1 and not ways.singly),
        (SEQUENTIAL, {"streamed": True, "parts_alone": False}, samples and moves and not ways.streamed),
    ):
        if helps:
            last = found[-1]
            found.append(Try(ways=replace(last.ways, **change), rungs=(*last.rungs, rung)))
    return tuple(found)


def climb(
    work: Callable[[Try], Result],
    tries: tuple[Try, ...],
    device: str,
    give_back: Callable[[], object] = lambda: None,
) -> tuple[Result, Try]:
    """`work` by the first try that has enough memory, and that try. Raises what the last try raised."""
    for attempt in tries[:-1]:
        try:
            return work(attempt), attempt
        except (MemoryError, RuntimeError) as error:  # torch's own OutOfMemoryError is a RuntimeError
            if not is_out_of_memory(error):
                raise
        give_back()
        free_memory(device)  # outside of the handler, whose traceback still holds what the try had made
    return work(tries[-1]), tries[-1]


def free_memory(device: str) -> None:
    """Gives back what nobody uses."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
