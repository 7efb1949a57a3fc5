"""`Image.open` on files from anywhere: a GIF may hold millions of comments, each of which Pillow adds to all before."""

from __future__ import annotations

import warnings
from typing import IO, Any

from PIL import Image

# Pillow warns on the terminal of what it opens all the same; how many pixels are read the rooms here say themselves
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

READS = 20_000  # two for each part of a comment or another extension, of 255 bytes at most


class TooManyPieces(ValueError):
    """A file of more chunks, segments or blocks than any program writes."""


def open_picture(file: IO[bytes], formats: tuple[str, ...]) -> Image.Image:
    """Its header read. Raises what Pillow raises, and TooManyPieces for a GIF with more before its first picture than
    any program writes."""
    file.seek(0)
    is_gif = file.read(3) == b"GIF"
    file.seek(0)
    if not is_gif:
        return Image.open(file, formats=formats)
    bounded: Any = _Bounded(file)
    image = Image.open(bounded, formats=formats)
    bounded.left = None
    return image


class _Bounded:
    """A file that is read so often and no more, while `left` is a number."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.left: int | None = READS

    def read(self, size: int = -1) -> bytes:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise TooManyPieces("too many blocks")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
