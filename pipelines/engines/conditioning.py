"""What the UNet is told beside the latents: the prompts' embeddings, step by step, and the classifier-free guidance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from pipelines.models.weights.components import Components
from pipelines.prompts.encoding import PromptConditioning, PromptEncoder
from pipelines.prompts.wish import Wish
from pipelines.types import GenerationRequest

NEGATIVE, POSITIVE = "negative", "positive"  # roles of rows; modifiers have their own
SOURCE, SOURCE_NEGATIVE = "source", "source negative"  # of the picture that is changed by words


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Rows of one call of the UNet, one an image, that are told the same."""

    role: str
    words: torch.Tensor  # (1, tokens, width)
    pooled: torch.Tensor | None = None  # SDXL: (1, width)
    sizes: torch.Tensor | None = None  # SDXL: (1, 6), of its refiner (1, 5)
    weight: float = 1.0  # of a part of an AND


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """What the UNet said of each of the rows: (images, channels, height, width)."""

    positive: tuple[torch.Tensor, ...]  # several only with AND
    weights: tuple[float | torch.Tensor, ...]  # of them, or of them at each place (height, width)
    negative: torch.Tensor | None  # None without guidance
    start: torch.Tensor | None  # from where the guidance leads: the negative, if no modifier moves it
    guidance: float
    others: Mapping[str, torch.Tensor] = field(default_factory=dict)  # of rows that modifiers added, by role


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditioning:
    """Both prompts of a request. `negative` is None when guidance <= 1: its half is then not computed at all."""

    positive: PromptConditioning
    negative: PromptConditioning | None
    guidance: float
    sizes: tuple[torch.Tensor, torch.Tensor] | None  # SDXL: of the negative prompt and of the prompt, (1, 6) or (1, 5)
    source: PromptConditioning | None = None  # what the picture shows that is changed by words

    def at(self, step: int) -> tuple[Rows, ...]:
        """For `step`, 1 … steps: the negative prompt's, then each positive part's, then those of the source."""
        negative, positive = self.sizes or (None, None)
        rows = () if self.negative is None else _rows(NEGATIVE, self.negative, step, negative)[:1]
        rows = (*rows, *_rows(POSITIVE, self.positive, step, positive))
        if self.source is None:
            return rows
        if self.negative is not None:
            rows = (*rows, *_rows(SOURCE_NEGATIVE, self.negative, step, negative)[:1])
        return (*rows, *_rows(SOURCE, self.source, step, positive))


def _rows(role: str, prompt: PromptConditioning, step: int, sizes: torch.Tensor | None) -> tuple[Rows, ...]:
    parts, pooled = prompt.at(step), prompt.pooled(step)
    return tuple(
        Rows(role=role, words=words, pooled=None if sizes is None else pooled[place], sizes=sizes, weight=weight)
        for place, (words, weight) in enumerate(parts)
    )


def told(rows: tuple[Rows, ...], images: int) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
    """Words (rows, tokens, width), and what SDXL is told beside them: pooled text (rows, width), sizes (rows, 6)."""
    words = torch.cat([one.words.expand(images, -1, -1) for one in rows])
    pooled = [one.pooled.expand(images, -1) for one in rows if one.pooled is not None]
    sizes = [one.sizes.expand(images, -1) for one in rows if one.sizes is not None]
    return words, {"text_embeds": torch.cat(pooled), "time_ids": torch.cat(sizes)} if sizes else None


def predictions_of(prediction: torch.Tensor, rows: tuple[Rows, ...], guidance: float) -> Predictions:
    """prediction: (rows, channels, height, width)."""
    said = list(zip(rows, prediction.chunk(len(rows)), strict=True))
    positive = [(one.weight, values) for one, values in said if one.role == POSITIVE]
    others = {one.role: values for one, values in said if one.role != POSITIVE}
    negative = others.pop(NEGATIVE, None)
    return Predictions(
        positive=tuple(values for _, values in positive),
        weights=tuple(weight for weight, _ in positive),
        negative=negative,
        start=negative,
        guidance=guidance,
        others=others,
    )


def combined(predictions: Predictions) -> torch.Tensor:
    """Classifier-free guidance (Ho & Salimans 2022); several weighted prompts as in composable diffusion (Liu et al.
    2022) -> (images, channels, height, width)."""
    parts = list(zip(predictions.positive, predictions.weights, strict=True))
    guided, negative = predictions.start, predictions.negative
    if guided is None or negative is None:
        total = sum(predictions.weights)
        if len(parts) == 1 or (isinstance(total, (int, float)) and total == 0):
            return predictions.positive[0]
        return torch.stack([values * (weight / total) for values, weight in parts]).sum(0)
    for values, weight in parts:
        guided = guided + (predictions.guidance * weight) * (values - negative)
    return guided


AESTHETIC_SCORES = (2.5, 6.0)  # of the negative prompt and of the prompt, as SDXL's refiner was published with


def condition(
    encoder: PromptEncoder, request: GenerationRequest, wish: Wish, parts: Components, steps: int
) -> Conditioning:
    """Encodes the prompts, as `wish` has read them, for so many steps, and what else the UNet wants to be told."""
    options: dict[str, Any] = {"steps": steps, "clip_skip": request.clip_skip}
    negative = None
    if request.guidance > 1:
        positive, negative = encoder.encode_pair(wish.prompt, wish.negative_prompt, **options)
    else:
        positive = encoder.encode_spoken(wish.prompt, **options)
    source = None if wish.source is None else encoder.encode_spoken(wish.source, **options)
    if source is not None:
        tokens = max(one.tokens for one in (positive, source))  # those of the negative prompt are the prompt's
        positive, source = positive.padded(tokens), source.padded(tokens)
        negative = None if negative is None else negative.padded(tokens)
    return Conditioning(
        positive=positive,
        negative=negative,
        guidance=request.guidance,
        sizes=_sizes(request, parts) if parts.is_sdxl else None,
        source=source,
    )


def _sizes(request: GenerationRequest, parts: Components) -> tuple[torch.Tensor, torch.Tensor]:
    """Height and width, crop, and height and width again, or for the refiner a score."""
    begin = [request.height, request.width, 0, 0]
    ends: list[list[float]] = [[score] for score in AESTHETIC_SCORES]
    if not parts.scored:
        ends = [[request.height, request.width]] * 2
    negative, positive = (parts.like.new_tensor([[*begin, *end]]) for end in ends)
    return negative, positive
