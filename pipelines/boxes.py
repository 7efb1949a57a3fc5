"""Parts of a picture, as people write them: "x,y,width,height; …". Standard library only.

A box of which no number is above 1 is in shares of the picture, any other in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Written = tuple[float, float, float, float]  # left, top, width, height
Click = tuple[float, float, bool]  # a place of a picture in its pixels (across, down); whether it adds or takes away
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

NONE = "none"  # what is written where there is no box, and nobody is to look for one
MOST = 32  # boxes of one picture


def read(text: str) -> tuple[Written, ...]:
    """Raises ValueError."""
    if text.strip().lower() == NONE:
        return ()
    found = tuple(_read_one(one) for one in text.replace("\n", ";").split(";") if one.strip())
    if len(found) > MOST:
        raise ValueError(text)
    return found


def _read_one(text: str) -> Written:
    left, top, width, height = (float(number) for number in text.split(","))
    if not all(map(math.isfinite, (left, top, width, height))) or min(left, top) < 0 or min(width, height) <= 0:
        raise ValueError(text)
    return left, top, width, height


def write(boxes: Sequence[Box]) -> str:
    """The text that `read` takes back; of no boxes too."""
    return "; ".join(f"{left},{top},{right - left},{bottom - top}" for left, top, right, bottom in boxes) or NONE


def placed(one: Written, width: int, height: int) -> Box | None:
    """In a picture of that size; None: some of it lies outside."""
    across, down = (width, height) if max(one) <= 1 else (1, 1)
    left, top = round(one[0] * across), round(one[1] * down)
    right, bottom = round((one[0] + one[2]) * across), round((one[1] + one[3]) * down)
    if right > width or bottom > height:
        return None
    # what rounds to nothing is a pixel still
    left, top = min(left, width - 1), min(top, height - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def sides_for(box: Box, side: int, *, step: int, least: int) -> tuple[int, int]:
    """Width and height, multiples of `step`, of the box's shape and of about the area of a square of that side."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = side / math.sqrt(width * height)
    least, most = max(least, side // 4), 4 * side
    found = (min(most, max(least, round(length * scale / step) * step)) for length in (width, height))
    return next(found), next(found)
