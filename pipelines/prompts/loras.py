"""What a tag asks of a LoRA: how strongly it counts, in which blocks of the UNet, and at which steps. No torch.

Blocks are counted as in the original UNet, and lists of them are those of sd-webui-lora-block-weight: one number for
the text encoder (BASE) and one a block, as many as the list names; blocks that it does not name get nothing. A preset
there is a list of 17; here it is a range of blocks, which is the same for a LoRA of SD 1.x's attention, and says what
it means for all other layers and for SDXL too.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.prompts.schedule import decimal_text

IN, MIDDLE, OUT = 1, 13, 14  # places of the first block going in, of the middle, of the first going out
ALL_BLOCKS = 26  # BASE, IN00 … IN11, M00, OUT00 … OUT11
_SD1_ATTENTION = (0, *(IN + n for n in (1, 2, 4, 5, 7, 8)), MIDDLE, *(OUT + n for n in range(3, 12)))
_SDXL_ATTENTION = (0, *(IN + n for n in (4, 5, 7, 8)), MIDDLE, *(OUT + n for n in range(6)))
_SDXL_ALL = (*range(IN + 9), MIDDLE, *(OUT + n for n in range(9)))
LISTS: Mapping[int, tuple[int, ...]] = {
    len(places): places for places in (_SDXL_ATTENTION, _SD1_ATTENTION, _SDXL_ALL, tuple(range(ALL_BLOCKS)))
}
# which lists a family's UNet has
LISTS_OF: Mapping[str, tuple[int, ...]] = {"sdxl": (12, 20)}
OTHER_LISTS = (17, 26)
# first and last block; BASE counts in each
_RANGES: Mapping[str, tuple[int, int]] = {
    "ALL": (0, ALL_BLOCKS - 1),
    "INS": (IN, IN + 4),
    "IND": (IN + 5, IN + 11),
    "INALL": (IN, IN + 11),
    "MIDD": (IN + 5, OUT + 6),
    "OUTD": (OUT, OUT + 6),
    "OUTS": (OUT + 7, OUT + 11),
    "OUTALL": (OUT, OUT + 11),
}
PRESETS: Mapping[str, tuple[float, ...]] = {
    "NONE": (0.0,) * ALL_BLOCKS,
    "ALL0.5": (0.5,) * ALL_BLOCKS,
    **{
        name: tuple(float(place == 0 or first <= place <= last) for place in range(ALL_BLOCKS))
        for name, (first, last) in _RANGES.items()
    },
}
_POINT = re.compile(r"\s*([^@]+?)\s*@\s*([^@]+?)\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """`<lora:name:text_weight:unet_weight>`; the second weight defaults to the first, the first to 1."""

    name: str
    text_weight: float = 1.0
    unet_weight: float = 1.0
    blocks: tuple[float, ...] = ()  # what the weights are multiplied by, as many as one of `LISTS`; (): 1 everywhere
    # (weight, when): the UNet's weight over the steps, straight from point to point, instead of the one above. All
    # `when` are shares of the steps, 0 at the first and 1 at the last, or, where one is above 1, numbers of steps
    points: tuple[tuple[float, float], ...] = ()
    start: float = 0.0  # steps before it counts in the UNet, a share of them below 1
    stop: float | None = None  # likewise: steps after which it counts no more

    @property
    def changes(self) -> bool:
        """Whether it counts otherwise at some steps."""
        return bool(self.points) or self.start > 0 or self.stop is not None

    def in_text(self) -> float:
        return self.text_weight * self.share_of(0)

    def in_unet(self, block: int, step: int = 1, steps: int = 0) -> float:
        """In one block at `step`, 1 … steps; 0 steps: as far as it counts at all."""
        weight = self._at(step, steps) if steps and self.changes else self.unet_weight
        return weight * self.share_of(block)

    def share_of(self, block: int) -> float:
        if not self.blocks:
            return 1.0
        places = LISTS[len(self.blocks)]
        return self.blocks[places.index(block)] if block in places else 0.0

    def _at(self, step: int, steps: int) -> float:
        if step <= _steps(self.start, steps) or (self.stop is not None and step > _steps(self.stop, steps)):
            return 0.0
        if not self.points:
            return self.unet_weight
        shares = self.points[-1][1] <= 1
        return _between(self.points, (step - 1) / max(1, steps - 1) if shares else step)


def _steps(when: float, steps: int) -> int:
    return int(when * steps if when < 1 else when)


def _between(points: tuple[tuple[float, float], ...], where: float) -> float:
    after = bisect_right([when for _, when in points], where)
    if after in (0, len(points)):
        return points[min(after, len(points) - 1)][0]
    (weight, begin), (other, end) = points[after - 1 : after + 1]
    return weight + (other - weight) * (where - begin) / (end - begin)


def first_of(points: tuple[tuple[float, float], ...]) -> float:
    """The weight at the first step."""
    return _between(points, 0 if points[-1][1] <= 1 else 1)


def number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def read_blocks(text: str) -> tuple[float, ...] | None:
    """A preset's name or a list of numbers; None: it is neither."""
    if text in PRESETS:
        return PRESETS[text]
    found = [value for value in map(number, text.split(",")) if value is not None]
    return tuple(found) if len(found) in LISTS and len(found) == text.count(",") + 1 else None


def read_points(text: str) -> tuple[tuple[float, float], ...] | None:
    """`0@0,1@0.5`, in the order of the steps; None: it is none."""
    found = []
    for one in re.split("[,;]", text):
        match = _POINT.fullmatch(one)
        values = (None, None) if match is None else (number(match[1]), number(match[2]))
        if values[0] is None or values[1] is None or values[1] < 0:
            return None
        found.append((values[0], values[1]))
    found.sort(key=lambda point: point[1])
    return tuple(found)


def render(lora: Lora) -> str:
    """A tag that reads back as the same."""
    items = [f"te={decimal_text(lora.text_weight)}"]
    weight = ",".join(f"{decimal_text(value)}@{decimal_text(when)}" for value, when in lora.points)
    items.append(f"unet={weight or decimal_text(lora.unet_weight)}")
    if lora.blocks:
        items.append(f"lbw={','.join(map(decimal_text, lora.blocks))}")
    if lora.start:
        items.append(f"start={decimal_text(lora.start)}")
    if lora.stop is not None:
        items.append(f"stop={decimal_text(lora.stop)}")
    if len(items) == 2 and not lora.points:
        items = [decimal_text(lora.text_weight), decimal_text(lora.unet_weight)]
    return f"<lora:{lora.name}:{':'.join(items)}>"
