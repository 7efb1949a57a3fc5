"""The fields of a pass over details: parts of the finished picture are repainted one by one, larger. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.boxes import MOST, Box, placed, read
from pipelines.errors import InvalidRequest
from pipelines.fields import check, setting
from pipelines.kinds import name, number, regions, text, whole
from pipelines.steps import steps_at

BY_HAND = "none"  # instead of a detector
SIDE_STEP = 64  # pixels
DETAILS = "details"  # the pass, and the fact of a picture that tells of it
SETTLED = ("found", "side")  # what a run settles of the fields, for the record


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A box of a picture; `label`, `score`: what a detector took it for, and how sure it was."""

    box: Box
    label: str = ""
    score: float = 1.0

    def told(self) -> dict[str, Any]:
        """For the record, beside the box."""
        return {"label": self.label, "score": round(self.score, 3)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """Boxes of the picture, each repainted at a size that suits the model, and laid back."""

    # of the finished picture; "": those that the detector finds
    boxes: str = setting("", regions(), name="detail_boxes", infotext="Detail boxes", sparse=True)
    # the name of a file in the models folder
    detector: str = setting(
        BY_HAND, name(), name="detail_detector", infotext="ADetailer model", words={"None": BY_HAND}
    )
    # what it is to find, commas between them; "": whatever it knows
    words: str = setting("", text(), name="detail_words", infotext="ADetailer model classes", sparse=True)
    # boxes that it is less sure of are left out
    confidence: float = setting(
        0.3, number(0, 1, step=0.01), name="detail_confidence", infotext="ADetailer confidence", sparse=True
    )
    # so many, the surest; 0: as many as may be
    most: int = setting(0, whole(0, MOST), name="detail_most", infotext="ADetailer mask only top k", sparse=True)
    prompt: str = setting("", text(), name="detail_prompt", infotext="ADetailer prompt", sparse=True)  # "": as ever
    negative_prompt: str = setting(
        "", text(), name="detail_negative_prompt", infotext="ADetailer negative prompt", sparse=True
    )
    # share of the steps that run
    strength: float = setting(
        0.4, number(0, 1, step=0.01), name="detail_strength", infotext="ADetailer denoising strength"
    )
    steps: int = setting(0, whole(0, 150), name="detail_steps", infotext="ADetailer steps", sparse=True)  # 0: as ever
    guidance: float = setting(
        0.0, number(0, 30), name="detail_guidance", infotext="ADetailer CFG scale", sparse=True
    )  # 0: as ever
    # pixels, as those of `Inpaint`
    grow: int = setting(4, whole(0, 64), name="detail_grow", infotext="ADetailer dilate erode", sparse=True)
    blur: int = setting(4, whole(0, 64), name="detail_blur", infotext="ADetailer mask blur", sparse=True)
    padding: int = setting(32, whole(0, 256), name="detail_padding", infotext="ADetailer inpaint padding", sparse=True)
    # side of a square of the area that is worked on, pixels; 0: the model's own
    size: int = setting(0, whole(0, 2048, step=SIDE_STEP), name="detail_size")
    # of a picture as it was made: the boxes, "none" where there were none, and the side; they are taken as they are
    found: str = setting("", regions(), name="detail_found", page=False, axis=False)
    side: int = setting(0, whole(0, 8192), name="detail_side", page=False, axis=False)

    def __post_init__(self) -> None:
        check(self)

    @property
    def written(self) -> str:
        """The boxes that are known without a detector; "": it has to find them."""
        return self.found or self.boxes

    @property
    def count(self) -> int:
        """Boxes, as far as is known; one at least, as its progress is told in steps."""
        return max(1, len(read(self.written)) if self.written.strip() else self.most)

    def steps_run(self, steps: int) -> int:
        """Of each box; `steps`: of the first pass."""
        return steps_at(self.strength, self.steps or steps)

    def boxes_in(self, width: int, height: int) -> Iterator[Box]:
        """Those that are known, in a picture of that size. Raises `InvalidRequest`."""
        for one in read(self.written):
            if (box := placed(one, width, height)) is None:
                given = ",".join(f"{side:g}" for side in one)
                raise InvalidRequest("detail_boxes", "box_outside", size=f"{width} × {height}", value=given)
            yield box
