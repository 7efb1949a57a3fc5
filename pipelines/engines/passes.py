"""A run is a list of passes over one batch: each takes what the one before made, and makes it anew, larger or better.

What a pass is told is a request of its own: the batch's, with the pass's fields instead. What it decided goes into its
facts, so that the picture can be made again. A run of one pass is recorded as it always was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image

from pipelines.engines import decoding
from pipelines.engines.denoising import Ending
from pipelines.engines.ladder import Try, climb, tries
from pipelines.engines.modifiers.base import Modifier
from pipelines.engines.modifiers.filming import Seen
from pipelines.engines.planning import Pace, Planner, measured_peak, size_of
from pipelines.engines.replay import Replays
from pipelines.models.memory import Size, Ways
from pipelines.models.resident import Resident
from pipelines.models.weights.arranging import leave
from pipelines.models.weights.components import Components, Stage
from pipelines.prompts.wish import Wish
from pipelines.sampling import masks
from pipelines.sampling.masks import Canvas
from pipelines.types import Batch, GenerationRequest, OnProgress, Progress
from pipelines.watching import Attention, Moment

PASSES = "passes"  # the fact that tells of each, where there was more than one
Result = TypeVar("Result")
Picture = tuple[Image.Image, dict[str, Any]]  # with the facts that are its own


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a pass made of a batch: latents, or pictures."""

    # (images, channels, height, width), clean, or as noisy as the refiner that goes on with them wants them
    latents: torch.Tensor | None = None
    pictures: tuple[Picture, ...] = ()  # where there are no latents
    steps: int  # that it ran
    scheduler: Any
    canvas: Canvas | None = None  # the picture that those decoded are laid into
    facts: Mapping[str, Any] = field(default_factory=dict)  # of all its images
    looks: tuple[Attention | None, ...] = ()  # where words look, of each image
    states: tuple[torch.Tensor, ...] = ()  # of each image's generator, by then
    film: tuple[Seen, ...] = ()  # of the image that is filmed

    def of(self, places: slice) -> Outcome:
        """Of some of the images."""
        latents = None if self.latents is None else self.latents[places]
        pictures, looks, states = self.pictures[places], self.looks[places], self.states[places]
        return replace(self, latents=latents, pictures=pictures, looks=looks, states=states)


