"""Makes images in this process: the recipe from a request to pictures."""

from __future__ import annotations

import contextlib
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pipelines.engines import running, whole
from pipelines.engines.ladder import RUNGS
from pipelines.engines.passes import Pass, Run, brought, size_of_all
from pipelines.engines.planning import Pace, Planner, free_for
from pipelines.errors import InvalidRequest, OutOfMemory
from pipelines.models import device as devices
from pipelines.models import extras
from pipelines.models.catalogue import Catalogue
from pipelines.models.extras import Extras
from pipelines.models.image_encoder import ImageEncoder
from pipelines.models.manager import Model, PipelineManager, Resident
from pipelines.models.memory import Ways
from pipelines.models.peaks import Peaks
from pipelines.models.stages import OnStage, unheard
from pipelines.models.weights.arranging import is_narrow
from pipelines.models.weights.components import Components
from pipelines.models.weights.whole import Whole
from pipelines.models.whole import title
from pipelines.prompts.encoding import WEIGHTINGS
from pipelines.sampling.schedulers import resolved
from pipelines.types import (
    Attention,
    Batch,
    Embedding,
    EngineState,
    GenerationRequest,
    GenerationResult,
    ModelInfo,
    OnProgress,
    Progress,
)

HASH_PATIENCE = 30.0  # seconds; a picture whose model is still being hashed waits so long, once


class LocalEngine(Catalogue):
    """`Engine` in this process, on one device."""

    def __init__(
        self,
        models_dirs: Sequence[Path] = (),
        *,
        device: str | None = None,
        data_dir: Path | None = None,
        exact: bool = False,
    ) -> None:
        """`data_dir`: where the models' hashes and the device's measured peaks are remembered; without it each start
        begins anew. `exact`: float32, plain attention, one thread and one image at a time, so that pictures depend on
        the machine as little as they can, for several times the time and memory."""
        devices.make_deterministic(exact=exact)
        super().__init__(models_dirs, None if data_dir is None else data_dir / "hashes.sqlite")
        self.manager = PipelineManager(self._listing, devices.choose(device, exact=exact))
        self._peaks = Peaks(None if data_dir is None else data_dir / "peaks.json")
        self._planner, self._pace = Planner(self._peaks), Pace()
        self._lock = threading.Lock()  # one generate at a time
        self._all_threads = torch.get_num_threads()
        self._builtin_threads: int | None = None  # not measured yet
        self._encoder: ImageEncoder | None = None

    def describe(self) -> EngineState:
        placement, model = self.manager.placement, self.manager.current
        return EngineState(
            state="ready",
            device=placement.device_name,
            dtype=placement.dtype_name,
            memory_bytes=placement.memory(),
            memory_free_bytes=free_for(placement, () if model is None else model.modules),
            memory_moves=placement.moves,
            memory_learned=self._planner.learned(placement),
        )

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        start = time.perf_counter()
        request = batch.request
        with self._lock, as_our_errors(lambda: self._most(request)), torch.no_grad():
            self._encoder = None  # its memory is the picture's now
            # 1. load the model and plan how it fits
            on_progress(Progress(stage="loading"))
            loaded = self._load(request.model, _teller(on_progress))
            if isinstance(loaded, Whole):  # diffusers' own pipeline takes all the steps below
                return _results(batch, self._as_a_whole(loaded, batch, on_progress), start)
            passes = running.passes_of(batch)
            model, wanted, ways = self._prepare(loaded, batch, passes, on_progress)
            parts = brought(self.manager.with_vae(wanted.vae), passes)
            devices.set_threads(batch.threads or self._threads_for(parts))
            run = Run(
                model=model,
                parts=parts,
                batch=batch,
                wish=wanted.wish,
                ways=ways,
                planner=self._planner,
                pace=self._pace,
                on_progress=on_progress,
            )
            # 2. encode the prompts, 3. make noise and 4. denoise, all images at once, or one after the other when
            # memory wants it so; 5. decode, one image at a time, and 6. check
            pictures, outcome = run.made(passes)
            facts = _facts(parts.info, parts.placement, outcome.scheduler, self._hash(parts.info), ways)
            facts |= {**outcome.facts, **self._extra_facts(wanted)}
            facts["prompt_weighting"] = WEIGHTINGS[request.dialect]
        found = [(image, _with_rungs(facts | own, run.rungs) | run.noted) for image, own in pictures]
        return _results(batch, found, start, outcome.looks)

    def warm_up(self) -> None:
        """Loads the built-in model, runs it, and measures whether one thread or all are quicker for it: so small a
        model may lose more by sharing its work out than it wins. Raises `ModelError`."""
        with self._lock, as_our_errors(lambda: (0, 0)), torch.no_grad():
            parts = self._taken_apart("builtin").parts
            self._builtin_threads = _quickest_threads(parts, self._all_threads)

    def embed(self, encoder: str, images: Sequence[Image.Image], on_progress: OnProgress) -> list[Embedding]:
        info, found = self._image_encoder(encoder), list[Embedding]()
        with self._lock, as_our_errors(lambda: (0, 0)):
            devices.set_threads(1 if self.manager.placement.exact else self._all_threads)
            if self._encoder is None or not self._encoder.is_of(info):
                on_progress(Progress(stage="loading"))
                self._encoder = ImageEncoder(info)
            for number, image in enumerate(images, 1):
                found.append(self._encoder.embed(image))
                on_progress(Progress(stage="embedding", step=number, steps=len(images)))
        return found

    def close(self) -> None:
        with self._lock:
            self.manager.clear()
            self._hashes.close()

    def _as_a_whole(
        self, model: Whole, batch: Batch, on_progress: OnProgress
    ) -> list[tuple[Image.Image, dict[str, Any]]]:
        extras.check(self._listing, batch.request)
        if batch.attention:
            rule = f"must be off with {title(model.info)}, which does not tell where words look, got on"
            raise InvalidRequest("attention", rule)
        devices.set_threads(batch.threads or (1 if model.placement.exact else self._all_threads))
        made = whole.make(model, batch, on_progress)
        facts = _facts(model.info, model.placement, model.pipeline.scheduler, self._hash(model.info), made.ways)
        return [(picture, facts | own) for picture, own in made.pictures]

    def _load(self, name: str, on_stage: OnStage = unheard) -> Model:
        """The model of that name; the one before stays if this fails."""
        model = self.manager.get(name, on_stage)
        self._hashes.get(Path(model.info.path))  # begins it, so that it is there when the first picture is
        return model

    def _taken_apart(self, name: str, on_stage: OnStage = unheard) -> Resident:
        model = self._load(name, on_stage)
        assert isinstance(model, Resident)
        return model

    def _prepare(
        self, model: Resident, batch: Batch, passes: Sequence[Pass], on_progress: OnProgress
    ) -> tuple[Resident, Extras, Ways]:
        """The model with the LoRAs and learned words that the prompts name and no others, and the plan for it."""
        wanted = extras.prepared(self._listing, batch.request, model.parts.info.family)
        _check_wish(model.parts, batch)
        for info in (*(lora.info for lora in wanted.loras), *wanted.embeddings):
            self._hashes.get(Path(info.path))
        parts = brought(model.parts, passes)
        ways = self._planner.ways(parts, size_of_all(parts, passes, len(batch.seeds)))
        if self.manager.placement.exact:
            ways = replace(ways, singly=True)
        if is_narrow(model.parts.unet) and not (ways.narrow and model.adapters.are(wanted.loras)):
            self.manager.let_go()  # its weights have been rounded: the file is read anew
            model = self._taken_apart(batch.request.model, _teller(on_progress))
        model.adapters.apply(wanted.loras, wanted.embeddings)
        return model, wanted, ways

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
        model = self.manager.current
        return self._planner.largest(model.parts, request) if isinstance(model, Resident) else (0, 0)

    def _threads_for(self, parts: Components) -> int:
        if parts.placement.exact:
            return 1
        if parts.info.family != "builtin" or parts.placement.device != "cpu":
            return self._all_threads
        if self._builtin_threads is None:
            self._builtin_threads = _quickest_threads(parts, self._all_threads)
        return self._builtin_threads


