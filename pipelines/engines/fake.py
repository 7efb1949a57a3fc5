"""An engine without a model: the whole product runs on it in tests and with `--engine fake`."""

from __future__ import annotations

import hashlib
import io
import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from pipelines import boxes
from pipelines.boxes import Click
from pipelines.details import DETAILS, Detail
from pipelines.errors import Kept
from pipelines.fields import there
from pipelines.groups import Upscale
from pipelines.leading import Control, Reference
from pipelines.models.catalogue import Catalogue
from pipelines.types import (
    Batch,
    Embedding,
    EngineState,
    GenerationRequest,
    GenerationResult,
    ModelInfo,
    OnProgress,
    Progress,
)
from pipelines.upscaling.plain import resized
from pipelines.watching import VIEWS, Attention, Block, Dissolving, Moment


def _block(part: str, name: str, kind: str, shape: tuple[int, ...], attention: int = 0) -> Block:
    return Block(
        part=part,
        name=name,
        kind=kind,
        layers=2 if name == "encoder" and part == "text_encoder" else 0,
        parameters=1000,
        shape=shape,
        attention=attention,
        words=attention // 2,
        seconds=0.001,
    )


# of a model as small as can be
_BLOCKS = (
    _block("text_encoder", "", "CLIPTextModel", (77, 8), 2),
    _block("text_encoder", "embeddings", "CLIPTextEmbeddings", (77, 8)),
    _block("text_encoder", "encoder", "CLIPEncoder", (77, 8), 2),
    _block("unet", "", "UNet2DConditionModel", (4, 8, 8), 6),
    _block("unet", "conv_in", "Conv2d", (8, 8, 8)),
    _block("unet", "down_blocks.0", "CrossAttnDownBlock2D", (8, 4, 4), 2),
    _block("unet", "down_blocks.1", "DownBlock2D", (16, 4, 4)),
    _block("unet", "mid_block", "UNetMidBlock2DCrossAttn", (16, 4, 4), 2),
    _block("unet", "up_blocks.0", "UpBlock2D", (16, 8, 8)),
    _block("unet", "up_blocks.1", "CrossAttnUpBlock2D", (8, 8, 8), 2),
    _block("unet", "conv_out", "Conv2d", (4, 8, 8)),
    _block("vae", "", "Decoder", (3, 64, 64)),
    _block("vae", "conv_in", "Conv2d", (16, 8, 8)),
    _block("vae", "conv_out", "Conv2d", (3, 64, 64)),
)


