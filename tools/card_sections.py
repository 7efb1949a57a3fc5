"""What the sections of `python -m tools.bench card` share: the card, the bench, and what they find.

Torch is imported in the functions, so that the other benches start without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.types import Batch, GenerationRequest, GenerationResult, OnProgress, Progress

if TYPE_CHECKING:
    from pipelines.engines.local import LocalEngine
    from pipelines.engines.replay import Recorder


class Card(Protocol):
    """What a section needs of a card beside the engine."""

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    def squeeze(self, limit: int) -> None:
        """From now on so many bytes are all there is, whatever the memory plan was told."""
        ...

    def relax(self) -> None:
        """All of it is there again."""
        ...

    def forget_peak(self) -> None: ...
    def peak(self) -> int:
        """The most bytes that were taken since `forget_peak`, with what the allocator keeps for later."""
        ...

    def recorder(self) -> Recorder | None:
        """What captures calls on it."""
        ...

    def placed(self, engine: LocalEngine, limit: int | None) -> None:
        """The engine's memory plan is told of a card of so many bytes; None: of this one."""
        ...


class CudaCard:
    """This machine's."""

    device = "cuda"

    def __init__(self) -> None:
        import torch

        properties = torch.cuda.get_device_properties(self.device)
        self.name, self._total = str(properties.name), int(properties.total_memory)

    def squeeze(self, limit: int) -> None:
        import torch

        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / self._total), self.device)

    def relax(self) -> None:
        self.squeeze(self._total)

    def forget_peak(self) -> None:
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> int:
        import torch

        return int(torch.cuda.max_memory_reserved(self.device))

    def recorder(self) -> Recorder | None:
        from pipelines.engines.replay import recorder_for

        return recorder_for(self.device)

    def placed(self, engine: LocalEngine, limit: int | None) -> None:
        if limit is not None:
            engine.manager.placement = limited(engine.manager.placement, limit)


def limited(placement: Any, limit: int) -> Any:
    """The same placement on a card that says it has so many bytes."""
    from dataclasses import fields

    from pipelines.models.device import Placement

    class Limited(Placement):
        __slots__ = ()

        def memory(self) -> int:
            return limit

        def available(self) -> int:
            return min(limit, super().available())

    return Limited(**{one.name: getattr(placement, one.name) for one in fields(placement)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """`folder`: holds the model of random weights, `model`; `limit`: bytes of the card that is pretended."""

    card: Card
    folder: Path
    model: str
    limit: int = 4 * 2**30

    @contextmanager
    def engine(self, limit: int | None = None, *, replay: bool = False) -> Iterator[LocalEngine]:
        """In this process. `limit`: bytes that its memory plan believes to be all. `replay`: a call that is replayed
        takes no memory anew, so most sections go without."""
        from pipelines.engines.local import LocalEngine
        from pipelines.engines.replay import Replays

        engine = LocalEngine([self.folder], device=self.card.device, replay=replay)
        try:
            self.card.placed(engine, limit)
            engine.replays = Replays(self.card.recorder() if replay else None)
            yield engine
        finally:
            engine.close()

    def request(self, side: int, **changes: Any) -> GenerationRequest:
        settings = {"steps": 4, "guidance": 5.0, "sampler": "DDIM", "seed": 7, "prompt": "a red star"} | changes
        return GenerationRequest(model=self.model, width=side, height=side, **settings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One line of the table. `held`: whether the promise was kept; None: a measurement. `facts`: more, in the JSON."""

    case: str
    held: bool | None
    told: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """`fault`: its number in the list of `tests/faults.py`, None where it provokes none."""

    name: str
    fault: int | None
    run: Callable[[Bench], Iterator[Found]]


def made(engine: Any, request: GenerationRequest, on_progress: OnProgress = lambda _: None) -> list[GenerationResult]:
    """The first batch of the request."""
    assert request.seed is not None
    batch: Batch = next(request.batches_from(request.seed))
    found: list[GenerationResult] = engine.generate(batch, on_progress)
    return found


def once_at(stage: str, act: Callable[[], None], heard: list[Progress] | None = None) -> OnProgress:
    """Acts the first time that this stage is told of."""
    done = False

    def on_progress(progress: Progress) -> None:
        nonlocal done
        if heard is not None:
            heard.append(progress)
        if progress.stage == stage and not done:
            done = True
            act()

    return on_progress


def same(first: list[GenerationResult], second: list[GenerationResult]) -> bool:
    """Pixel for pixel."""
    return [one.image.tobytes() for one in first] == [one.image.tobytes() for one in second]
