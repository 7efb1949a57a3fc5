"""The pass over details: boxes of a finished picture are repainted one by one, at a size that suits the model.

A box is a mask of the way that "only masked" inpainting has, so all that is known of that holds here: what lies
outside stays as it was, byte for byte. Each picture of a batch is worked on by itself, so its details depend on nothing
but itself, and the boxes that were found are kept with it: made again, nobody looks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from pipelines import boxes
from pipelines.boxes import Box
from pipelines.details import DETAILS, Detail, Found
from pipelines.engines.denoising import Ending
from pipelines.engines.ladder import RUNGS
from pipelines.engines.modifiers.base import Modifier
from pipelines.engines.passes import Outcome, Pass, Picture, Run
from pipelines.errors import Note
from pipelines.fields import there
from pipelines.groups import SEED_END, SIDE_STEP, SMALLEST_SIDE, InitImage, Inpaint
from pipelines.leading import Control
from pipelines.types import TILINGS, GenerationRequest, OnProgress, Progress

Find = Callable[[Image.Image], Sequence[Found]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Detailing:
    """A `Pass`. `request`: of one box, without its picture; `repaint`: the pass that does it; `find`: None where the
    boxes are known."""

    detail: Detail
    request: GenerationRequest
    repaint: Callable[[GenerationRequest], Pass]
    modifiers: Sequence[Modifier] = ()
    find: Find | None = None
    name: str = DETAILS

    @property
    def steps(self) -> int:
        return self.detail.steps_run(self.request.steps)

    def make(self, run: Run, before: Outcome | None) -> Outcome:
        """A person who says "keep" while a box is at work has the picture without it and those behind it."""
        if before is None:
            raise ValueError("details are those of a picture")
        pictures = run.pictures(before)
        found = [self._found(run, image) for image, _ in pictures]
        if not any(found):
            self._tell_nothing(run)
        counter = _Counter(on_progress=run.on_progress, steps=self.steps * sum(map(len, found)))
        made, ending = [], Ending()
        for place, (picture, own) in enumerate(zip(pictures, found, strict=True)):
            alone = replace(run, on_progress=counter.tell, ending=ending)
            made.append(self._detailed(alone, place, picture, own, counter))
        facts = {"steps_run": self.steps}
        return Outcome(pictures=tuple(made), steps=self.steps, scheduler=before.scheduler, facts=facts)

    def _found(self, run: Run, image: Image.Image) -> list[Found]:
        if self.find is None:
            return [Found(box=box) for box in self.detail.boxes_in(*image.size)]
        run.on_progress(Progress(stage="detecting"))
        return list(self.find(image))

    def _tell_nothing(self, run: Run) -> None:
        looked = self.find is not None
        note = Note("details_none", detector=self.detail.detector) if looked else Note("details_none_kept")
        run.noted.setdefault("warnings", []).append(note.to_json())
        run.on_progress(Progress(stage="detecting", warning=note))

    def _detailed(self, run: Run, place: int, picture: Picture, found: list[Found], counter: _Counter) -> Picture:
        """One picture with its boxes repainted, one after the other."""
        (image, facts), done = picture, list[dict[str, Any]]()
        for number, one in enumerate(found):
            if run.ending.after:
                break
            seed = (run.batch.seeds[place] + number) % SEED_END
            request = self._asked(image, one.box)
            batch = replace(run.batch, request=request, seeds=(seed,), attention=False, filming=None, anatomy=False)
            outcome = self.repaint(request).make(replace(run, batch=batch), None)
            if 0 < run.ending.after < self.steps:
                break
            ((image, own),) = replace(run, batch=batch).pictures(outcome)
            run.rungs.extend(own[RUNGS])
            box, size = boxes.write([one.box]), [request.width, request.height]
            done.append({"box": box, "size": size, "seed": seed, "changed_outside_mask": own["changed_outside_mask"]})
            counter.done += self.steps
        kept = boxes.write([one.box for one in found[: len(done)]])
        told: dict[str, Any] = {"found": kept, "side": self.request.width, "made": done}
        if self.find is not None:
            told["seen"] = [one.told() for one in found[: len(done)]]
        return image, facts | {DETAILS: told}

    def _asked(self, image: Image.Image, box: Box) -> GenerationRequest:
        mask = Image.new("L", image.size)
        mask.paste(255, box)
        around = _padded(box, self.detail.padding + self.detail.grow, image.size)
        width, height = boxes.sides_for(around, self.request.width, step=SIDE_STEP, least=SMALLEST_SIDE)
        return replace(
            self.request,
            width=width,
            height=height,
            init=InitImage(image=image, strength=self.detail.strength),
            inpaint=Inpaint(
                mask=mask,
                mask_blur=self.detail.blur,
                mask_grow=self.detail.grow,
                only_masked=True,
                padding=self.detail.padding,
            ),
        )


@dataclass(slots=True)
class _Counter:
    """Counts the steps of all boxes together."""

    on_progress: OnProgress
    steps: int
    done: int = 0

    def tell(self, progress: Progress) -> None:
        if progress.stage == "denoising":
            progress = replace(progress, step=self.done + progress.step, steps=self.steps)
        self.on_progress(progress)


def _padded(box: Box, by: int, size: tuple[int, int]) -> Box:
    return max(0, box[0] - by), max(0, box[1] - by), min(size[0], box[2] + by), min(size[1], box[3] + by)


def of_one_box(request: GenerationRequest, side: int) -> GenerationRequest | None:
    """What every box is told, but for its picture; `side`: that the model works at best. None: no details are
    wanted."""
    if (detail := request.detail) is None:
        return None
    side = detail.side or detail.size or side
    own: dict[str, Any] = dict.fromkeys(
        (
            "init",
            "inpaint",
            "edit",
            "hires",
            "refiner",
            "tiles",
            "detail",
            "regions",
            "variation",
            *there(request, Control),
        )
    )
    return replace(
        request,
        width=side,
        height=side,
        steps=detail.steps or request.steps,
        guidance=detail.guidance or request.guidance,
        prompt=detail.prompt or request.prompt,
        negative_prompt=detail.negative_prompt or request.negative_prompt,
        tiling=TILINGS[0],
        stop_after=0,
        **own,
    )
