"""The file that moves: all frames of an animation, lossless."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from PIL import Image

from webui.archive import pictures
from webui.archive.files import storage_errors, write_new

ENDINGS = {"webp": ".webp", "apng": ".png", "gif": ".gif"}  # a GIF has 256 colours; the others are exact
LOSSLESS = ("webp", "apng")


def encoded(kind: str, frames: Sequence[Image.Image], rate: int) -> bytes:
    """RGB pictures of one size, shown over and over."""
    first, *rest = frames
    data, pause = io.BytesIO(), 1000 / rate
    if kind == "apng":
        first.save(data, "PNG", save_all=True, append_images=rest, duration=pause, loop=0, compress_level=6)
    elif kind == "gif":
        first.save(data, "GIF", save_all=True, append_images=rest, duration=pause, loop=0)
    else:
        pauses = [round((place + 1) * pause) - round(place * pause) for place in range(len(frames))]
        first.save(data, "WEBP", save_all=True, append_images=rest, duration=pauses, loop=0, lossless=True)
    return data.getvalue()


def written(kinds: Sequence[str], paths: Sequence[Path], rate: int, stem: Path) -> list[Path]:
    """One file a kind, called `stem`, or `stem-2` and so on where another file has that name. Raises UnreadableImage,
    StorageError."""
    frames = [pictures.read(path) for path in paths]
    return [_kept(encoded(kind, frames, rate), stem, ENDINGS[kind]) for kind in kinds]


def _kept(data: bytes, stem: Path, ending: str) -> Path:
    """One that holds these bytes already is it."""
    with storage_errors(stem.parent):
        for number in count(1):
            file = stem.with_name(f"{stem.name}{'' if number == 1 else f'-{number}'}{ending}")
            if file.is_file() and file.read_bytes() == data:
                return file
            with contextlib.suppress(FileExistsError):
                return write_new(file.parent, file.name, data)
    raise AssertionError
