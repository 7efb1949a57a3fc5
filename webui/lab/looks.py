"""Where words look: a picture is made again with the engine watching, and each word's map is laid over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.types import Attention, Batch, GenerationResult
from webui.archive import metadata
from webui.archive.inputs import InputsAround, InputStore, pixels_sha256

SIDE = 192  # pixels, of an overlay
WORDS = 60  # shown at most
_HEAT = (255, 70, 20)
_STRONGEST = 0.85  # of the heat over the picture, where a word looks most

Generate = Callable[[Batch], Sequence[GenerationResult]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One word. `share`: its mean attention, held to the word of the most."""

    word: str
    share: float
    overlay: Image.Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    looks: tuple[Look, ...]
    identical: bool  # the picture that was watched is the file's, pixel for pixel


def look(path: Path, inputs: InputStore, generate: Generate) -> Looks:
    """Raises InvalidRequest for a file that does not hold how it was made, and what making it raises."""
    record = metadata.read(path).record
    if record is None or record.kind != "image":
        raise InvalidRequest("file", "no_settings")
    batch = record.batch(record.request(InputsAround(path, inputs)))
    result = generate(replace(batch, attention=True))[record.position]
    if result.attention is None:
        raise InvalidRequest("file", "not_watched")
    same = pixels_sha256(result.image) == record.pixels_sha256
    return Looks(looks=overlays(result.attention, result.image), identical=same)


def overlays(attention: Attention, image: Image.Image) -> tuple[Look, ...]:
    """Of the words that are no signs, in the prompt's order."""
    shape = len(attention.words), attention.height, attention.width
    maps = np.frombuffer(attention.maps, "<f4").reshape(shape)
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    kept = [place for place, word in enumerate(attention.words) if any(map(str.isalnum, word))][:WORDS]
    means = {place: float(maps[place].mean()) for place in kept}
    most = max(means.values(), default=0) or 1.0
    return tuple(
        Look(word=attention.words[place], share=means[place] / most, overlay=_heated(small, maps[place]))
        for place in kept
    )


def _heated(image: Image.Image, heat: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Image.Image:
    """The picture in grey, and colour where this word looks, from its least place to its most."""
    spread = float(heat.max() - heat.min())
    scaled = (heat - heat.min()) / spread if spread else np.zeros_like(heat)
    mask = Image.fromarray((scaled * 255 * _STRONGEST).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    grey = image.convert("L").convert("RGB")
    return Image.composite(Image.new("RGB", image.size, _HEAT), grey, mask)
