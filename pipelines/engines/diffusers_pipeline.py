"""Models that diffusers' own pipelines run in one piece (SD 3, Flux): the recipe from a batch to pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image

from pipelines import families, images
from pipelines.engines.ladder import RUNGS, Try, climb, tries
from pipelines.engines.work import Work
from pipelines.errors import InvalidRequest, Kept, Note, NotFinite
from pipelines.families.base import Made, Nature, Stamp
from pipelines.families.plain import check_watched, plain_text
from pipelines.models import extras, memory
from pipelines.models.device import Placement
from pipelines.models.memory import Ways
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights.arranging import is_streamed, unstream
from pipelines.models.weights.components import bytes_of
from pipelines.models.weights.diffusers_pipeline import for_task, modules_of, read_pipeline, spec_of
from pipelines.sampling import masks, noise
from pipelines.sampling.masks import Canvas
from pipelines.types import Batch, GenerationRequest, ModelInfo, OnProgress, Progress, Task

TILE = 512  # pixels


def load(info: ModelInfo, stamp: Stamp, placement: Placement, on_part: OnPart = unheard) -> PipelineModel:
    """In main memory. Raises `ModelError`."""
    pipeline = read_pipeline(info, placement, on_part)
    return PipelineModel(info=info, placement=placement, pipeline=pipeline, stamp=stamp)


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineModel:
    """A `LoadedModel` that diffusers runs in one piece."""

    info: ModelInfo
    placement: Placement
    pipeline: Any
    stamp: Stamp
    is_as_read: bool = True

    @property
    def modules(self) -> tuple[Any, ...]:
        return modules_of(self.pipeline)

    @property
    def bytes(self) -> int:
        return bytes_of(self.modules)

    @property
    def nature(self) -> Nature:
        return families.of(self.info.family).natures[self.info.variant]

    def named(self, info: ModelInfo) -> PipelineModel:
        return replace(self, info=info)

    def place(self) -> None:
        for part in self.modules:
            self.placement.place(part)

    def leave(self) -> None:
        self.pipeline.remove_all_hooks()
        for part in self.modules:
            unstream(part)
            self.placement.take_off(part)

    def for_task(self, task: Task) -> Any:
        return for_task(self.info, self.pipeline, task)

    def largest(self, _work: Work) -> tuple[int, int]:
        return 0, 0

    def quickest_threads(self, all_threads: int) -> int:
        return all_threads

    def make(self, work: Work) -> Made:
        """Raises `InvalidRequest`, `NotFinite` and what the device says when its memory runs out."""
        batch, request, placement = work.batch, work.batch.request, self.placement
        extras.check(work.listing, request)
        check_watched(batch, families.title_of(self.info))
        work.set_threads(self)
        # 1. read the prompts, and see that they are read to their end
        texts = [plain_text(field, getattr(request, field), "") for field in ("prompt", "negative_prompt")]
        for field, text in zip(("prompt", "negative_prompt"), texts, strict=True):
            _check_length(self, field, text)
        canvas = None if request.inpaint is None else masks.plan(request)
        options = _options(self, batch, *texts) | _start(self, request, canvas)

        # 2. encode, make noise, denoise and decode: all of it is the pipeline's
        def run(attempt: Try) -> list[Image.Image]:
            _arrange(self, attempt.ways)
            groups = [(seed,) for seed in batch.seeds] if attempt.ways.singly else [batch.seeds]
            return [picture for group in groups for picture in _run(self, batch, group, options, work.on_progress)]

        ways = _ways(self, batch)
        attempts = tries(ways, "whole", moves=placement.moves, images=len(batch.seeds))
        pictures, attempt = climb(run, attempts, placement.device)
        facts: dict[str, Any] = {
            "pipeline": type(self.for_task(request.task)).__name__,
            "steps_run": request.steps_run,
            "model_calls": request.steps_run,  # both halves of a guidance in one
            "vae_dtype": placement.dtype_name,
            "vae_tiled": attempt.ways.tiled,
            **({RUNGS: list(attempt.rungs)} if attempt.rungs else {}),
        }
        # 3. what was not masked stays as it was
        found = [(picture, facts) for picture in pictures]
        if canvas is not None:
            laid = [masks.composed(canvas, picture) for picture in pictures]
            found = [(picture, {**facts, "changed_outside_mask": changed}) for picture, changed in laid]
        return Made(pictures=found, scheduler=self.pipeline.scheduler, ways=ways)


def _options(model: PipelineModel, batch: Batch, prompt: str, negative: str) -> dict[str, Any]:
    """What diffusers' pipeline is called with, for every image alike."""
    request, nature = batch.request, model.nature
    found: dict[str, Any] = {
        "prompt": prompt,
        "width": request.width,
        "height": request.height,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "max_sequence_length": nature.tokens,
    }
    if nature.negative:
        found["negative_prompt"] = negative
    return found


