"""How many steps run, and how much a pass of them computes. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

LONGEST = 150  # steps of a pass


def steps_at(strength: float, steps: float) -> int:
    """So many of `steps` really run for a start picture at this strength."""
    return int(round(strength * steps, 6))  # 0.29 * 100 is 28.999999999999996 in binary


def steps_before(share: float, steps: int) -> int:
    """So many of `steps` begin before that share of them is done."""
    return math.ceil(round(share * steps, 6))


@dataclass(frozen=True, kw_only=True, slots=True)
class PassSize:
    """`steps`: that really run; width and height in pixels."""

    steps: int
    width: int
    height: int

    @property
    def work(self) -> int:
        """Steps times pixels: what the time of a pass goes by."""
        return self.steps * self.width * self.height


def until(passes: Sequence[PassSize], after: int) -> tuple[PassSize, ...]:
    """What runs of them where all end after so many steps; 0: they do not."""
    found: list[PassSize] = []
    for one in passes:
        left = after - sum(done.steps for done in found) if after else one.steps
        if left > 0:
            found.append(replace(one, steps=min(left, one.steps)))
    return tuple(found)


def work_of(passes: Sequence[PassSize], strength: float) -> int:
    """Of one image that begins with a picture at this strength; 1: with none."""
    return sum(max(1, steps_at(strength, one.steps)) * one.width * one.height for one in passes)
