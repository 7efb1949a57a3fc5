"""Makes images in this process: the recipe from a request to pictures."""

from __future__ import annotations

import contextlib
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pipelines.boxes import Click
from pipelines.details import Detail
from pipelines.engines.planning import Pace, Planner, free_for
from pipelines.engines.replay import Replays, recorder_for
from pipelines.engines.work import Loaded, Work
from pipelines.errors import EngineLost, OutOfMemory
from pipelines.families.base import Made
from pipelines.groups import Upscale
from pipelines.models import device as devices
from pipelines.models.catalogue import Catalogue
from pipelines.models.detector import Detector
from pipelines.models.image_encoder import ImageEncoder, Sight
from pipelines.models.manager import PipelineManager
from pipelines.models.peaks import Peaks
from pipelines.models.segmenter import Segmenter
from pipelines.models.stages import OnStage, unheard
from pipelines.models.weights.components import bytes_of
from pipelines.models.weights.controlnet import Controls
from pipelines.models.weights.ip_adapter import IPAdapters
from pipelines.sampling.schedulers import resolved
from pipelines.types import (
    BUILTIN,
    Batch,
    Embedding,
    EngineState,
    GenerationResult,
    ModelInfo,
    OnProgress,
    Progress,
)
from pipelines.upscaling.network import Network
from pipelines.upscaling.plain import resized

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
        replay: bool = True,
    ) -> None:
        """`data_dir`: where the models' hashes and the device's measured peaks are remembered; without it each start
        begins anew. `exact`: float32, plain attention, one thread and one image at a time, so that pictures depend on
        the machine as little as they can, for several times the time and memory. `replay`: a card may replay the
        network's calls (`engines/replay.py`)."""
        devices.make_deterministic(exact=exact)
        super().__init__(models_dirs, None if data_dir is None else data_dir / "hashes.sqlite")
        self.manager = PipelineManager(self._listing, devices.choose(device, exact=exact))
        self._peaks = Peaks(None if data_dir is None else data_dir / "peaks.json")
        self._planner, self._pace = Planner(self._peaks), Pace()
        self.replays = Replays(recorder_for(self.manager.placement.device) if replay else None)
        self._lock = threading.Lock()  # one generate at a time
        self._all_threads = torch.get_num_threads()
        self._read: dict[str, str | None] = {}  # path of a model -> the hash of what was read
        self._threads: dict[str, int] = {}  # by the path of a model: as many as suit it
        self._encoder: ImageEncoder | None = None
        self._network: Network | None = None  # an upscaler
        self._finder: Detector | None = None
        self._selecting: Segmenter | None = None
        self._controls, self._references = Controls(), IPAdapters()
        self._sight = Sight()

    def describe(self) -> EngineState:
        placement, model = self.manager.placement, self.manager.current
        with as_our_errors(lambda: (0, 0)):
            return EngineState(
                state="ready",
                device=placement.device_name,
                dtype=placement.dtype_name,
                memory_bytes=placement.memory(),
                memory_free_bytes=free_for(placement, () if model is None else model.modules),
                memory_moves=placement.moves,
                memory_learned=self._planner.learned(placement),
                model="" if model is None else model.info.name,
            )

    @contextlib.contextmanager
    def _turn(self, most: Callable[[], tuple[int, int]] = lambda: (0, 0)) -> Iterator[None]:
        """One at a time, by this engine's settings, which are the process's: another engine may have changed them."""
        with self._lock, as_our_errors(most):
            devices.make_deterministic(exact=self.manager.placement.exact)
            yield

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        if batch.request.upscale is not None:
            return self._upscaled(batch, batch.request.upscale, on_progress)
        start = time.perf_counter()
        request, work = batch.request, self._work(batch, on_progress)
        with self._turn(lambda: self._most(work)), torch.no_grad():
            self._encoder = self._selecting = None  # their memory is the picture's now
            on_progress(Progress(stage="loading"))
            model = self._load(request.model, _teller(on_progress))
            made = model.make(work)
            facts = _facts(model, made, self._hash(model.info)) | {"prompt_rules": batch.prompt_rules}
        pictures = [(picture, facts | own) for picture, own in made.pictures]
        return _results(batch.stopped(made.after), pictures, start, made)

    def _upscaled(self, batch: Batch, upscale: Upscale, on_progress: OnProgress) -> list[GenerationResult]:
        start, info = time.perf_counter(), self._upscaler("upscaler", upscale.upscaler)
        facts: dict[str, Any] = {"python": platform.python_version(), "prompt_rules": batch.prompt_rules}
        if info is None:
            image = resized(upscale.image, upscale.size, upscale.upscaler)
            return _results(batch, [(image, facts | {"pillow": version("pillow")})], start)
        with self._turn():
            self.replays.drop()
            on_progress(Progress(stage="loading"))
            devices.set_threads(batch.threads or (1 if self.manager.placement.exact else self._all_threads))
            network = self._network_of(info)
            self._make_room(network.bytes_for(upscale.image.size, upscale.tile))

            def on_part(done: int, parts: int) -> None:
                on_progress(Progress(stage="upscaling", step=done, steps=parts))

            image, own = network.enlarged(upscale, on_part)
        facts |= {name: version(name) for name in ("torch", "spandrel", "pillow")} | own
        facts["upscaler"]["sha256"] = self._hash(info)
        return _results(batch, [(image, facts)], start)

    def warm_up(self) -> None:
        """Loads the built-in model, runs it, and measures whether one thread or all are quicker for it: so small a
        model may lose more by sharing its work out than it wins. Raises `ModelError`."""
        with self._turn(), torch.no_grad():
            model = self._load(BUILTIN)
            self._threads[model.info.path] = model.quickest_threads(self._all_threads)

    def embed(
        self, encoder: str, images: Sequence[Image.Image], on_progress: OnProgress, text: str = ""
    ) -> list[Embedding]:
        info, found = self._image_encoder(encoder), list[Embedding]()
        with self._turn():
            devices.set_threads(1 if self.manager.placement.exact else self._all_threads)
            if self._encoder is None or not self._encoder.is_of(info):
                on_progress(Progress(stage="loading"))
                self._encoder = ImageEncoder(info)
            for number, image in enumerate(images, 1):
                found.append(self._encoder.embed(image))
                on_progress(Progress(stage="embedding", step=number, steps=len(images)))
            if text:
                found.append(self._encoder.read(text))
        return found

    def select(self, image: Image.Image, clicks: Sequence[Click], on_progress: OnProgress) -> Image.Image:
        info = self._segmenter()
        with self._turn():
            devices.set_threads(1 if self.manager.placement.exact else self._all_threads)
            if self._selecting is None or not self._selecting.is_of(info):
                on_progress(Progress(stage="loading"))
                self._selecting = Segmenter(info)
            return self._selecting.select(image, clicks)

    def close(self) -> None:
        with self._lock:
            self.replays.drop()
            self.manager.clear()
            self._hashes.close()

    def _load(self, name: str, on_stage: OnStage = unheard) -> Loaded:
        """The model of that name; the one before stays if this fails."""
        before = self.manager.current
        model = self._checked(lambda: self.manager.get(name, on_stage))
        if model is not before:
            self.replays.drop()  # its weights left
        return model

    def _checked(self, get: Callable[[], Loaded]) -> Loaded:
        """What `get` gives, read again where the file's bytes turn out to be others."""
        model = get()
        path = Path(model.info.path)
        sha256 = self._hashes.get(path)  # begins it, so that it is there when the first picture is
        if self._hashes.altered(path) is not None and self._read.get(str(path)) != sha256:
            self.manager.clear()  # what is in memory may be what the file held before
            model = get()
        self._read[str(path)] = sha256
        return model

    def _hash(self, info: ModelInfo) -> str | None:
        return self._hashes.wait(Path(info.path), HASH_PATIENCE)

    def _work(self, batch: Batch, on_progress: OnProgress) -> Work:
        def reload() -> Loaded:
            self.manager.let_go()
            return self._load(batch.request.model, _teller(on_progress))

        def beside(name: str, anew: bool) -> Loaded:
            return self._checked(lambda: self.manager.beside(name, _teller(on_progress), anew=anew))

        return Work(
            batch=batch,
            on_progress=on_progress,
            listing=self._listing,
            planner=self._planner,
            pace=self._pace,
            replays=self.replays,
            hash_of=self._hash,
            hash_soon=lambda info: self._hashes.get(Path(info.path)),
            set_threads=lambda model: devices.set_threads(batch.threads or self._threads_for(model)),
            reload=reload,
            beside=beside,
            upscaler=self._upscaler_of,
            detector=self._detector_of,
            controls=self._controls.of,
            references=self._references.of,
            seen=self._sight.of,
        )

    def _upscaler_of(self, name: str) -> Network | None:
        """Of a second pass. Raises `InvalidRequest`, `ModelError`."""
        info = self._upscaler("hires_upscaler", name)
        return None if info is None else self._network_of(info)

    def _detector_of(self, detail: Detail) -> Detector | None:
        """Raises `InvalidRequest`, `ModelError`."""
        info = self._detector(detail)
        if info is not None and (self._finder is None or not self._finder.is_of(info)):
            self._finder = Detector(info)
        return None if info is None else self._finder

    def _make_room(self, needed: int) -> None:
        """For an upscaler: the model goes to main memory where both have no room. Raises MemoryError where too much
        would end the program."""
        placement, model = self.manager.placement, self.manager.current
        if not placement.moves and needed > placement.available():
            raise MemoryError
        if placement.moves and model is not None and needed + bytes_of(model.modules) > placement.available():
            model.leave()

    def _network_of(self, info: ModelInfo) -> Network:
        if self._network is None or not self._network.is_of(info):
            self._network = None  # its memory is the next one's now
            self._network = Network(info, self.manager.placement)
        return self._network

    def _most(self, work: Work) -> tuple[int, int]:
        model = self.manager.current
        return (0, 0) if model is None else model.largest(work)

    def _threads_for(self, model: Loaded) -> int:
        if model.placement.exact:
            return 1
        if model.info.path not in self._threads:
            self._threads[model.info.path] = model.quickest_threads(self._all_threads)
        return self._threads[model.info.path]


