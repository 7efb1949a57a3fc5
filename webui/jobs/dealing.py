"""Which device takes which job of the queue.

A job goes to a free device that holds its model, else to the one that is free soonest, which is one that is free now.
Only where a device at work holds the model of the job that comes first may a later one, whose model a free device
holds, go before it: so two models that are asked for by turns do not drive each other out of two cards. That happens to
a job no more than `OVERTAKEN` times. With one device the queue is taken in its order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pipelines.engine import Engine
from webui.jobs.status import Running, model_of
from webui.jobs.table import Job, JobTable

if TYPE_CHECKING:
    from webui.jobs.kinds import Shared

OVERTAKEN = 4
LOOKED_AT = 16  # jobs of the queue
PATIENCE = 1.0  # seconds until a free device looks again by itself: another's state changes without a word


class Seat(Protocol):
    """A runner, as the dealer sees it."""

    @property
    def engine(self) -> Engine: ...

    @property
    def running(self) -> Running | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """As it is now. `model`: that it holds, or will when its job ends."""

    place: int
    model: str = ""
    free: bool = True
    ready: bool = True
    failed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """A job that waits. `model`: "" where it names none. `overtaken`: how often a later one went before it."""

    id: str
    model: str = ""
    overtaken: int = 0


class Dealer:
    """Call with the board held."""

    def __init__(self, jobs: JobTable) -> None:
        self._jobs = jobs
        self.seats: Sequence[Seat] = ()  # one a device; given once, before any of them asks
        self._overtaken: Counter[str] = Counter()

    @property
    def patience(self) -> float | None:
        """How long who was given nothing waits for a change."""
        return None if len(self.seats) == 1 else PATIENCE

    def take(self, mine: Seat) -> Job | None:
        """The job that this one is to do now. Raises StorageError."""
        at_work = [one.running.job.id for one in self.seats if one.running is not None]
        if len(self.seats) == 1:
            return self._jobs.take(at_work)
        waiting = self._jobs.waiting(at_work, LOOKED_AT)
        if not waiting:
            self._overtaken.clear()
            return None
        wishes = [Wish(id=job.id, model=model_of(job), overtaken=self._overtaken[job.id]) for job in waiting]
        wish = deal(wishes, [self._device(place) for place in range(len(self.seats))]).get(self._place(mine))
        if wish is None or (job := self._jobs.take(at_work, wish.id)) is None:
            return None
        del self._overtaken[job.id]
        self._overtaken.update(one.id for one in waiting if one.number < job.number)
        return job

    def to_help(self, mine: Seat) -> Shared | None:
        """A run of another device of the same kind, of which nobody has begun the next batch; one batch is not enough
        where the model is to be read first."""
        state = mine.engine.describe()
        if len(self.seats) == 1 or state.state != "ready":
            return None
        kind = (state.device, state.dtype)
        for one in self.seats:
            running, other = one.running, one.engine.describe()
            if running is None or running.shared is None or running.stop is not None:
                continue
            enough = 1 if state.model == model_of(running.job) else 2
            if (other.device, other.dtype) == kind and running.shared.batches.left >= enough:
                return running.shared
        return None

    def can_others(self, mine: Seat) -> bool:
        """Whether another device is or will be able to work."""
        return any(one is not mine and one.engine.describe().state != "failed" for one in self.seats)

    def _place(self, mine: Seat) -> int:
        return next(place for place, one in enumerate(self.seats) if one is mine)

    def _device(self, place: int) -> Device:
        seat, state = self.seats[place], self.seats[place].engine.describe()
        at_work = "" if seat.running is None else model_of(seat.running.job)
        return Device(
            place=place,
            model=at_work or state.model,
            free=seat.running is None,
            ready=state.state == "ready",
            failed=state.state == "failed",
        )


def deal(waiting: Sequence[Wish], devices: Sequence[Device]) -> dict[int, Wish]:
    """Place of a device -> the job that it is to take now. Those that failed get none while others live."""
    left, given = list(waiting), dict[int, Wish]()
    alive = [one for one in devices if not one.failed] or list(devices)
    while left and (free := [one for one in alive if one.free]):
        device, wish = _next(left, free, {one.model for one in alive if not one.free and one.model})
        given[device.place] = wish
        left.remove(wish)
        at = alive.index(device)
        alive[at] = replace(device, free=False, model=wish.model or device.model)
    return given


def _next(waiting: Sequence[Wish], free: Sequence[Device], held_at_work: set[str]) -> tuple[Device, Wish]:
    for wish in waiting:
        holder = next((one for one in free if wish.model and one.model == wish.model), None)
        if holder is not None:
            return holder, wish
        if wish.model not in held_at_work or wish.overtaken >= OVERTAKEN:
            break
    wanted = {wish.model for wish in waiting if wish.model}
    return min(free, key=lambda one: (not one.ready, one.model in wanted, one.model != "")), waiting[0]
