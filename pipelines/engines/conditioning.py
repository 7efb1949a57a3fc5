"""What the UNet is told beside the latents: the prompts' embeddings, step by step, and the classifier-free guidance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from pipelines.prompts.encoding import PromptConditioning, PromptEncoder
from pipelines.types import GenerationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What one call of the UNet is told. Rows: the negative prompt's batch first, then each positive part's."""

    embeddings: torch.Tensor  # (rows, tokens, width)
    added: dict[str, torch.Tensor] | None  # SDXL: pooled text (rows, width) and sizes (rows, 6)
    weights: tuple[float, ...]  # of the positive parts: several only with AND


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditioning:
    """Both prompts of a request. `negative` is None when guidance <= 1: its half is then not computed at all."""

    positive: PromptConditioning
    negative: PromptConditioning | None
    guidance: float
    sizes: torch.Tensor | None  # (1, 6), SDXL: height and width, crop, height and width

    def at(self, step: int, batch: int) -> Told:
        """For `step`, 1 … steps."""
        parts = self.positive.at(step)
        rows, pooled = [embedding for embedding, _ in parts], list(self.positive.pooled(step))
        if self.negative is not None:
            rows.insert(0, self.negative.at(step)[0][0])
            pooled = [*self.negative.pooled(step), *pooled]
        added = None
        if self.sizes is not None:
            added = {
                "text_embeds": torch.cat([row.expand(batch, -1) for row in pooled]),
                "time_ids": self.sizes.expand(batch * len(rows), -1),
            }
        embeddings = torch.cat([row.expand(batch, -1, -1) for row in rows])
        return Told(embeddings=embeddings, added=added, weights=tuple(weight for _, weight in parts))

    def combine(self, prediction: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
        """Classifier-free guidance (Ho & Salimans 2022); several weighted prompts as in composable diffusion (Liu et
        al. 2022). prediction: (rows, channels, height, width) -> (batch, …)."""
        rows = list(prediction.chunk(len(weights) + (self.negative is not None)))
        if self.negative is None:
            total = sum(weights)
            if len(rows) == 1 or total == 0:
                return rows[0]
            return torch.stack([row * (weight / total) for row, weight in zip(rows, weights, strict=True)]).sum(0)
        base = rows.pop(0)
        guided = base
        for row, weight in zip(rows, weights, strict=True):
            guided = guided + (self.guidance * weight) * (row - base)
        return guided


def condition(encoder: PromptEncoder, request: GenerationRequest, like: torch.Tensor | None) -> Conditioning:
    """Encodes the request's prompts. like: for SDXL, a tensor of the device and type that the UNet wants."""
    options: dict[str, Any] = {"steps": request.steps_run, "clip_skip": request.clip_skip}
    negative = None
    if request.guidance > 1:
        texts = request.prompt, request.negative_prompt
        positive, negative = encoder.encode_pair(*texts, **options, dialect=request.dialect)
    elif request.dialect == "compel":
        positive = encoder.encode_compel(request.prompt, clip_skip=request.clip_skip)
    else:
        positive = encoder.encode(request.prompt, **options)
    sizes = None
    if like is not None:
        sizes = like.new_tensor([[request.height, request.width, 0, 0, request.height, request.width]])
    return Conditioning(positive=positive, negative=negative, guidance=request.guidance, sizes=sizes)
