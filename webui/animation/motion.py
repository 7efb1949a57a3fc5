"""How a picture is moved before the next frame is made of it: larger, turned, pushed aside; plain PIL."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from PIL import Image

from pipelines.kinds import Number, number

STILL: Mapping[str, float] = {"zoom": 1.0, "turn": 0.0, "right": 0.0, "down": 0.0}
# from one frame to the next: times as large, degrees clockwise, and pixels
MOTION: Mapping[str, Number] = {
    "zoom": number(0.5, 2),
    "turn": number(-180, 180),
    "right": number(-512, 512),
    "down": number(-512, 512),
}


def moved(image: Image.Image, motion: Mapping[str, float]) -> Image.Image:
    """As large as `image`, "RGB", about its middle. What comes in from outside is the picture mirrored at its edges."""
    how = {**STILL, **motion}
    if how == STILL:
        return image
    width, height = image.size
    far = math.hypot(width, height) / 2 + math.hypot(how["right"], how["down"])  # from the middle to a corner
    pad = math.ceil(far / how["zoom"])
    around = Image.fromarray(np.pad(np.asarray(image), ((pad, pad), (pad, pad), (0, 0)), "symmetric"))
    # a place of the new picture -> where it was
    cosine, sine = (of(math.radians(how["turn"])) / how["zoom"] for of in (math.cos, math.sin))
    x, y = width / 2 + how["right"], height / 2 + how["down"]  # where the middle comes to
    across = (cosine, sine, pad + width / 2 - cosine * x - sine * y)
    down = (-sine, cosine, pad + height / 2 + sine * x - cosine * y)
    return around.transform(image.size, Image.Transform.AFFINE, across + down, Image.Resampling.BICUBIC)
