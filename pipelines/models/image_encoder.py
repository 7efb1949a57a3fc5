"""What a CLIP vision model sees in pictures: Radford et al. 2021, arXiv:2103.00020.

In float32 on the processor, whatever makes the pictures: the card's memory stays the picture model's, and a distance
does not depend on the card.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from safetensors import safe_open
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.utils import logging as transformers_logging

from pipelines.errors import ModelError
from pipelines.models.files.hashes import stamp_of
from pipelines.models.files.kinds import PROJECTION
from pipelines.models.weights import leftovers
from pipelines.models.weights.loading import model_errors
from pipelines.types import Embedding, ModelInfo

PREPROCESSOR = "preprocessor_config.json"
_WANTED = ("vision_model.", PROJECTION)  # of a whole CLIP; the half that reads stays on disk


class ImageEncoder:
    """One vision model in memory. Raises `ModelError` when it is built and when it is used."""

    def __init__(self, info: ModelInfo) -> None:
        self.path, self._stamp, self._name = info.path, stamp_of(Path(info.path)), info.name
        with model_errors(info.name):
            self._model = _model(Path(info.path))
            self._processor = _processor(Path(info.path).parent, self._model.config.image_size)

    def is_of(self, info: ModelInfo) -> bool:
        """Whether this is that file, unchanged."""
        return self.path == info.path and self._stamp == stamp_of(Path(info.path))

    def embed(self, image: Image) -> Embedding:
        """An "RGB" picture: its shorter side to the model's (bicubic), the middle cut out, CLIP's mean and spread."""
        with model_errors(self._name), torch.no_grad():
            pixels = self._processor(images=image, return_tensors="pt")["pixel_values"]  # (1, 3, side, side)
            found: list[float] = self._model(pixel_values=pixels).image_embeds[0].tolist()  # (width,)
            if not all(map(math.isfinite, found)) or not any(found):
                raise ModelError("embedding_not_finite")
        return tuple(found)


def _model(path: Path) -> Any:
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(_WANTED)}  # noqa: SIM118
    config = CLIPVisionConfig.from_pretrained(path.parent, local_files_only=True)
    config.projection_dim = len(tensors[PROJECTION])  # a whole CLIP says it elsewhere
    model, told = CLIPVisionModelWithProjection.from_pretrained(
        None, config=config, state_dict=tensors, dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(told["missing_keys"]):  # transformers would leave them as drawn by chance
        part = type(model).__name__
        raise ModelError("weights_missing", part=part, count=len(missing), name=missing[0])
    leftovers.refuse(sorted(told["unexpected_keys"]))
    return model.eval().requires_grad_(False)


def _processor(folder: Path, side: int) -> Any:
    """As the folder says; without its own settings CLIP's, at the side that the model takes."""
    if (folder / PREPROCESSOR).is_file():
        return CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
