"""Finds what is to be repainted: a network looks at a picture and gives boxes.

D-FINE (arXiv:2410.13842), RT-DETR (2304.08069, 2407.17140) and YOLOS (2106.00666) know their labels; Grounding DINO
(2303.05499) and CLIPSeg (2112.10003) look for any word. In float32 on the processor, whatever makes the pictures: the
card's memory stays the picture model's. What it finds is kept with the picture, so nothing of a picture that is made
again depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL.Image import Image
from safetensors.torch import load_file
from scipy import ndimage
from torch.nn.functional import interpolate
from transformers.utils import logging as transformers_logging

from pipelines.boxes import MOST, Box
from pipelines.details import Detail, Found
from pipelines.errors import ModelError
from pipelines.models.files import detection
from pipelines.models.files.folders import read_json
from pipelines.models.files.hashes import stamp_of
from pipelines.models.files.vision import CONFIG
from pipelines.models.image_encoder import PREPROCESSOR
from pipelines.models.weights import leftovers
from pipelines.models.weights.loading import model_errors
from pipelines.types import ModelInfo

_Row = tuple[float, str, list[float]]  # how sure, of what, and the sides of a box in pixels: left, top, right, bottom


class Detector:
    """One network in memory. Raises `ModelError` when it is built and when it is used."""

    def __init__(self, info: ModelInfo) -> None:
        self.info, self._stamp = info, stamp_of(Path(info.path))
        folder = Path(info.path).parent
        with model_errors(info.name):
            kind = detection.TYPES[str(read_json(folder / CONFIG)["model_type"])]
            self._model = _model(Path(info.path), getattr(transformers, kind.network))
            self._processor = _processor(folder, getattr(transformers, kind.processor))
            reader = transformers.AutoTokenizer if kind.reads else None
            self._read = reader and reader.from_pretrained(folder, local_files_only=True)

    def is_of(self, info: ModelInfo) -> bool:
        """Whether this is that file, unchanged."""
        return self.info.path == info.path and self._stamp == stamp_of(Path(info.path))

    def find(self, detail: Detail, image: Image) -> list[Found]:
        """The surest first, each once; an "RGB" picture."""
        with model_errors(self.info.name), torch.no_grad():
            rows = list(self._seen(detail, image))
        found: list[Found] = []
        for score, label, sides in sorted(rows, key=lambda row: -row[0]):
            box = _within(sides, image.size)
            if box is not None and not any(_same(box, one.box) for one in found):
                found.append(Found(box=box, label=label, score=score))
        return found[: detail.most or MOST]

    def _seen(self, detail: Detail, image: Image) -> Iterator[_Row]:
        words = detection.wanted(detail.words)
        pixels = self._processor(images=image, return_tensors="pt")
        if self._read is None:
            for score, label, sides in self._boxes(detail, image, self._model(**pixels)):
                name = str(self._model.config.id2label.get(label, label))
                if not words or name.casefold() in words:
                    yield score, name, sides
            return
        for word in words:
            if isinstance(self._model, transformers.CLIPSegForImageSegmentation):
                seen = self._model(**pixels, **self._read(word, return_tensors="pt", truncation=True))
                yield from _islands(seen.logits.sigmoid(), detail, image, word)
            else:  # it was trained on sentences
                seen = self._model(**pixels, **self._read(f"{word}.", return_tensors="pt", truncation=True))
                yield from ((score, word, sides) for score, _, sides in self._boxes(detail, image, seen))

    def _boxes(self, detail: Detail, image: Image, seen: Any) -> Iterator[tuple[float, int, list[float]]]:
        (boxes,) = self._processor.post_process_object_detection(
            seen, threshold=detail.confidence, target_sizes=[(image.height, image.width)]
        )
        return zip(boxes["scores"].tolist(), boxes["labels"].tolist(), boxes["boxes"].tolist(), strict=True)


def _islands(sure: torch.Tensor, detail: Detail, image: Image, word: str) -> Iterator[_Row]:
    """A box around each connected part where a network is sure enough. `sure`: 0 … 1, (height, width) of its own, any
    dimensions of one before them."""
    small = sure.reshape(1, 1, *sure.shape[-2:])
    whole = interpolate(small, (image.height, image.width), mode="bilinear", align_corners=False)[0, 0].numpy()
    parts, _ = ndimage.label(whole >= detail.confidence)
    for part, (down, across) in enumerate(ndimage.find_objects(parts), 1):
        score = float(whole[down, across][parts[down, across] == part].max())
        yield score, word, [float(side) for side in (across.start, down.start, across.stop, down.stop)]


def _within(sides: list[float], size: tuple[int, int]) -> Box | None:
    """In whole pixels, cut at the picture's edge; None: nothing is left of it."""
    left, top, right, bottom = (round(side) for side in sides)
    box = max(0, left), max(0, top), min(size[0], right), min(size[1], bottom)
    return box if box[0] < box[2] and box[1] < box[3] else None


SAME = 0.7  # shared of what two boxes cover together, from which on they are one


def _same(one: Box, other: Box) -> bool:
    """Networks tell of one thing twice now and then, also by two names."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return False
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return across * down >= SAME * (areas - across * down)


def _model(path: Path, kind: Any) -> Any:
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    config = kind.config_class.from_pretrained(path.parent, local_files_only=True)
    model, told = kind.from_pretrained(
        None, config=config, state_dict=load_file(path), dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(told["missing_keys"]):  # transformers would leave them as drawn by chance
        part = type(model).__name__
        raise ModelError("weights_missing", part=part, count=len(missing), name=missing[0])
    leftovers.refuse(sorted(told["unexpected_keys"]))
    return model.eval().requires_grad_(False)


def _processor(folder: Path, kind: Any) -> Any:
    """As the folder says; without its own settings as transformers has it for the network."""
    return kind.from_pretrained(folder, local_files_only=True) if (folder / PREPROCESSOR).is_file() else kind()
