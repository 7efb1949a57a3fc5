"""An upscaler of a file: any network that spandrel knows, run part by part."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from pipelines.errors import ModelError, NotFinite
from pipelines.groups import Upscale
from pipelines.images import Size
from pipelines.models import conversion
from pipelines.models.device import Placement
from pipelines.models.files.hashes import stamp_of
from pipelines.models.memory import upscaler_bytes
from pipelines.models.weights.loading import model_errors
from pipelines.types import ModelInfo
from pipelines.upscaling.spandrel_import import spandrel
from pipelines.upscaling.tiles import Canvas, corners

PASSES = 3  # one that doubles goes eightfold
OnPart = Callable[[int, int], None]  # so many parts of so many are done


class Network:
    """One upscaler in memory. Raises `ModelError` when it is built."""

    def __init__(self, info: ModelInfo, placement: Placement) -> None:
        self.info, self._stamp = info, stamp_of(Path(info.path))
        with model_errors(info.name):
            self._model = _read(conversion.loadable(info))
        self._placement = replace(placement, dtype=torch.float32, channels_last=False)
        self._half = placement.device.startswith("cuda") and self._model.supports_half and not placement.exact

    def is_of(self, info: ModelInfo) -> bool:
        """Whether this is that file, unchanged."""
        return self.info.path == info.path and self._stamp == stamp_of(Path(info.path))

    def bytes_for(self, size: Size, tile: int) -> int:
        """What it takes of the device for a picture of this size."""
        width = 2 if self._half else 4
        weights = width * sum(int(weight.numel()) for weight in self._model.model.parameters())
        return upscaler_bytes(weights, (min(size[0], tile), min(size[1], tile)), width)

    def enlarged(self, upscale: Upscale, on_part: OnPart) -> tuple[Image.Image, dict[str, Any]]:
        """The picture, as often through the network as it takes to reach the size, then brought to it by Lanczos; and
        its facts.

        In half precision an odd picture may overflow; then all of it is computed in full. Raises `NotFinite`."""
        if self._half:
            with contextlib.suppress(NotFinite):
                return self._enlarged(upscale, on_part, torch.float16)
        return self._enlarged(upscale, on_part, torch.float32)

    def _enlarged(self, upscale: Upscale, on_part: OnPart, dtype: torch.dtype) -> tuple[Image.Image, dict[str, Any]]:
        try:
            self._model.to(device=self._placement.device, dtype=dtype)
            return self._through(upscale, on_part, dtype)
        finally:
            self._model.to(device="cpu")  # what it works beside may need the room

    def _through(self, upscale: Upscale, on_part: OnPart, dtype: torch.dtype) -> tuple[Image.Image, dict[str, Any]]:
        width, height = upscale.image.size
        scale = self._model.scale
        passes = 1
        while scale > 1 and scale**passes < upscale.by and passes < PASSES:
            passes += 1
        total = sum(_count(width * scale**n, height * scale**n, upscale) for n in range(passes))
        parts = itertools.count(1)
        pixels: NDArray[np.float32] = np.asarray(upscale.image, np.float32) / np.float32(255)  # (height, width, 3)
        for _ in range(passes):
            pixels = self._once(pixels, upscale, lambda: on_part(next(parts), total))
        image = Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))
        if image.size != upscale.size:
            image = image.resize(upscale.size, Image.Resampling.LANCZOS)
        told = {"name": self.info.name, "architecture": self._model.architecture.id, "scale": scale, "passes": passes}
        return image, replace(self._placement, dtype=dtype).facts() | {"upscaler": told}

    def _once(self, pixels: NDArray[np.float32], upscale: Upscale, on_part: Callable[[], None]) -> NDArray[np.float32]:
        """Every part by itself: a batch of two gives other last bits."""
        height, width = pixels.shape[:2]
        canvas = Canvas(width, height, self._model.scale)
        for x, y in corners(width, height, upscale.tile, upscale.overlap):
            part = pixels[y : y + upscale.tile, x : x + upscale.tile]
            canvas.put(self._part(part), (x, y), upscale.tile, upscale.overlap)
            on_part()
        return canvas.whole()

    def _part(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        given = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]  # (1, 3, height, width)
        with torch.inference_mode():
            given = given.to(device=self._placement.device, dtype=self._model.dtype)
            made = self._model(given).float().cpu()  # (1, 3, scale × height, scale × width)
        if not torch.isfinite(made).all():
            raise NotFinite("upscaled_not_finite", name=self.info.name)
        found: NDArray[np.float32] = made[0].permute(1, 2, 0).numpy()
        return found


def _count(width: int, height: int, upscale: Upscale) -> int:
    return sum(1 for _ in corners(width, height, upscale.tile, upscale.overlap))


def _read(path: Path) -> Any:
    library = spandrel()
    model = library.ModelLoader("cpu").load_from_state_dict(load_file(path))
    if not isinstance(model, library.ImageModelDescriptor) or (model.input_channels, model.output_channels) != (3, 3):
        raise ModelError("no_upscaler", architecture=model.architecture.name)
    return model.eval()
