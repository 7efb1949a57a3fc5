"""What the built-in model's judge sees in a picture, and how far two pictures are from each other to it.

The judge is the small network of `tools/train_builtin/judge_net.py`, here run by numpy: it names ten things of a
picture (subject, colour, background, time of day, style, size, position, second subject and its colour, blur). It
learned from the renders that the built-in model learned from, so it says nothing about pictures of other models.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from webui.proof.measures import Pixels

WEIGHTS = Path(__file__).with_name("judge.safetensors")
SIDE = 128  # pixels, of the pictures that the judge learned from
_BLOCK = 4  # pixels a side, of the blocks of pixel art
_REMEMBERED = 32  # pictures: each is held to several others

Floats = NDArray[np.float32]


def judge_distance(first: Pixels, second: Pixels) -> float:
    """The share of the ten things that the judge names otherwise, 0 … 1; a thing it is unsure of counts in part.

    Exactly: the total variation distance of its ten answers, averaged."""
    pairs = zip(named(first), named(second), strict=True)
    return float(np.mean([np.abs(one - other).sum() / 2 for one, other in pairs]))


def named(pixels: Pixels) -> tuple[Floats, ...]:
    """For each of the ten things, how likely each of its names is, (names,). Sides are multiples of 4."""
    return _named(pixels.tobytes(), pixels.shape[0], pixels.shape[1])


@functools.lru_cache(_REMEMBERED)
def _named(pixels: bytes, height: int, width: int) -> tuple[Floats, ...]:
    weights = _weights()
    levels = np.frombuffer(pixels, np.uint8).reshape(height, width, 3).transpose(2, 0, 1)
    image = levels.astype(np.float32) / np.float32(255)
    x = _fitted(np.concatenate([image * 2 - 1, _roughness(image)]))
    x = np.maximum(_convolved(x, weights, "features.0", 2), 0)  # (24, 64, 64)
    for block in range(2, 6):
        for layer, stride in ((0, 2), (3, 1)):
            x = _convolved(x, weights, f"features.{block}.{layer}", stride)
            x = np.maximum(_normalized(x, weights, f"features.{block}.{layer + 1}"), 0)
    heads = range(sum(name.startswith("heads.") and name.endswith(".bias") for name in weights))
    flat = x.ravel()  # (144 * 4 * 4,)
    return tuple(_softmax(weights[f"heads.{head}.weight"] @ flat + weights[f"heads.{head}.bias"]) for head in heads)


@functools.cache
def _weights() -> Mapping[str, Floats]:
    """A safetensors file: the length of a JSON header, the header, the numbers."""
    data = WEIGHTS.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, about in json.loads(data[8:start]).items():
        if about.get("dtype") == "F16":  # not the file's notes, nor how many batches the normalizations saw
            first, end = about["data_offsets"]
            values = np.frombuffer(data[start + first : start + end], "<f2")
            found[name] = values.astype(np.float32).reshape(about["shape"])
    return found


def _roughness(image: Floats) -> Floats:
    """How far each pixel is from the mean of its block, (1, height, width): zero in true pixel art."""
    _, height, width = image.shape
    blocks = image.reshape(3, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).mean(axis=(2, 4))
    spread = blocks.repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)
    return np.asarray(np.abs(image - spread).mean(axis=0, keepdims=True) * 4, np.float32)


def _fitted(x: Floats) -> Floats:
    """(channels, SIDE, SIDE): each new pixel the mean of those it covers."""
    return np.asarray(_covering(x.shape[1]) @ x @ _covering(x.shape[2]).T, np.float32)


def _covering(side: int) -> Floats:
    """(SIDE, side): the share of each old pixel in each new one."""
    new, old = np.arange(SIDE)[:, None], np.arange(side)
    covered = ((old >= new * side // SIDE) & (old < -(-(new + 1) * side // SIDE))).astype(np.float32)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), np.float32)


def _convolved(x: Floats, weights: Mapping[str, Floats], name: str, stride: int) -> Floats:
    """(channels, height, width), one pixel of zeros around it."""
    kernel, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")  # (out, in, size, size)
    windows = sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1))), kernel.shape[2:], axis=(1, 2))
    found: Floats = np.tensordot(kernel, windows[:, ::stride, ::stride], ((1, 2, 3), (0, 3, 4)))
    return found if bias is None else found + bias[:, None, None]


def _normalized(x: Floats, weights: Mapping[str, Floats], name: str) -> Floats:
    """By the mean and variance that the layer saw in training (batch normalization)."""
    mean, variance, scale, bias = (
        weights[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    found: Floats = (x - mean) / np.sqrt(variance + 1e-5) * scale + bias
    return found


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max())
    shares: Floats = powers / powers.sum()
    return shares
