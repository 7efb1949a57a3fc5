"""Selects what a person clicks on: SAM 2 (arXiv:2408.00714) looks at a picture once, then answers every click.

In float32 on the processor, as detectors do. The mask is kept with the picture that it leads to, so nothing of a
picture that is made again depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import interpolate
from transformers import Sam2Config, Sam2Model
from transformers.utils import logging as transformers_logging

from pipelines.boxes import Click
from pipelines.errors import ModelError
from pipelines.models.files.hashes import stamp_of
from pipelines.models.weights import leftovers
from pipelines.models.weights.loading import model_errors
from pipelines.types import ModelInfo

# Of ImageNet's colours, as every SAM 2 was trained; transformers' own processor for it asks for torchvision
_MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)


class Segmenter:
    """One network in memory. Raises `ModelError` when it is built and when it is used."""

    def __init__(self, info: ModelInfo) -> None:
        self.info, self._stamp = info, stamp_of(Path(info.path))
        with model_errors(info.name):
            self._model = _model(Path(info.path))
        self._side = int(self._model.config.prompt_encoder_config.image_size)
        self._picture: Image.Image | None = None  # that it saw last
        self._seen: list[torch.Tensor] = []

    def is_of(self, info: ModelInfo) -> bool:
        """Whether this is that file, unchanged."""
        return self.info.path == info.path and self._stamp == stamp_of(Path(info.path))

    def select(self, image: Image.Image, clicks: Sequence[Click]) -> Image.Image:
        """The thing that the clicks say, as an "L" picture of its size, 255 or 0; an "RGB" picture, one click or
        more. One click may mean a thing or a part of it, so of three masks the likeliest is taken."""
        with model_errors(self.info.name), torch.no_grad():
            if self._picture is None or self._picture != image:
                self._seen = self._model.get_image_embeddings(self._pixels(image))
                self._picture = image
            scale = self._side / image.width, self._side / image.height
            places = [[x * scale[0], y * scale[1]] for x, y, _ in clicks]
            told = self._model(
                image_embeddings=self._seen,
                input_points=torch.tensor([[places]], dtype=torch.float32),  # (pictures, things, clicks, 2)
                input_labels=torch.tensor([[[int(adds) for *_, adds in clicks]]]),
                multimask_output=len(clicks) == 1,
            )
            masks, sure = told.pred_masks[0], told.iou_scores[0, 0]  # (1, masks, height, width) of its own, (masks)
            best = masks[:, int(sure.argmax())][None]
            whole = interpolate(best, (image.height, image.width), mode="bilinear", align_corners=False)[0, 0]
        return Image.fromarray(np.where(whole.numpy() > 0, 255, 0).astype(np.uint8))

    def _pixels(self, image: Image.Image) -> torch.Tensor:
        """As a square, whatever its shape: (1, 3, side, side)."""
        square = np.asarray(image.resize((self._side, self._side), Image.Resampling.BILINEAR), np.float32) / 255
        return ((torch.from_numpy(square).permute(2, 0, 1) - _MEAN) / _DEVIATION)[None]


def _model(path: Path) -> Any:
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    config = Sam2Config.from_pretrained(path.parent, local_files_only=True)
    model, told = Sam2Model.from_pretrained(
        None, config=config, state_dict=load_file(path), dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(told["missing_keys"]):  # transformers would leave them as drawn by chance
        raise ModelError("weights_missing", part="Sam2Model", count=len(missing), name=missing[0])
    leftovers.refuse(sorted(told["unexpected_keys"]))
    return model.eval().requires_grad_(False)
