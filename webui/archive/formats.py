"""An image as the bytes of a file with both its texts inside: PNG, WebP without loss, JPEG, AVIF."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal, get_args

from PIL import Image, features

from pipelines.errors import InvalidRequest
from webui.archive import exif, xmp
from webui.archive.containers import png_info

Format = Literal["png", "webp", "jpeg", "avif"]
FORMATS: tuple[str, ...] = get_args(Format)
LOSSLESS = ("png", "webp")

_SUFFIXES = {"png": ".png", "webp": ".webp", "jpeg": ".jpg", "avif": ".avif"}
_SIDES = {"webp": 16_383, "jpeg": 65_500, "avif": 65_535}  # pixels
# bytes; a JPEG's segment ends at 65,535 and begins with a name, the others have 32-bit lengths
_ROOM = {"webp": 16 * 1024**2, "jpeg": 65_000, "avif": 16 * 1024**2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """A file's bytes and the ending of its name."""

    data: bytes
    suffix: str


def suffix(name: Format) -> str:
    return _SUFFIXES[name]


def check(name: str) -> Format:
    """The format of that name. Raises InvalidRequest when there is none, or when this machine's Pillow lacks it."""
    for known in get_args(Format):
        if name == known:
            if known in ("webp", "avif") and not features.check(known):
                raise InvalidRequest("format", "format_unwritable", value=name)
            return known  # type: ignore[no-any-return]
    raise InvalidRequest("format", "choice", choices=FORMATS, value=name)


def encode(image: Image.Image, kind: Format, ours: str, parameters: str, *, keep_texts: bool = True) -> Encoded:
    """An "RGB" image with our JSON and the `parameters` text.

    PNG when the format's sides are too short for the image, or its room for the texts: no image without its recipe.
    Without `keep_texts`, a text that does not fit is left out instead."""
    if kind == "png" or max(image.size) > _SIDES[kind]:
        return _png(image, ours, parameters)
    comment, packet = exif.write(parameters, _ROOM[kind]), xmp.write(ours)
    if len(packet) > _ROOM[kind]:
        packet = b""
    if keep_texts and not (comment and packet):
        return _png(image, ours, parameters)
    buffer = io.BytesIO()
    texts: dict[str, bytes] = {name: text for name, text in (("exif", comment), ("xmp", packet)) if text}
    if kind == "webp":
        # half the time of the default effort for files as small
        image.save(buffer, "WEBP", lossless=True, quality=25, method=2, **texts)
    elif kind == "jpeg":
        image.save(buffer, "JPEG", quality=95, subsampling=0, **texts)
    else:
        image.save(buffer, "AVIF", quality=90, subsampling="4:4:4", speed=8, **texts)
    return Encoded(data=buffer.getvalue(), suffix=_SUFFIXES[kind])


def _png(image: Image.Image, ours: str, parameters: str) -> Encoded:
    buffer = io.BytesIO()
    # level 1: a tenth of the time of level 6 for a file little larger
    image.save(buffer, "PNG", compress_level=1, pnginfo=png_info(ours, parameters))
    return Encoded(data=buffer.getvalue(), suffix=".png")