def _start(model: PipelineModel, request: GenerationRequest, canvas: Canvas | None) -> dict[str, Any]:
    """The picture to begin from, and the mask in whole latents: diffusers would leave out a latent whose middle pixel
    is not masked."""
    if request.init is None:
        return {}
    # half a step less, so that diffusers, which rounds up, runs as many steps as we say on every machine
    strength = {"strength": (request.steps_run - 0.5) / request.steps}
    if canvas is None or request.inpaint is None:
        size = (request.width, request.height)
        return {"image": images.fit(request.init.image, size, request.init.resize_mode), **strength}
    picture = canvas.picture
    if request.inpaint.masked_content == "fill":
        picture = masks.filled(picture, canvas.working_mask)
    latents = masks.latent_mask(canvas.working_mask, model.pipeline.vae_scale_factor)[0, 0]
    mask = Image.fromarray((latents * 255).byte().numpy()).resize(picture.size, Image.Resampling.NEAREST)
    return {"image": picture, "mask_image": mask, **strength}


def _run(
    model: PipelineModel, batch: Batch, seeds: tuple[int, ...], options: dict[str, Any], on_progress: OnProgress
) -> list[Image.Image]:
    steps, count = batch.request.steps_run, len(seeds)

    def after_step(_pipeline: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if index in (0, steps - 1) and not bool(torch.isfinite(tensors["latents"]).all()):
            raise NotFinite("not_finite_at", step=index + 1)
        progress = Progress(stage="denoising", step=index + 1, steps=steps)
        try:
            on_progress(progress)
        except Kept:  # what it predicts by then is the pipeline's own
            on_progress(replace(progress, warning=Note("not_kept", model=families.title_of(model.info))))
        return {}

    on_progress(Progress(stage="encoding"))
    # each image's own noise encodes the picture
    options = options | {name: [options[name]] * count for name in ("image", "mask_image") if name in options}
    try:
        with _watched(model, lambda: on_progress(Progress(stage="decoding", step=steps, steps=steps))):
            found = model.for_task(batch.request.task)(
                **options,
                num_images_per_prompt=count,
                generator=noise.generators(seeds),
                callback_on_step_end=after_step,
            )
    finally:
        model.pipeline.maybe_free_model_hooks()  # nothing stays on the card behind a run that was stopped
    pictures: list[Image.Image] = found.images
    return pictures


@contextmanager
def _watched(model: PipelineModel, begin: Callable[[], None]) -> Iterator[None]:
    """Tells when a picture is decoded, and looks at its numbers before diffusers cuts them to colours. Raises
    `NotFinite`."""

    def after(_decoder: Any, _inputs: Any, pixels: torch.Tensor) -> None:
        if not bool(torch.isfinite(pixels).all()):
            raise NotFinite("not_finite_decoded")

    decoder = model.pipeline.vae.decoder
    hooks = decoder.register_forward_pre_hook(lambda *_: begin()), decoder.register_forward_hook(after)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check_length(model: PipelineModel, field: str, text: str) -> None:
    """Diffusers cuts off what the longest text encoder does not read. Raises `InvalidRequest`."""
    components, room = model.pipeline.components, model.nature.tokens
    tokenizer = components[spec_of(model.info).longest]
    if tokenizer is None:  # SD 3 without T5
        tokenizer = components["tokenizer"]
        room = tokenizer.model_max_length
    count = len(tokenizer(text).input_ids)
    if count > room:
        raise InvalidRequest(field, "too_many_tokens", high=room, model=families.title_of(model.info), value=count)


def _ways(model: PipelineModel, batch: Batch) -> Ways:
    """By the weights, which are counted, and the decode, which is that of the other families; what a step takes is not
    known, and the ladder must do where it is more."""
    placement, request = model.placement, batch.request
    if not placement.moves:
        return Ways(singly=placement.exact)
    pixels = request.width * request.height
    work = memory.OVERHEAD + memory.decode_work(pixels, placement.dtype.itemsize)
    room = placement.available() - work
    largest = max(bytes_of((part,)) for part in model.modules)
    return Ways(
        singly=placement.exact,
        parts_alone=model.bytes > room >= largest,
        streamed=largest > room,
    )


def _arrange(model: PipelineModel, ways: Ways) -> None:
    """Brings the model to its device as `ways` says: all of it, or its parts or layers in turn by diffusers' hooks."""
    pipeline, placement = model.pipeline, model.placement
    vae = pipeline.vae
    vae.disable_tiling()
    if ways.tiled:
        vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // pipeline.vae_scale_factor
        vae.enable_tiling()
    if not placement.moves:
        return  # its parts were placed when they were read
    pipeline.remove_all_hooks()
    if not ways.streamed:
        for part in model.modules:
            unstream(part)
    if ways.parts_alone:
        pipeline.enable_model_cpu_offload(device=placement.device)
    elif not ways.streamed:
        model.place()
    elif not is_streamed(pipeline.transformer):
        model.leave()
        for part in model.modules:
            placement.stream(part)