class Pass(Protocol):
    """One pass. `name` stands in the record; `request` is the batch's with this pass's own fields."""

    @property
    def name(self) -> str: ...
    @property
    def request(self) -> GenerationRequest: ...
    @property
    def steps(self) -> int: ...  # that it runs, and that its progress counts
    @property
    def modifiers(self) -> Sequence[Modifier]: ...  # their networks are in the memory plan

    def make(self, run: Run, before: Outcome | None) -> Outcome:
        """`before`: of the pass before; None: this is the first. Raises what `Engine.generate` raises."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What all passes and images of a batch share. `parts`: the model's, with another VAE if one was chosen, and what
    works beside them (`brought`)."""

    model: Resident
    parts: Components
    batch: Batch
    wish: Wish  # what its prompts say
    ways: Ways
    planner: Planner
    pace: Pace
    on_progress: OnProgress
    replays: Replays | None = None  # None: every call is made by the network itself
    spare: int = 0  # bytes that the plan leaves for them
    rungs: list[str] = field(default_factory=list)  # those taken by the whole batch
    ending: Ending = field(default_factory=Ending)
    noted: dict[str, Any] = field(default_factory=dict)  # of the record: "warnings" and "denoised_in", if there are any

    def made(self, passes: Sequence[Pass]) -> tuple[list[Picture], Outcome, tuple[Moment, ...]]:
        """The pictures, the outcome of all passes together, and what is shown of the image that was filmed."""
        outcomes: list[Outcome] = []
        try:
            for number, one in enumerate(passes, 1):
                run = replace(self, on_progress=_counted(self.on_progress, number, len(passes)))
                outcomes.append(one.make(run, outcomes[-1] if outcomes else None))
                if 0 < self.ending.after <= sum(done.steps for done in passes[:number]):
                    break
            pictures, together = run.pictures(outcomes[-1]), _together(passes[: len(outcomes)], outcomes)
            return pictures, together, tuple(self._shown(seen, together.steps) for seen in together.film)
        finally:
            leave(self.parts)

    def pictures(self, outcome: Outcome) -> list[Picture]:
        """Of latents: decoded, one image at a time, and checked."""
        if outcome.latents is None:
            return list(outcome.pictures)
        self.on_progress(Progress(stage="decoding", step=outcome.steps, steps=outcome.steps))
        return [self._picture(one, outcome.canvas) for one in torch.split(outcome.latents, 1)]

    def _picture(self, latents: torch.Tensor, canvas: Canvas | None) -> Picture:
        """One image of its latents (1, channels, height, width)."""
        with measured_peak(self.parts.placement) as taken:
            image, facts = decoding.decode(self.parts, latents, self.ways, self.batch.request.tiling)
        if not facts["retries"]:
            height, width = (self.parts.vae_factor * side for side in latents.shape[-2:])
            self.planner.learn(self.parts, Size(width=width, height=height), self.ways, "decode", taken())
        if canvas is None:
            return image, facts
        image, changed = masks.composed(canvas, image)
        return image, {**facts, "changed_outside_mask": changed}

    def _shown(self, seen: Seen, steps: int) -> Moment:
        """Its latents as pictures, decoded as every picture of the run."""
        tiling = self.batch.request.tiling
        views = {name: decoding.decode(self.parts, one, self.ways, tiling)[0] for name, one in seen.views.items()}
        level = seen.level
        return Moment(step=level.step, steps=steps, alpha=level.alpha, sigma=level.sigma, views=views)

    def climbed(self, stage: Stage, work: Callable[[Try], Result], images: int = 1) -> Result:
        """`work` as the memory plan says, and down the ladder from there."""
        parts, placement = self.parts, self.parts.placement
        attempts = tries(self.ways, stage, moves=placement.moves, images=images)
        result, attempt = climb(work, attempts, placement.device, parts.give_back)
        self.rungs.extend(attempt.rungs)
        return result


def _counted(on_progress: OnProgress, number: int, passes: int) -> OnProgress:
    if passes == 1:
        return on_progress
    return lambda progress: on_progress(replace(progress, pass_number=number, passes=passes))


def _together(passes: Sequence[Pass], outcomes: Sequence[Outcome]) -> Outcome:
    """Told by the first, as of a run of one pass; of several, the facts of each."""
    first = outcomes[0]
    if len(outcomes) == 1:
        return first
    told = [{"name": one.name, **outcome.facts} for one, outcome in zip(passes, outcomes, strict=True)]
    return replace(first, facts={**first.facts, PASSES: told})


def brought(parts: Components, passes: Sequence[Pass]) -> Components:
    """The parts with the networks that the passes' modifiers work with."""
    weights = {id(one.module): one for own in passes for modifier in own.modifiers for one in modifier.weights}
    return replace(parts, beside=tuple(weights.values())) if weights else parts


def size_of_all(parts: Components, passes: Sequence[Pass], images: int) -> Size:
    """What the memory plan must make room for: the largest picture of any pass, with the most rows of any."""
    sizes = [size_of_pass(parts, one, images) for one in passes]
    largest = max(sizes, key=lambda size: size.pixels)
    sees = max(size.seen for size in sizes) if largest.sees else 0
    return replace(largest, rows=max(size.rows for size in sizes), sees=sees)


def size_of_pass(parts: Components, one: Pass, images: int) -> Size:
    size = size_of(parts, one.request, images)
    return replace(size, rows=size.rows + sum(modifier.more_rows for modifier in one.modifiers))
