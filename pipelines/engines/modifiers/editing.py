"""A picture that is changed by instruction: InstructPix2Pix (Brooks, Holynski, Efros 2022, arXiv:2211.09800)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from pipelines.engines.conditioning import NEGATIVE, Predictions, Rows
from pipelines.engines.modifiers.base import Added, Call, Modifier

BLIND = "blind"  # rows that are told the negative prompt and not shown the picture
UNLED = (NEGATIVE, BLIND)  # rows that what a prompt does not say has to go without


@dataclass(frozen=True, kw_only=True)
class PictureGuidance(Modifier):
    """The network sees the picture as four more channels; with guidance, rows that do not see it tell how closely to
    keep to it (equation 3). The memory plan knows those rows: `memory.rows_of`."""

    picture: torch.Tensor  # (images, channels, height, width), not scaled
    guidance: float  # of the picture

    def rows(self, rows: tuple[Rows, ...], step: int) -> tuple[Rows, ...]:
        return (*(replace(one, role=BLIND) for one in rows if one.role == NEGATIVE), *rows)

    def call(self, call: Call) -> Added:
        blank = torch.zeros_like(self.picture)
        return Added(channels=torch.cat([blank if one.role == BLIND else self.picture for one in call.rows]))

    def before_guidance(self, predictions: Predictions, call: Call) -> Predictions:
        if predictions.negative is None:
            return predictions
        blind = predictions.others[BLIND]
        return replace(predictions, start=blind + self.guidance * (predictions.negative - blind))
