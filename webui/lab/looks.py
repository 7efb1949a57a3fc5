"""Where words look: a picture is made again with the engine watching, and each word's map is laid over it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.watching import Attention
from webui.archive.inputs import InputStore
from webui.proof.watched import Generate, watched

SIDE = 192  # pixels, of an overlay
WORDS = 60  # shown at most
# of English, which CLIP reads: they gather attention that belongs to no thing
STOP_WORDS = frozenset(
    """a an the and or but nor of in on at to by for from with without into onto over under near as is are was were be
    been being it its this that these those their his her my your our some any very""".split()  # noqa: SIM905
)
_HEAT = (255, 70, 20)
_STRONGEST = 0.85  # of the heat over the picture, where a word looks most


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One word. `share`: its mean attention, held to the word of the most; None for a word like "the", which says
    nothing of the picture and is held to none."""

    word: str
    share: float | None
    overlay: Image.Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    looks: tuple[Look, ...]
    identical: bool  # the picture that was watched is the file's, pixel for pixel
    near: bool = False  # ... but for rounding


def look(path: Path, inputs: InputStore, generate: Generate) -> Looks:
    """Raises InvalidRequest for a file that does not hold how it was made, and what making it raises."""
    found = watched(path, inputs, generate, lambda batch, _: replace(batch, attention=True))
    if found.result.attention is None:
        raise InvalidRequest("file", "not_watched")
    seen = overlays(found.result.attention, found.result.image)
    return Looks(looks=seen, identical=found.identical, near=found.near)


def overlays(attention: Attention, image: Image.Image) -> tuple[Look, ...]:
    """Of the words that are no signs, in the prompt's order."""
    shape = len(attention.words), attention.height, attention.width
    maps = np.frombuffer(attention.maps, "<f4").reshape(shape)
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    kept = [place for place, word in enumerate(attention.words) if any(map(str.isalnum, word))][:WORDS]
    means = {place: float(maps[place].mean()) for place in kept}
    telling = {place for place in kept if _bare(attention.words[place]) not in STOP_WORDS} or set(kept)
    most = max((means[place] for place in telling), default=0) or 1.0
    return tuple(
        Look(
            word=attention.words[place],
            share=means[place] / most if place in telling else None,
            overlay=_heated(small, maps[place]),
        )
        for place in kept
    )


def _bare(word: str) -> str:
    """Without the signs round it."""
    return "".join(filter(str.isalnum, word)).casefold()


def _heated(image: Image.Image, heat: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Image.Image:
    """The picture in grey, and colour where this word looks, from its least place to its most."""
    spread = float(heat.max() - heat.min())
    scaled = (heat - heat.min()) / spread if spread else np.zeros_like(heat)
    mask = Image.fromarray((scaled * 255 * _STRONGEST).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    grey = image.convert("L").convert("RGB")
    return Image.composite(Image.new("RGB", image.size, _HEAT), grey, mask)