def _facts(model: Loaded, made: Made, sha256: str | None) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "diffusers", "transformers")},
        **model.placement.facts(),
        "model": {"name": model.info.name, "sha256": sha256, "family": model.info.family},
        "sampler": resolved(made.scheduler),
        "rng": "cpu, one generator an image",
        **({"memory_plan": list(made.ways.names)} if made.ways.names else {}),
    }


def _results(
    batch: Batch,
    pictures: Sequence[tuple[Image.Image, dict[str, Any]]],
    start: float,
    made: Made | None = None,
) -> list[GenerationResult]:
    """`pictures`: each with its facts. `start`: when the batch began. `made`: what else was seen of them."""
    seconds = time.perf_counter() - start
    looks, moments = ((), ()) if made is None else (made.looks, made.moments)
    filmed = 0 if batch.filming is None else batch.filming.image
    return [
        GenerationResult(
            image=image,
            request=batch.as_run(position, facts),
            position=position,
            seconds=seconds,
            facts=facts,
            attention=looks[position] if looks else None,
            moments=moments if position == filmed else (),
            blocks=made.blocks if made is not None and position == 0 else (),
        )
        for position, (image, facts) in enumerate(pictures)
    ]


def _teller(on_progress: OnProgress) -> OnStage:
    def on_stage(stage: str, percent: int) -> None:
        on_progress(Progress(stage=stage, step=percent, steps=100))

    return on_stage


@contextlib.contextmanager
def as_our_errors(most: Callable[[], tuple[int, int]]) -> Iterator[None]:
    """Foreign errors of a run -> ours. A bug keeps its own type. `most`: the largest width and height that fit."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if devices.is_lost(error):
            raise EngineLost("device_failed", reason=str(error).partition("\n")[0]) from error
        if not devices.is_out_of_memory(error):
            raise
        width, height = most()
        if not width:
            raise OutOfMemory("too_little_memory") from error
        raise OutOfMemory("too_little_memory_fits", width=width, height=height) from error
