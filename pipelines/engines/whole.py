"""SD 3 and Flux, by diffusers' own pipelines: the recipe from a batch to pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from pipelines import images
from pipelines.engines.ladder import RUNGS, Try, climb, tries
from pipelines.errors import InvalidRequest, NotFinite
from pipelines.models import memory, whole
from pipelines.models.memory import Ways
from pipelines.models.weights.components import bytes_of
from pipelines.models.weights.whole import Whole, arrange
from pipelines.sampling import masks, noise
from pipelines.sampling.masks import Canvas
from pipelines.types import Batch, GenerationRequest, OnProgress, Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """The pictures of a batch, each with the facts that are its own, and how they fitted."""

    pictures: list[tuple[Image.Image, dict[str, Any]]]
    ways: Ways


def make(model: Whole, batch: Batch, on_progress: OnProgress) -> Made:
    """What the model cannot be told was refused before (`pipelines.models.whole.check`). Raises `InvalidRequest`,
    `NotFinite` and what the device says when its memory runs out."""
    request, placement = batch.request, model.placement
    # 1. read the prompts, and see that they are read to their end
    texts = [whole.plain_text(field, getattr(request, field), "") for field in ("prompt", "negative_prompt")]
    for field, text in zip(("prompt", "negative_prompt"), texts, strict=True):
        _check_length(model, field, text)
    canvas = None if request.inpaint is None else masks.plan(request)
    options = _options(model, batch, *texts) | _start(model, request, canvas)

    # 2. encode, make noise, denoise and decode: all of it is the pipeline's
    def work(attempt: Try) -> list[Image.Image]:
        arrange(model, attempt.ways)
        groups = [(seed,) for seed in batch.seeds] if attempt.ways.singly else [batch.seeds]
        return [picture for group in groups for picture in _run(model, batch, group, options, on_progress)]

    ways = _ways(model, batch)
    attempts = tries(ways, "whole", moves=placement.moves, images=len(batch.seeds))
    pictures, attempt = climb(work, attempts, placement.device)
    facts: dict[str, Any] = {
        "pipeline": type(model.for_task(request.task)).__name__,
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
    return Made(pictures=found, ways=ways)


def _options(model: Whole, batch: Batch, prompt: str, negative: str) -> dict[str, Any]:
    """What diffusers' pipeline is called with, for every image alike."""
    request, nature = batch.request, whole.nature_of(model.info.family, model.info.variant)
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


def _start(model: Whole, request: GenerationRequest, canvas: Canvas | None) -> dict[str, Any]:
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
    model: Whole, batch: Batch, seeds: tuple[int, ...], options: dict[str, Any], on_progress: OnProgress
) -> list[Image.Image]:
    steps, count = batch.request.steps_run, len(seeds)

    def after_step(_pipeline: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if index in (0, steps - 1) and not bool(torch.isfinite(tensors["latents"]).all()):
            raise NotFinite(f"The model gave numbers that are not finite at step {index + 1}; nothing was saved.")
        on_progress(Progress(stage="denoising", step=index + 1, steps=steps))
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
def _watched(model: Whole, begin: Callable[[], None]) -> Iterator[None]:
    """Tells when a picture is decoded, and looks at its numbers before diffusers cuts them to colours. Raises
    `NotFinite`."""

    def after(_decoder: Any, _inputs: Any, pixels: torch.Tensor) -> None:
        if not bool(torch.isfinite(pixels).all()):
            raise NotFinite("The model's decoder gave numbers that are not finite; nothing was saved.")

    decoder = model.pipeline.vae.decoder
    hooks = decoder.register_forward_pre_hook(lambda *_: begin()), decoder.register_forward_hook(after)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check_length(model: Whole, field: str, text: str) -> None:
    """Diffusers cuts off what the longest text encoder does not read. Raises `InvalidRequest`."""
    components, room = model.pipeline.components, whole.nature_of(model.info.family, model.info.variant).tokens
    tokenizer = components["tokenizer_2"] if model.info.family == "flux" else components["tokenizer_3"]
    if tokenizer is None:  # SD 3 without T5
        tokenizer = components["tokenizer"]
        room = tokenizer.model_max_length
    count = len(tokenizer(text).input_ids)
    if count > room:
        name = whole.title(model.info)
        raise InvalidRequest(field, f"must have at most {room} tokens with {name}, got {count}")


def _ways(model: Whole, batch: Batch) -> Ways:
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
