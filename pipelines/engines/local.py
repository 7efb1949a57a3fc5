"""Makes images in this process: the recipe from a request to pictures."""

from __future__ import annotations

import contextlib
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pipelines.engines import decoding
from pipelines.engines.conditioning import Conditioning, condition
from pipelines.engines.denoising import AfterCall, Task, denoise
from pipelines.engines.ladder import DENOISING_TRIES, PLAIN_TRIES, RUNGS, Try, climb
from pipelines.engines.starting import Maker
from pipelines.errors import InvalidRequest, OutOfMemory
from pipelines.models import anatomy, extras, memory
from pipelines.models import device as devices
from pipelines.models.components import Components
from pipelines.models.extras import Extras
from pipelines.models.hashes import Hashes
from pipelines.models.listing import Listing
from pipelines.models.manager import PipelineManager, Resident
from pipelines.models.reading import PromptReader
from pipelines.prompts.encoding import WEIGHTING
from pipelines.sampling import masks, noise, previews
from pipelines.sampling.masks import Canvas
from pipelines.sampling.schedulers import make_scheduler, resolved, timesteps_for
from pipelines.types import (
    Batch,
    EngineState,
    GenerationRequest,
    GenerationResult,
    ModelInfo,
    ModelPart,
    OnProgress,
    Progress,
    PromptReading,
)

PREVIEW_SECONDS = 0.25
HASH_PATIENCE = 30.0  # seconds; a picture whose model is still being hashed waits so long, once


