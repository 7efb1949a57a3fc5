"""How a batch is run on this device: the memory plan, what its runs really took, and steps that take too long."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import psutil
import torch

from pipelines.errors import Note
from pipelines.models import memory
from pipelines.models.device import Placement
from pipelines.models.memory import Calibration, Means, Plan, Shape, Size, Ways
from pipelines.models.peaks import Measured, Peaks
from pipelines.models.weights.components import Components
from pipelines.prompts.grammar import prompts_in
from pipelines.types import GenerationRequest

SAMPLING = 0.01  # seconds between two looks at this process's memory
TOO_LONG = 3.0  # times the median step
REMEMBERED_STEPS = 100
ENOUGH_STEPS = 4  # before a median says something


class Planner:
    """Plans batches of published families; of others nothing is known, and the ladder must do."""

    def __init__(self, peaks: Peaks) -> None:
        self._peaks = peaks

    def ways(self, parts: Components, size: Size) -> Ways:
        """The cheapest that fits; on a card, when none does, the one that takes least: the arithmetic may be wrong.
        Raises MemoryError where too much would end the program."""
        if parts.info.family not in memory.FAMILIES:
            return Ways()
        made = self.plan(parts, size)
        if made.ways is not None:
            return made.ways
        if not parts.placement.moves:
            raise MemoryError
        return list(memory.from_cheapest(made.size, _means(parts)))[-1]

    def plan(self, parts: Components, size: Size) -> Plan:
        calibration = self.calibration(parts.placement, parts.info.family)
        return memory.plan(
            shape_of(parts),
            size,
            free_for(parts.placement, parts.modules),
            calibration=calibration,
            means=_means(parts),
        )

    def calibration(self, placement: Placement, family: str) -> Calibration:
        """As learned here; until then as measured elsewhere."""
        on_a_processor = placement.device == "cpu" and not placement.moves
        before = memory.ON_A_PROCESSOR if on_a_processor else memory.UNMEASURED
        return self._peaks.calibration(device_of(placement), family, before)

    def learned(self, placement: Placement) -> dict[str, dict[str, float]]:
        """The calibration of every published family as plain numbers: for the page."""
        return {family: asdict(self.calibration(placement, family)) for family in memory.FAMILIES}

    def largest(self, parts: Components, request: GenerationRequest) -> tuple[int, int]:
        """The largest picture of the request's proportions that fits here, (0, 0) when that is not known."""
        if parts.info.family not in memory.FAMILIES:
            return 0, 0
        return self.plan(parts, size_of(parts, request, 1)).largest

    def spare(self, parts: Components, size: Size, ways: Ways) -> int:
        """Bytes that a run leaves on the device."""
        shape = memory.calibrated(shape_of(parts), self.calibration(parts.placement, parts.info.family))
        return free_for(parts.placement, parts.modules) - memory.peak(shape, size, ways) - memory.OVERHEAD

    def graph(self, parts: Components, size: Size, ways: Ways) -> int:
        """Bytes that a captured call of the UNet keeps."""
        shape = memory.calibrated(shape_of(parts), self.calibration(parts.placement, parts.info.family))
        return memory.work_bytes(shape, size, ways)

    def learn(self, parts: Components, size: Size, ways: Ways, stage: str, taken: int) -> None:
        """From the peak in bytes of one stage, "step" or "decode", that went as planned."""
        if parts.info.family not in memory.FAMILIES:
            return
        shape = shape_of(parts)
        predict = {"step": memory.step_bytes, "decode": memory.decode_bytes}[stage]
        nothing = memory.calibrated(shape, memory.Calibration(step=0.0, decode=0.0))
        weights, whole = predict(nothing, size, ways), predict(shape, size, ways)
        measured = Measured(stage=stage, predicted=whole - weights, taken=taken - weights)
        self._peaks.learn(device_of(parts.placement), parts.info.family, measured)


