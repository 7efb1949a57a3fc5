"""What the UNet is told beside the latents: the prompts' embeddings, step by step, and the classifier-free guidance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from pipelines.models.weights.components import Components
from pipelines.prompts.encoding import PromptConditioning, PromptEncoder
from pipelines.types import IMAGE_GUIDANCE, GenerationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What one call of the UNet is told. Rows: the negative prompt's batch first (twice, the first without the
    picture, for a model that edits), then each positive part's."""

    embeddings: torch.Tensor  # (rows, tokens, width)
    added: dict[str, torch.Tensor] | None  # SDXL: pooled text (rows, width) and sizes (rows, 6; 5 for its refiner)
    weights: tuple[float, ...]  # of the positive parts: several only with AND


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditioning:
    """Both prompts of a request. `negative` is None when guidance <= 1: its half is then not computed at all."""

    positive: PromptConditioning
    negative: PromptConditioning | None
    guidance: float
    sizes: tuple[torch.Tensor, torch.Tensor] | None  # SDXL: of the negative prompt and of the prompt, (1, 6) or (1, 5)
    image_guidance: float | None = None  # of a model that edits: how closely it keeps to the picture

    @property
    def blind(self) -> int:
        """So many of the first rows are not shown the picture that a model edits."""
        return int(self.image_guidance is not None and self.negative is not None)

    @property
    def negatives(self) -> int:
        """So many of the first rows are told the negative prompt."""
        return 0 if self.negative is None else 1 + self.blind

    def at(self, step: int, batch: int) -> Told:
        """For `step`, 1 … steps."""
        parts = self.positive.at(step)
        rows, pooled = [embedding for embedding, _ in parts], list(self.positive.pooled(step))
        if self.negative is not None:
            rows = [self.negative.at(step)[0][0]] * self.negatives + rows
            pooled = [*self.negative.pooled(step)] * self.negatives + pooled
        added = None
        if self.sizes is not None:
            sizes = [self.sizes[0]] * self.negatives + [self.sizes[1]] * len(parts)
            added = {
                "text_embeds": torch.cat([row.expand(batch, -1) for row in pooled]),
                "time_ids": torch.cat([row.expand(batch, -1) for row in sizes]),
            }
        embeddings = torch.cat([row.expand(batch, -1, -1) for row in rows])
        return Told(embeddings=embeddings, added=added, weights=tuple(weight for _, weight in parts))

    def combine(self, prediction: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
        """Classifier-free guidance (Ho & Salimans 2022); several weighted prompts as in composable diffusion (Liu et
        al. 2022); the picture's share beside the text's as in InstructPix2Pix (Brooks et al. 2022, equation 3).
        prediction: (rows, channels, height, width) -> (batch, …)."""
        rows = list(prediction.chunk(len(weights) + self.negatives))
        if self.negative is None:
            total = sum(weights)
            if len(rows) == 1 or total == 0:
                return rows[0]
            return torch.stack([row * (weight / total) for row, weight in zip(rows, weights, strict=True)]).sum(0)
        base = rows.pop(0)
        guided = base
        if self.image_guidance is not None:
            base = rows.pop(0)
            guided = guided + self.image_guidance * (base - guided)
        for row, weight in zip(rows, weights, strict=True):
            guided = guided + (self.guidance * weight) * (row - base)
        return guided


AESTHETIC_SCORES = (2.5, 6.0)  # of the negative prompt and of the prompt, as SDXL's refiner was published with


def condition(encoder: PromptEncoder, request: GenerationRequest, parts: Components) -> Conditioning:
    """Encodes the request's prompts, and what else the UNet of these parts wants to be told."""
    options: dict[str, Any] = {"steps": request.steps_run, "clip_skip": request.clip_skip}
    negative = None
    if request.guidance > 1:
        texts = request.prompt, request.negative_prompt
        positive, negative = encoder.encode_pair(*texts, **options, dialect=request.dialect)
    elif request.dialect == "compel":
        positive = encoder.encode_compel(request.prompt, clip_skip=request.clip_skip)
    else:
        positive = encoder.encode(request.prompt, **options)
    return Conditioning(
        positive=positive,
        negative=negative,
        guidance=request.guidance,
        sizes=_sizes(request, parts) if parts.is_sdxl else None,
        image_guidance=_image_guidance(request) if parts.editing else None,
    )


def _image_guidance(request: GenerationRequest) -> float:
    asked = None if request.init is None else request.init.image_guidance
    return IMAGE_GUIDANCE if asked is None else asked


def _sizes(request: GenerationRequest, parts: Components) -> tuple[torch.Tensor, torch.Tensor]:
    """Height and width, crop, and height and width again, or for the refiner a score."""
    begin = [request.height, request.width, 0, 0]
    ends: list[list[float]] = [[score] for score in AESTHETIC_SCORES]
    if not parts.scored:
        ends = [[request.height, request.width]] * 2
    negative, positive = (parts.like.new_tensor([[*begin, *end]]) for end in ends)
    return negative, positive