class LocalEngine:
    """`Engine` in this process, on one device."""

    def __init__(
        self, models_dirs: Sequence[Path] = (), *, device: str | None = None, hash_cache: Path | None = None
    ) -> None:
        """`hash_cache`: a file that remembers the models' hashes; without it each start computes them anew."""
        devices.make_deterministic()
        self._listing = Listing(models_dirs)
        self._reader = PromptReader(self._listing)
        self.manager = PipelineManager(self._listing, devices.choose(device))
        self._hashes = Hashes(hash_cache)
        self._lock = threading.Lock()  # one generate at a time
        self._all_threads = torch.get_num_threads()
        self._builtin_threads: int | None = None  # not measured yet

    def models(self) -> tuple[ModelInfo, ...]:
        return self._listing.usable()

    def adapters(self) -> tuple[ModelInfo, ...]:
        return extras.usable(self._listing)

    def shelf(self) -> tuple[ModelInfo, ...]:
        return self._listing.shelf(self._hashes)

    def parts(self, info: ModelInfo) -> tuple[ModelPart, ...]:
        return anatomy.parts_of(info)

    def check(self, request: GenerationRequest) -> None:
        extras.check(self._listing, request)

    def read_prompt(self, model: str, text: str, *, negative: bool = False) -> PromptReading:
        return self._reader.read(model, text, negative=negative)

    def describe(self) -> EngineState:
        placement, model = self.manager.placement, self.manager.current
        state = EngineState(state="ready", device=placement.device_name, dtype=placement.dtype_name)
        card = devices.card_memory(placement.device)
        if card is None:
            return state
        free = devices.free_memory(placement.device) + (0 if model is None else model.bytes)
        return replace(state, memory_bytes=card, memory_free_bytes=free)

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        start = time.perf_counter()
        request = batch.request
        with self._lock, as_our_errors(lambda: self._most(request)), torch.no_grad():
            # 1. load the model
            on_progress(Progress(stage="loading"))
            model, wanted = self._prepare(request)
            parts = self.manager.with_vae(wanted.vae)
            _check_size(parts, batch)
            devices.set_threads(batch.threads or self._threads_for(parts))
            # 2. encode the prompts
            on_progress(Progress(stage="encoding"))
            like = parts.like if parts.is_sdxl else None
            device = parts.placement.device
            conditioning, encoding = climb(lambda _: condition(model.prompts, request, like), PLAIN_TRIES, device)
            # 3. make noise and 4. denoise, all images at once, or one after the other when memory wants it so
            run = _Run(
                parts=parts, factors=model.factors, request=request, conditioning=conditioning, on_progress=on_progress
            )
            tries = DENOISING_TRIES if len(batch.seeds) > 1 else PLAIN_TRIES
            samples, denoising = climb(lambda attempt: run.sampled(batch.seeds, attempt), tries, device)
            # 5. decode, one image at a time, and 6. check
            task = samples[0].task
            on_progress(Progress(stage="decoding", step=task.steps, steps=task.steps))
            pictures = [
                _picture(parts, one, sample.canvas) for sample in samples for one in torch.split(sample.latents, 1)
            ]
            facts = _facts(parts, task, self._hash(parts.info)) | self._extra_facts(wanted)
            rungs = [*encoding.rungs, *denoising.rungs, *(rung for sample in samples for rung in sample.rungs)]
        seconds = time.perf_counter() - start
        return [
            GenerationResult(
                image=image,
                request=batch.as_run(position),
                position=position,
                seconds=seconds,
                facts=_with_rungs(facts | own, rungs),
            )
            for position, (image, own) in enumerate(pictures)
        ]

    def warm_up(self) -> None:
        """Loads the built-in model, runs it, and measures whether one thread or all are quicker for it: so small a
        model may lose more by sharing its work out than it wins. Raises `ModelError`."""
        with self._lock, as_our_errors(lambda: (0, 0)), torch.no_grad():
            parts = self._load("builtin").parts
            self._builtin_threads = _quickest_threads(parts, self._all_threads)

    def close(self) -> None:
        with self._lock:
            self.manager.clear()
            self._hashes.close()

    def _load(self, name: str) -> Resident:
        """The model of that name; the one before stays if this fails."""
        model = self.manager.get(name)
        self._hashes.get(Path(model.parts.info.path))  # begins it, so that it is there when the first picture is
        return model

    def _prepare(self, request: GenerationRequest) -> tuple[Resident, Extras]:
        """The model with the LoRAs and learned words that the prompts name, and no others."""
        model = self._load(request.model)
        wanted = extras.prepared(self._listing, request, model.parts.info.family)
        for info in (*(lora.info for lora in wanted.loras), *wanted.embeddings):
            self._hashes.get(Path(info.path))
        model.adapters.apply(wanted.loras, wanted.embeddings)
        return model, wanted

    def _hash(self, info: ModelInfo) -> str | None:
        return self._hashes.wait(Path(info.path), HASH_PATIENCE)

    def _extra_facts(self, wanted: Extras) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if wanted.loras:
            facts["loras"] = [
                {
                    "name": lora.info.name,
                    "sha256": self._hash(lora.info),
                    "text_weight": lora.text_weight,
                    "unet_weight": lora.unet_weight,
                }
                for lora in wanted.loras
            ]
        if wanted.embeddings:
            facts["embeddings"] = [{"name": info.name, "sha256": self._hash(info)} for info in wanted.embeddings]
        if wanted.vae is not None:
            facts["vae"] = {"name": wanted.vae.name, "sha256": self._hash(wanted.vae)}
        return facts

    def _most(self, request: GenerationRequest) -> tuple[int, int]:
        """The largest picture of the request's proportions that fits here, (0, 0) when that is not known."""
        model, placement = self.manager.current, self.manager.placement
        if model is None or model.parts.info.family not in memory.FAMILIES:
            return 0, 0
        shape = memory.shape_of(model.parts.info.family, bytes_per_number=placement.dtype.itemsize)
        size = memory.Size(width=request.width, height=request.height, batch=1, guided=request.guidance > 1)
        return memory.plan(shape, size, devices.free_memory(placement.device) + model.bytes, moving=False).largest

    def _threads_for(self, parts: Components) -> int:
        if parts.info.family != "builtin" or parts.placement.device != "cpu":
            return self._all_threads
        if self._builtin_threads is None:
            self._builtin_threads = _quickest_threads(parts, self._all_threads)
        return self._builtin_threads


def _check_size(parts: Components, batch: Batch) -> None:
    request = batch.request
    rows = len(batch.seeds) * (2 if request.guidance > 1 else 1)
    if not parts.can_normalize(request.width, request.height, rows):
        rule = f"must be larger with this model without guidance and one image at a time, got {request.width}"
        raise InvalidRequest("width", rule)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """Clean latents (images, channels, height, width) and how they came to be."""

    latents: torch.Tensor
    task: Task
    canvas: Canvas | None
    rungs: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """What all images of a batch share."""

    parts: Components
    factors: previews.Factors
    request: GenerationRequest
    conditioning: Conditioning
    on_progress: OnProgress

    def sampled(self, seeds: Sequence[int], attempt: Try) -> list[_Sample]:
        groups = [(seed,) for seed in seeds] if attempt.singly else [tuple(seeds)]
        return [self._sample(group) for group in groups]

    def _sample(self, seeds: tuple[int, ...]) -> _Sample:
        parts, request = self.parts, self.request
        # 3. make noise, each image's from its own seed, and lay it over the picture if there is one
        scheduler = make_scheduler(request.sampler, request.schedule, _scheduler_config(parts, request), seeds)
        timesteps = timesteps_for(scheduler, request.steps, request.steps_run, parts.placement.device)
        generators = noise.generators(seeds)
        maker = Maker(parts=parts, request=request, generators=generators, scheduler=scheduler, timesteps=timesteps)
        begin = maker.make()
        # 4. denoise
        task = Task(
            unet=parts.unet,
            scheduler=scheduler,
            timesteps=timesteps,
            steps=request.steps_run,
            conditioning=self.conditioning,
            generators=generators,
            extra_channels=begin.extra_channels,
            blend=begin.blend,
        )
        latents = denoise(task, begin.latents, _reporter(task, parts, self.factors, self.on_progress))
        return _Sample(latents=latents, task=task, canvas=begin.canvas, rungs=maker.rungs)