def size_of(parts: Components, request: GenerationRequest, images: int) -> Size:
    prompts = prompts_in(request.prompt, request.dialect)
    rows = memory.rows_of(request.guidance, editing=parts.editing, prompts=prompts)
    if request.edit is not None:
        rows += memory.rows_of(request.guidance)  # its source, asked in the same calls
    shares = request.reuse is not None
    sees = 0 if request.tiles is None else request.tiles.pixels_of(request.width, request.height)
    return Size(width=request.width, height=request.height, batch=images, rows=rows, shares=shares, sees=sees)


def device_of(placement: Placement) -> str:
    return f"{placement.device_name} · {placement.dtype_name}"


def shape_of(parts: Components) -> Shape:
    """With the weights that are really there."""
    width = parts.placement.dtype.itemsize
    shape = memory.shape_of(parts.info.family, bytes_per_number=width)

    def counted(modules: Sequence[Any]) -> int:
        return width * sum(int(weight.numel()) for part in modules for weight in part.parameters())

    return Shape(
        unet=counted((parts.unet,)),
        vae=counted(parts.at_work("vae")),
        text=counted(parts.at_work("text")),
        beside=counted(parts.at_work("unet")[1:]),
        step_per_pixel=shape.step_per_pixel,
        decode_per_pixel=shape.decode_per_pixel,
        vae_in_fp32=shape.vae_in_fp32 and parts.placement.dtype == torch.float16,
    )


def free_for(placement: Placement, modules: Sequence[Any]) -> int:
    """Bytes that a model of these modules and its work may take on their device, with what of them is there now."""
    available = placement.available()
    return available if placement.moves else available + _held(modules)


def _held(modules: Sequence[Any]) -> int:
    """Bytes of the model in main memory that are not the file itself, mapped."""
    info = psutil.Process().memory_info()
    own = info.rss - getattr(info, "shared", 0)
    weights = (weight for part in modules for weight in part.parameters())
    return int(min(own, sum(weight.numel() * weight.element_size() for weight in weights)))


def _means(parts: Components) -> Means:
    """Parts move only where main memory has room for them."""
    if not parts.placement.moves:
        return Means(moving=False, narrowing=False)
    return Means(moving=shape_of(parts).weights <= psutil.virtual_memory().available + _held(parts.modules))


@contextmanager
def measured_peak(placement: Placement) -> Iterator[Callable[[], int]]:
    """A function that tells, afterwards, the most bytes that were in use on the device: of its own on a card, of this
    process without `OVERHEAD` in main memory."""
    if placement.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(placement.device)
        yield lambda: torch.cuda.max_memory_allocated(placement.device)
        return
    process, over = psutil.Process(), threading.Event()
    most = [process.memory_info().rss]

    def look() -> None:
        while not over.wait(SAMPLING):
            most.append(max(most.pop(), process.memory_info().rss))

    watcher = threading.Thread(target=look, name="memory-watcher", daemon=True)
    watcher.start()
    try:
        yield lambda: most[0] - memory.OVERHEAD
    finally:
        over.set()
        watcher.join()


class Pace:
    """Tells when a step takes far longer than those before under the same plan: on Windows a driver lends a card main
    memory instead of saying that it has too little, and everything becomes many times slower."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._steps: dict[Any, deque[float]] = {}

    def watch(self, key: Any) -> Callable[[str], Note | None]:
        """To be called after every step, with how that was made: a note the first time that one took too long. `key`:
        the plan."""
        last, told = self._clock(), False

        def after_step(how: str) -> Note | None:
            nonlocal last, told
            steps = self._steps.setdefault((key, how), deque(maxlen=REMEMBERED_STEPS))
            now = self._clock()
            seconds, last = now - last, now
            usual = statistics.median(steps) if len(steps) >= ENOUGH_STEPS else None
            steps.append(seconds)
            if usual is None or told or seconds <= TOO_LONG * usual:
                return None
            told = True
            return Note("slow_step", seconds=round(seconds, 1), usual=round(usual, 1))

        return after_step
