"""Text that NovelAI, Forge and others hide in the lowest bit of a picture's alpha channel ("stealth pnginfo")."""

from __future__ import annotations

import zlib

import numpy as np
from PIL import Image

from webui.archive.readers.values import TEXT_LIMIT

_MAGICS = {b"stealth_pngcomp": True, b"stealth_pnginfo": False}  # packed by gzip or plain
_HEAD = 15 * 8  # bits of the magic word
_LENGTH = 32  # bits, big-endian: how many bits the text has
_GZIP = 16 + zlib.MAX_WBITS


def read(image: Image.Image) -> str | None:
    """The hidden text of a decoded "RGBA" picture, None when there is none or it is damaged or too long."""
    if image.mode != "RGBA" or image.width * image.height < _HEAD + _LENGTH:
        return None
    # column by column: (width, height) after the turn
    bits = (np.asarray(image.getchannel("A")) & 1).T.ravel()
    packed = _MAGICS.get(np.packbits(bits[:_HEAD]).tobytes())
    if packed is None:
        return None
    length = int.from_bytes(np.packbits(bits[_HEAD : _HEAD + _LENGTH]).tobytes(), "big")
    if length > min(bits.size - _HEAD - _LENGTH, TEXT_LIMIT * 8):
        return None
    data = np.packbits(bits[_HEAD + _LENGTH : _HEAD + _LENGTH + length]).tobytes()
    if packed:
        try:
            data = zlib.decompressobj(_GZIP).decompress(data, TEXT_LIMIT)
        except zlib.error:
            return None
    return data.decode("utf-8", errors="replace")
