"""One batch at work: each stage by the memory plan, and down the ladder from there when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import torch
from PIL import Image

from pipelines.engines import decoding
from pipelines.engines.conditioning import Conditioning, condition
from pipelines.engines.denoising import AfterCall, Task, denoise
from pipelines.engines.ladder import Try, climb, tries
from pipelines.engines.modifiers.attention import Watcher
from pipelines.engines.planning import Pace, Planner, measured_peak, size_of
from pipelines.engines.starting import Maker
from pipelines.errors import NotFinite
from pipelines.models.device import is_out_of_memory
from pipelines.models.manager import Resident
from pipelines.models.memory import Ways
from pipelines.models.weights.arranging import arrange, can_widen, widened
from pipelines.models.weights.components import Components, Stage
from pipelines.prompts.wish import Wish
from pipelines.sampling import masks, noise, previews
from pipelines.sampling.masks import Canvas
from pipelines.sampling.schedulers import make_scheduler, timesteps_for
from pipelines.types import Attention, Batch, GenerationRequest, OnProgress, Progress

PREVIEW_SECONDS = 0.25
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Clean latents (images, channels, height, width) and how they came to be."""

    latents: torch.Tensor
    task: Task
    canvas: Canvas | None
    watcher: Watcher | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What all images of a batch share. `parts`: the model's, with another VAE if one was chosen."""

    model: Resident
    parts: Components
    batch: Batch
    wish: Wish
    ways: Ways
    planner: Planner
    pace: Pace
    on_progress: OnProgress
    rungs: list[str] = field(default_factory=list)  # those taken by the whole batch
    noted: dict[str, Any] = field(default_factory=dict)  # of the record: "warnings" and "denoised_in", if there are any

    def sampled(self) -> list[Sample]:
        """Clean latents; once more in float32 when numbers run over, as fp16 does beyond 65,504. Raises `NotFinite`."""
        try:
            return self._sampled(self._conditioned())
        except NotFinite:
            if not can_widen(self.parts):
                raise
        self.noted["denoised_in"] = "float32"
        try:
            with widened(self.parts) as parts:
                run = replace(self, parts=parts)
                return run._sampled(run._conditioned())
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            rule = "The model gave numbers that are not finite, and float32 takes more memory than there is"
            raise NotFinite(f"{rule}; nothing was saved.") from error

    def _conditioned(self) -> Conditioning:
        """What the UNet is told. Remembered texts need no text encoder on the device."""
        prompts = self.model.prompts
        self.on_progress(Progress(stage="encoding"))

        def work(attempt: Try) -> Conditioning:
            prompts.before = partial(arrange, self.parts, "text", attempt.ways)
            return condition(prompts, self.batch.request, self.wish, self.parts)

        return self._climbed("text", work)

    def _sampled(self, conditioning: Conditioning) -> list[Sample]:
        def work(attempt: Try) -> list[Sample]:
            seeds = self.batch.seeds
            groups = [(seed,) for seed in seeds] if attempt.ways.singly else [seeds]
            return [self._sample(group, conditioning, attempt) for group in groups]

        return self._climbed("unet", work, len(self.batch.seeds))

    def attention(self, sample: Sample) -> list[Attention | None]:
        """Of each image of a sample."""
        count, _, height, width = sample.latents.shape
        if sample.watcher is None:
            return [None] * count
        return [sample.watcher.maps(image, height, width) for image in range(count)]

    def picture(self, latents: torch.Tensor, sample: Sample) -> tuple[Image.Image, dict[str, Any]]:
        """One image of its latents (1, channels, height, width), and the facts that are its own."""
        with measured_peak(self.parts.placement) as taken:
            image, facts = decoding.decode(self.parts, latents, self.ways)
        if not facts["retries"]:
            self.planner.learn(self.parts, size_of(self.parts, self.batch), self.ways, "decode", taken())
        if sample.canvas is None:
            return image, facts
        image, changed = masks.composed(sample.canvas, image)
        return image, {**facts, "changed_outside_mask": changed}

    def _climbed(self, stage: Stage, work: Callable[[Try], Result], images: int = 1) -> Result:
        placement = self.parts.placement
        result, attempt = climb(work, tries(self.ways, stage, moves=placement.moves, images=images), placement.device)
        self.rungs.extend(attempt.rungs)
        return result

    def _sample(self, seeds: tuple[int, ...], conditioning: Conditioning, attempt: Try) -> Sample:
        parts, request = self.parts, self.batch.request
        # 3. make noise, each image's from its own seed, and lay it over the picture if there is one
        scheduler = make_scheduler(request.sampler, request.schedule, _scheduler_config(parts, request), seeds)
        timesteps = timesteps_for(scheduler, request.steps, request.steps_run, parts.placement.device)
        generators = noise.generators(seeds)
        maker = Maker(
            parts=parts,
            request=request,
            generators=generators,
            scheduler=scheduler,
            timesteps=timesteps,
            ways=attempt.ways,
            rungs=self.rungs,
        )
        begin = maker.make()
        # 4. denoise
        watcher = None
        if self.batch.attention:
            watcher = Watcher(parts.tokenizers[0], self.wish, request.steps_run)
        task = Task(
            unet=parts.unet,
            scheduler=scheduler,
            timesteps=timesteps,
            steps=request.steps_run,
            conditioning=conditioning,
            generators=generators,
            modifiers=(*begin.modifiers, *(() if watcher is None else (watcher,))),
        )
        arrange(parts, "unet", attempt.ways)
        with measured_peak(parts.placement) as taken:
            latents = denoise(task, begin.latents, self._reporter(task, attempt.ways))
        if not attempt.rungs:
            self.planner.learn(parts, size_of(self.parts, self.batch), attempt.ways, "step", taken())
        return Sample(latents=latents, task=task, canvas=begin.canvas, watcher=watcher)

    def _reporter(self, task: Task, ways: Ways) -> AfterCall:
        """Tells of every call of the UNet, with a preview of the first image now and then."""
        throttle = previews.Throttle(PREVIEW_SECONDS)
        order = task.scheduler.order
        warning = self._pace_watch(ways)

        def after_call(call: int, latents: torch.Tensor, prediction: torch.Tensor) -> None:
            preview = None
            if throttle.due():
                clean = previews.predicted(latents[0], prediction[0], task.timesteps[call], task.scheduler)
                preview = previews.draw(clean, self.model.factors, self.parts.vae_factor)
            # two-call samplers: the second call counts as the next step, so that none is told before it has begun
            step = min((call + order - 1) // order + 1, task.steps)
            self.on_progress(
                Progress(stage="denoising", step=step, steps=task.steps, preview=preview, warning=warning())
            )

        return after_call

    def _pace_watch(self, ways: Ways) -> Callable[[], str | None]:
        """Only a card's driver lends memory; what else slows a processor down is nobody's fault."""
        if not self.parts.placement.moves:
            return lambda: None
        after_step = self.pace.watch((self.parts.info.path, size_of(self.parts, self.batch), ways))

        def warning() -> str | None:
            text = after_step()
            if text is not None:
                self.noted.setdefault("warnings", []).append(text)
            return text

        return warning


def _scheduler_config(parts: Components, request: GenerationRequest) -> dict[str, Any]:
    """The model's own, but for what the request says of the model's nature."""
    said = {"prediction_type": request.prediction_type, "rescale_betas_zero_snr": request.zero_terminal_snr}
    return {**parts.scheduler_config, **{name: value for name, value in said.items() if value is not None}}
