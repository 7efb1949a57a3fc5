"""An engine without a model: the whole product runs on it in tests and with `--engine fake`."""

from __future__ import annotations

import hashlib
import io
import time

from PIL import Image

from pipelines.models import extras
from pipelines.types import Batch, EngineState, GenerationRequest, GenerationResult, ModelInfo, OnProgress, Progress


class FakeEngine:
    """Draws a two-colour picture from prompt and seed. `fail_on` raises an error at that seed; for fault tests."""

    def __init__(self, seconds_per_step: float = 0.0, fail_on: dict[int, Exception] | None = None) -> None:
        self._pause = seconds_per_step
        self._fail_on = fail_on or {}
        self.batches: list[Batch] = []

    def models(self) -> tuple[ModelInfo, ...]:
        return (ModelInfo(name="builtin", family="builtin", path="", native_size=128, guidance=3.0, sha256="0" * 64),)

    def adapters(self) -> tuple[ModelInfo, ...]:
        return ()

    def check(self, request: GenerationRequest) -> None:
        extras.resolve((), request, "builtin")

    def describe(self) -> EngineState:
        return EngineState(state="ready", device="none", dtype="none", message="fake engine")

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        start = time.perf_counter()
        self.batches.append(batch)
        steps = batch.request.steps_run
        for step in range(1, steps + 1):
            time.sleep(self._pause)
            preview = _jpeg(_draw(batch, 0, (64, 64))) if step % 5 == 0 else None
            on_progress(Progress(stage="denoising", step=step, steps=steps, preview=preview))
        for seed in batch.seeds:
            if seed in self._fail_on:
                raise self._fail_on[seed]
        size = (batch.request.width, batch.request.height)
        seconds = time.perf_counter() - start
        return [
            GenerationResult(
                image=_draw(batch, position, size),
                request=batch.as_run(position),
                position=position,
                seconds=seconds,
                facts={"engine": "fake"},
            )
            for position in range(len(batch.seeds))
        ]

    def close(self) -> None:
        return None


def _draw(batch: Batch, position: int, size: tuple[int, int]) -> Image.Image:
    request = batch.request
    digest = hashlib.sha256(f"{request.prompt}|{request.steps}|{batch.seeds[position]}".encode()).digest()
    image = Image.new("RGB", size, tuple(digest[:3]))
    image.paste(tuple(digest[3:6]), (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))
    if request.init is not None:
        image = Image.blend(request.init.image.resize(size), image, request.init.strength)
    return image


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()