class FakeEngine(Catalogue):
    """Draws a two-colour picture from prompt and seed; what lies in `folders` is listed, never loaded. `fail_on`
    raises an error at that seed; for fault tests."""

    def __init__(
        self,
        seconds_per_step: float = 0.0,
        fail_on: dict[int, Exception] | None = None,
        folders: Sequence[Path] = (),
        name: str = "",
    ) -> None:
        """`name`: of a device, where there are several."""
        super().__init__(folders)
        self._name, self._model = name, ""
        self._pause = seconds_per_step
        self._fail_on = fail_on or {}
        self.batches: list[Batch] = []
        self.embedded = 0  # pictures

    def models(self) -> tuple[ModelInfo, ...]:
        return tuple(map(_own, super().models()))

    def shelf(self) -> tuple[ModelInfo, ...]:
        return tuple(map(_own, super().shelf()))

    def describe(self) -> EngineState:
        return EngineState(state="ready", device="none", dtype="none", name=self._name, model=self._model)

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        start = time.perf_counter()
        self.batches.append(batch)
        if batch.request.upscale is not None:
            return [self._upscaled(batch, batch.request.upscale, start)]
        self._model = batch.request.model
        batch = batch.stopped(self._denoised(batch, on_progress))
        for seed in batch.seeds:
            if seed in self._fail_on:
                raise self._fail_on[seed]
        size = batch.request.size
        seconds = time.perf_counter() - start
        facts = {"engine": "fake", "prompt_rules": batch.prompt_rules} | _details(batch.request)
        if batch.dissolving is not None and batch.dissolving.stepwise:
            facts |= {"apart": 0.0, "deviation": 1.0}
        filmed = 0 if batch.filming is None else batch.filming.image
        return [
            GenerationResult(
                image=_draw(batch, position, size),
                request=batch.as_run(position, facts),
                position=position,
                seconds=seconds,
                facts=facts,
                attention=_looks(batch.request.prompt) if batch.attention else None,
                moments=_moments(batch, size) if position == filmed else (),
                blocks=_BLOCKS if batch.anatomy and position == 0 else (),
            )
            for position in range(len(batch.seeds))
        ]

    def _denoised(self, batch: Batch, on_progress: OnProgress) -> int:
        """The step at which it was to be kept; 0: it never was."""
        passes, done = batch.request.passes, 0
        for number, one in enumerate(passes, 1):
            where = Progress(stage="denoising", steps=one.steps, pass_number=number, passes=len(passes))
            for step in range(1, one.steps + 1):
                time.sleep(self._pause)
                preview = _jpeg(_draw(batch, 0, (64, 64))) if step % 5 == 0 else None
                try:
                    on_progress(replace(where, step=step, preview=preview))
                except Kept:
                    return done + step
            done += one.steps
        return 0

    def _upscaled(self, batch: Batch, upscale: Upscale, start: float) -> GenerationResult:
        """Networks are stood in for by Lanczos."""
        info = self._upscaler("upscaler", upscale.upscaler)
        told = {} if info is None else {"upscaler": {"name": info.name, "sha256": self._hashes.get(Path(info.path))}}
        image = resized(upscale.image, upscale.size, upscale.upscaler if info is None else "lanczos")
        return GenerationResult(
            image=image,
            request=batch.as_run(0),
            position=0,
            seconds=time.perf_counter() - start,
            facts={"engine": "fake", "prompt_rules": batch.prompt_rules, **told},
        )

    def embed(
        self, encoder: str, images: Sequence[Image.Image], on_progress: OnProgress, text: str = ""
    ) -> list[Embedding]:
        """Stands in for what is seen: the colours of four by four fields."""

        def colours(image: Image.Image) -> Embedding:
            return tuple(level + 1.0 for level in image.resize((4, 4), Image.Resampling.BOX).tobytes())

        self._image_encoder(encoder)
        self.embedded += len(images)
        on_progress(Progress(stage="embedding", step=len(images), steps=len(images)))
        read = [Image.new("RGB", (4, 4), tuple(hashlib.sha256(text.encode()).digest()[:3]))] if text else []
        return list(map(colours, [*images, *read]))

    def select(self, image: Image.Image, clicks: Sequence[Click], on_progress: OnProgress) -> Image.Image:
        """Stands in for a thing: a square around the last click."""
        self._segmenter()
        (x, y, _), side = clicks[-1], max(1, min(image.size) // 8)
        mask = Image.new("L", image.size)
        mask.paste(255, (int(x) - side, int(y) - side, int(x) + side, int(y) + side))
        return mask

    def close(self) -> None:
        self._hashes.close()


def _own(info: ModelInfo) -> ModelInfo:
    """The built-in model stands for this engine, which is quick at one small size."""
    return replace(info, native_size=128, sha256="0" * 64) if info.builtin else info


def _draw(batch: Batch, position: int, size: tuple[int, int]) -> Image.Image:
    request = batch.request
    told = f"{request.prompt}|{request.steps}|{batch.seeds[position]}"
    if request.stop_after:
        told += f"|{request.stop_after}"
    if (variation := batch.as_run(position).variation) is not None:
        told += f"|{variation.seed}|{variation.strength}"
    for control in there(request, Control).values():
        told += f"|{control.weight}|{hashlib.sha256(control.map.tobytes()).hexdigest()}"
    for reference in there(request, Reference).values():
        told += f"|{reference.weight}|{hashlib.sha256(reference.picture.tobytes()).hexdigest()}"
    if (own := request.unclip) is not None:
        told += f"|{own.noise_level}|{hashlib.sha256(own.picture.tobytes()).hexdigest()}"
    digest = hashlib.sha256(told.encode()).digest()
    image = Image.new("RGB", size, tuple(digest[:3]))
    image.paste(tuple(digest[3:6]), (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))
    if request.init is not None:
        image = Image.blend(request.init.image.resize(size), image, request.init.strength)
    if size == request.size and DETAILS in (facts := _details(request)):
        detail = replace(request.detail or Detail(), found=facts[DETAILS]["found"])
        for box in detail.boxes_in(*size):
            image.paste(tuple(digest[6:9]), box)
    return image


def _details(request: GenerationRequest) -> dict[str, Any]:
    """What a run settles of them; a detector is stood in for by one that finds the middle."""
    if request.detail is None or not request.reaches_details:
        return {}
    detail = request.detail
    middle = replace(detail, found=detail.written or "0.25,0.25,0.5,0.5")
    return {DETAILS: {"found": boxes.write(list(middle.boxes_in(*request.size))), "side": detail.size or 128}}


def _looks(prompt: str) -> Attention:
    """Each word looks at a column of its own."""
    words = tuple(prompt.split())
    rows = [[float(column == word) for column in range(len(words))] for word in range(len(words))]
    return Attention(
        words=words, width=len(words), height=1, maps=b"".join(struct.pack(f"<{len(r)}f", *r) for r in rows)
    )


def _moments(batch: Batch, size: tuple[int, int]) -> tuple[Moment, ...]:
    """The picture comes out of grey, evenly; what is taken apart goes into it."""
    if batch.dissolving is not None:
        return _dissolved(batch.request, batch.dissolving)
    if batch.filming is None:
        return ()
    steps, wanted = batch.request.steps_run, batch.filming.moments
    picture, grey = _draw(batch, batch.filming.image, size), Image.new("RGB", size, "grey")
    found = []
    for step in range(1, steps + 1, max(1, steps // max(1, wanted))):
        share = step / steps
        views = {name: Image.blend(grey, picture, share if name == "noisy" else 1.0) for name in VIEWS}
        alpha = share**0.5
        found.append(Moment(step=step, steps=steps, alpha=alpha, sigma=(1 - share) ** 0.5, views=views))
    return tuple(found)


def _dissolved(request: GenerationRequest, dissolving: Dissolving) -> tuple[Moment, ...]:
    grey, found = Image.new("RGB", request.size, "grey"), list[Moment]()
    picture = grey if request.init is None else request.init.image.resize(request.size)
    for step, left in enumerate(dissolving.left[-1:] if dissolving.stepwise else dissolving.left, 1):
        views = {"noisy": Image.blend(grey, picture, left)}
        found.append(Moment(step=step, steps=step, alpha=left**0.5, sigma=(1 - left) ** 0.5, views=views))
    return tuple(found)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()
