"""What a CLIP vision model sees in pictures: Radford et al. 2021, arXiv:2103.00020. For the lab's distances, and for
reference pictures.

In float32 on the processor, whatever makes the pictures: the card's memory stays the picture model's, and what is seen
does not depend on the card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from PIL.Image import Image
from safetensors import safe_open
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)
from transformers.utils import logging as transformers_logging

from pipelines.errors import ModelError, OutOfMemory
from pipelines.models.files.folders import INDEX
from pipelines.models.files.hashes import stamp_of
from pipelines.models.files.kinds import PROJECTION
from pipelines.models.files.vision import published
from pipelines.models.weights import leftovers
from pipelines.models.weights.loading import model_errors
from pipelines.models.weights.tokenizer import clip_tokenizer
from pipelines.types import Embedding, ModelInfo

PREPROCESSOR = "preprocessor_config.json"
_READING = ("text_model.", "text_projection.weight")
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
            return tuple(_sound(self._model(pixel_values=self._pixels(image)).image_embeds)[0].tolist())  # (width,)

    def read(self, text: str) -> Embedding:
        """A text, as far as it reads. Of a whole CLIP alone; that half is not kept."""
        with model_errors(self._name), torch.no_grad():
            model = _reader(Path(self.path))
            length = model.config.max_position_embeddings
            ids = clip_tokenizer()(text, truncation=True, max_length=length, return_tensors="pt")["input_ids"]
            return tuple(_sound(model(input_ids=ids).text_embeds)[0].tolist())  # (width,)

    def look(self, image: Image | None, *, pieces: bool) -> torch.Tensor:
        """An "RGB" picture as diffusers' `encode_image` has it: (1, width) of the whole, or (1, pieces, width) of each
        piece. None: what stands for no picture."""
        with model_errors(self._name), torch.no_grad():
            config = self._model.config
            if not pieces and image is None:
                return torch.zeros(1, config.projection_dim)
            side = config.image_size
            pixels = torch.zeros(1, config.num_channels, side, side) if image is None else self._pixels(image)
            if not pieces:
                return _sound(self._model(pixel_values=pixels).image_embeds)
            return _sound(self._model(pixel_values=pixels, output_hidden_states=True).hidden_states[-2])

    def _pixels(self, image: Image) -> torch.Tensor:
        """(1, 3, side, side)"""
        pixels: torch.Tensor = self._processor(images=image, return_tensors="pt")["pixel_values"]
        return pixels


class Sight:
    """What image encoders see in reference pictures. That of the batch before is kept, the encoders are not: their
    memory is the picture's."""

    def __init__(self) -> None:
        self._seen: dict[Any, torch.Tensor] = {}

    def of(self, wanted: Mapping[str, Look]) -> dict[str, torch.Tensor]:
        """By name what stands for no picture, and the picture, as `ImageEncoder.look` tells them, one behind the other.
        Raises `ModelError`, `OutOfMemory`."""
        pairs = {name: (replace(one, picture=None).key(), one.key()) for name, one in wanted.items()}
        looks = {pairs[name][0]: replace(one, picture=None) for name, one in wanted.items()}
        looks |= {pairs[name][1]: one for name, one in wanted.items()}
        self._seen = {key: seen for key, seen in self._seen.items() if key in looks}
        encoder: ImageEncoder | None = None
        for key, one in sorted(looks.items(), key=lambda item: item[1].info.path):
            if key in self._seen:
                continue
            if encoder is None or not encoder.is_of(one.info):
                encoder = None  # its memory is the next one's now
                _check_room(one.info)
                encoder = ImageEncoder(one.info)
            self._seen[key] = encoder.look(one.picture, pieces=one.pieces)
        return {name: torch.cat([self._seen[key] for key in pair]) for name, pair in pairs.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """At a picture, by the encoder of this file. `picture` None: at nothing, which is the same beside all."""

    info: ModelInfo
    picture: Image | None
    pieces: bool

    def key(self) -> tuple[Any, ...]:
        """What the numbers depend on, to the last bit."""
        shown = b"" if self.picture is None else f"{self.picture.size}".encode() + self.picture.tobytes()
        pixels = hashlib.sha256(shown).digest()
        return self.info.path, stamp_of(Path(self.info.path)), pixels, self.pieces, torch.get_num_threads()


def _check_room(info: ModelInfo) -> None:
    """It works in main memory, in float32. Raises `OutOfMemory`."""
    narrow = info.dtype in ("float16", "bfloat16")
    needed, free = info.bytes * (2 if narrow else 1), psutil.virtual_memory().available
    if needed > free:
        raise OutOfMemory("encoder_memory", name=info.name, needed=needed / 1e9, free=free / 1e9)


def _sound(seen: torch.Tensor) -> torch.Tensor:
    """Raises `ModelError` for what no picture looks like."""
    if not bool(torch.isfinite(seen).all()) or not bool(seen.any()):
        raise ModelError("embedding_not_finite")
    return seen


def _model(path: Path) -> Any:
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(_WANTED)}  # noqa: SIM118
    known = published(path.parent, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    config = (
        CLIPVisionConfig(**known) if known else CLIPVisionConfig.from_pretrained(path.parent, local_files_only=True)
    )
    config.projection_dim = len(tensors[PROJECTION])  # a whole CLIP says it elsewhere
    return _filled(CLIPVisionModelWithProjection, config, tensors)


def _reader(path: Path) -> Any:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(_READING)}  # noqa: SIM118
    config = CLIPConfig.from_pretrained(path.parent, local_files_only=True).text_config
    config.projection_dim = len(tensors[_READING[1]])
    return _filled(CLIPTextModelWithProjection, config, tensors)


def _filled(kind: Any, config: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    model, told = kind.from_pretrained(
        None, config=config, state_dict=tensors, dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(told["missing_keys"]):  # transformers would leave them as drawn by chance
        part = type(model).__name__
        raise ModelError("weights_missing", part=part, count=len(missing), name=missing[0])
    leftovers.refuse(sorted(told["unexpected_keys"]))
    return model.eval().requires_grad_(False)


def _processor(folder: Path, side: int) -> Any:
    """As the folder says; without its own settings CLIP's, at the side that the model takes."""
    beside = folder.parent / "feature_extractor"  # of a whole model's folder
    if (beside / PREPROCESSOR).is_file() and (folder.parent / INDEX).is_file():
        folder = beside
    if (folder / PREPROCESSOR).is_file():
        return CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