def _check_wish(parts: Components, batch: Batch) -> None:
    """What only the loaded model tells."""
    request = batch.request
    if parts.editing and request.init is None:
        raise InvalidRequest("init_image", "picture_to_change_needed")
    rows = len(batch.seeds) * (2 if request.guidance > 1 else 1)
    if not parts.can_normalize(request.width, request.height, rows):
        raise InvalidRequest("width", "too_small_alone", value=request.width)


def _with_rungs(facts: dict[str, Any], shared: Sequence[str]) -> dict[str, Any]:
    """The rungs of the whole batch and those of one image's decoding together, each once; none: not a word."""
    taken = list(dict.fromkeys([*shared, *facts.pop(RUNGS)]))
    return facts | ({RUNGS: taken} if taken else {})


def _facts(
    info: ModelInfo, placement: devices.Placement, scheduler: Any, sha256: str | None, ways: Ways
) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "diffusers", "transformers")},
        **placement.facts(),
        "model": {"name": info.name, "sha256": sha256, "family": info.family},
        "sampler": resolved(scheduler),
        "rng": "cpu, one generator an image",
        **({"memory_plan": list(ways.names)} if ways.names else {}),
    }


def _results(
    batch: Batch,
    pictures: Sequence[tuple[Image.Image, dict[str, Any]]],
    start: float,
    looks: Sequence[Attention | None] = (),
) -> list[GenerationResult]:
    """`pictures`: each with its facts. `start`: when the batch began."""
    seconds = time.perf_counter() - start
    return [
        GenerationResult(
            image=image,
            request=batch.as_run(position),
            position=position,
            seconds=seconds,
            facts=facts,
            attention=looks[position] if looks else None,
        )
        for position, (image, facts) in enumerate(pictures)
    ]


def _teller(on_progress: OnProgress) -> OnStage:
    def on_stage(stage: str, percent: int) -> None:
        on_progress(Progress(stage=stage, step=percent, steps=100))

    return on_stage


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
        if not width:
            raise OutOfMemory("too_little_memory") from error
        raise OutOfMemory("too_little_memory_fits", width=width, height=height) from error
