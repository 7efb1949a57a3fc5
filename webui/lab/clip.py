"""How far two pictures are from each other to a CLIP vision model that a person has: 1 − the cosine of its embeddings.

Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from pipelines.types import Embedding, ModelInfo
from webui.archive import pictures
from webui.lab.reuse import stamp
from webui.proof.measures import Pixels

METRIC = "clip"
REMEMBERED = 4096  # embeddings of the pictures counted last, some 3 kB each
AT_ONCE = 8  # pictures sent to the engine together

Embed = Callable[[str, Sequence[Image]], Sequence[Embedding]]
Key = tuple[str, str, bytes]  # the encoder's file, its stamp, hash of a picture's pixels
Floats = NDArray[np.float64]


class Embeddings:
    """Each picture is embedded once. For one thread."""

    def __init__(self, embed: Embed) -> None:
        """`embed`: the encoder's name and pictures -> what it sees in each."""
        self._embed = embed
        self._known: OrderedDict[Key, Floats] = OrderedDict()

    def by(self, encoder: ModelInfo, paths: Iterable[Path]) -> ClipDistance:
        """The distance between these pictures. Raises UnreadableImage, and what the engine raises."""
        distance, waiting = ClipDistance(), dict[bytes, Image]()
        of_encoder = encoder.path, stamp(Path(encoder.path))
        for path in paths:
            image = pictures.read(path)
            key = (*of_encoder, _hash(np.asarray(image)))
            if key in self._known:
                self._known.move_to_end(key)
                distance.directions[key[2]] = self._known[key]
            else:
                waiting[key[2]] = image
            if len(waiting) == AT_ONCE:
                self._look(encoder.name, of_encoder, waiting, distance)
        if waiting:
            self._look(encoder.name, of_encoder, waiting, distance)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return distance

    def _look(
        self, name: str, of_encoder: tuple[str, str], waiting: dict[bytes, Image], distance: ClipDistance
    ) -> None:
        for pixels, embedding in zip(waiting, self._embed(name, list(waiting.values())), strict=True):
            vector = np.array(embedding)
            distance.directions[pixels] = self._known[(*of_encoder, pixels)] = vector / np.linalg.norm(vector)
        waiting.clear()


class ClipDistance:
    """Of pictures that were embedded before."""

    def __init__(self) -> None:
        self.directions: dict[bytes, Floats] = {}  # by pixels: (width of the embedding,), of length 1

    def __call__(self, first: Pixels, second: Pixels) -> float:
        """1 − cosine, 0 … 2; as half the square between the two points, which is exactly 0 for equal pictures."""
        step = self.directions[_hash(first)] - self.directions[_hash(second)]
        return float(step @ step / 2)


def _hash(pixels: Pixels) -> bytes:
    return hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).digest()