def _reporter(task: Task, parts: Components, factors: previews.Factors, on_progress: OnProgress) -> AfterCall:
    """Tells of every call of the UNet, with a preview of the first image now and then."""
    throttle = previews.Throttle(PREVIEW_SECONDS)
    order = task.scheduler.order

    def after_call(call: int, latents: torch.Tensor, prediction: torch.Tensor) -> None:
        preview = None
        if throttle.due():
            clean = previews.predicted(latents[0], prediction[0], task.timesteps[call], task.scheduler)
            preview = previews.draw(clean, factors, parts.vae_factor)
        # two-call samplers: the second call counts as the next step, so that no step is told before it has begun
        step = min((call + order - 1) // order + 1, task.steps)
        on_progress(Progress(stage="denoising", step=step, steps=task.steps, preview=preview))

    return after_call


def _picture(parts: Components, latents: torch.Tensor, canvas: Canvas | None) -> tuple[Image.Image, dict[str, Any]]:
    """One image of its latents (1, channels, height, width), and the facts that are its own."""
    image, facts = decoding.decode(parts, latents)
    if canvas is None:
        return image, facts
    image, changed = masks.composed(canvas, image)
    return image, {**facts, "changed_outside_mask": changed}


def _scheduler_config(parts: Components, request: GenerationRequest) -> dict[str, Any]:
    """The model's own, but for what the request says of the model's nature."""
    said = {"prediction_type": request.prediction_type, "rescale_betas_zero_snr": request.zero_terminal_snr}
    return {**parts.scheduler_config, **{name: value for name, value in said.items() if value is not None}}


def _with_rungs(facts: dict[str, Any], shared: Sequence[str]) -> dict[str, Any]:
    """The rungs of the whole batch and those of one image's decoding together, each once; none: not a word."""
    taken = list(dict.fromkeys([*shared, *facts.pop(RUNGS)]))
    return facts | ({RUNGS: taken} if taken else {})


def _facts(parts: Components, task: Task, sha256: str | None) -> dict[str, Any]:
    info = parts.info
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "diffusers", "transformers")},
        **parts.placement.facts(),
        "model": {"name": info.name, "sha256": sha256, "family": info.family},
        "sampler": resolved(task.scheduler),
        "steps_run": task.steps,
        "model_calls": len(task.timesteps),
        "rng": "cpu, one generator an image",
        "prompt_weighting": WEIGHTING,
    }


def _quickest_threads(parts: Components, all_threads: int) -> int:
    """1 or `all_threads`: the best of three calls of the UNet each. All must win clearly, so that the choice, which
    touches the last bits of a picture, does not change from start to start."""
    if all_threads == 1 or parts.placement.device != "cpu":
        return all_threads
    unet = parts.unet.config
    size = (2, unet.in_channels, unet.sample_size, unet.sample_size)
    latents = torch.zeros(size, dtype=parts.placement.dtype)
    embeddings = torch.zeros((2, 77, unet.cross_attention_dim), dtype=parts.placement.dtype)
    seconds: dict[int, float] = {}
    for threads in (1, all_threads):
        devices.set_threads(threads)
        times = []
        for _ in range(3):  # the first call of a kind also sets things up
            start = time.perf_counter()
            parts.unet(latents, 1, encoder_hidden_states=embeddings)
            times.append(time.perf_counter() - start)
            if times[-1] > 10 * seconds.get(1, 10):
                break  # a busy machine: threads that wait for each other
        seconds[threads] = min(times)
    return all_threads if seconds[all_threads] < 0.8 * seconds[1] else 1


@contextlib.contextmanager
def as_our_errors(most: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """Foreign errors of a run -> ours. A bug keeps its own type. `most`: the largest width and height that fit."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not devices.is_out_of_memory(error):
            raise
        width, height = most()
        advice = f"about {width} × {height} fits" if width else "try a smaller picture or a smaller batch"
        raise OutOfMemory(f"The device has too little memory for this: {advice}.") from error
