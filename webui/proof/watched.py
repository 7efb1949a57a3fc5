"""A picture is made again from its file while the engine watches: what a run shows is seen of one made long ago."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.types import Batch, GenerationResult
from webui.archive import metadata, pictures
from webui.archive.inputs import InputsAround, InputStore, pixels_sha256
from webui.archive.metadata import Record

NEAR = 1.0  # levels of 255 that pixels differ by on average where a picture is the same but for rounding

Generate = Callable[[Batch], Sequence[GenerationResult]]
Ask = Callable[[Batch, int], Batch]  # a batch and the image's place in it -> the batch under watch


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    result: GenerationResult
    identical: bool  # the picture that was watched is the file's, pixel for pixel
    near: bool = False  # ... but for rounding


def watched(path: Path, inputs: InputStore, generate: Generate, ask: Ask) -> Watched:
    """Raises InvalidRequest for a file that does not hold how it was made, and what making it raises."""
    record = metadata.read(path).record
    if record is None or record.kind != "image":
        raise InvalidRequest("file", "no_settings")
    batch = record.batch(record.request(InputsAround(path, inputs)))
    if len(batch.seeds) > 1:  # alone it is made in a part of the time, and seldom differs by more than rounding
        found = _held_to(path, record, generate(ask(_alone(batch, record.position), 0))[0])
        if found.near:
            return found
    return _held_to(path, record, generate(ask(batch, record.position))[record.position])


def _alone(batch: Batch, position: int) -> Batch:
    return replace(batch, request=replace(batch.request, batch_size=1), seeds=batch.seeds[position : position + 1])


def _held_to(path: Path, record: Record, result: GenerationResult) -> Watched:
    same = pixels_sha256(result.image) == record.pixels_sha256
    near = same or _difference(result.image, pictures.read(path)) < NEAR
    return Watched(result=result, identical=same, near=near)


def _difference(one: Image.Image, other: Image.Image) -> float:
    """Levels, on average."""
    if one.size != other.size:
        return 255.0
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())
