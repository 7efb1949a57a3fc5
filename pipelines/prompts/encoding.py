"""Prompts -> embeddings, for CLIP text encoders of any size. Compel's dialect: see `compel_dialect`.

A prompt of any length is cut into chunks of 75 tokens, at a comma where one is near; nothing is dropped. Weights
multiply the encoder's output, then the chunk's mean is restored, as A1111 does (`WEIGHTINGS` names it in metadata).
A plain prompt of one chunk gives bit for bit what diffusers' `encode_prompt` gives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pipelines.errors import InvalidRequest
from pipelines.prompts import compel_dialect
from pipelines.prompts.chunks import Chunk, chunks_of
from pipelines.prompts.compel_dialect import CompelEncoder
from pipelines.prompts.compel_parsing import CompelPrompt, read_compel
from pipelines.prompts.grammar import Part, Prompt, parse
from pipelines.prompts.weights import Sections
from pipelines.prompts.wish import Spoken
from pipelines.types import PROMPT_RULES

WEIGHTINGS = {"a1111": "a1111 mean", "compel": compel_dialect.WEIGHTING}


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """One prompt at one step. Read-only: it may come from a cache."""

    embedding: Tensor  # (1, 77 * chunks, width)
    weight: float = 1.0
    pooled: Tensor | None = None  # (1, width of the second encoder), SDXL only

    @property
    def tokens(self) -> int:
        return int(self.embedding.shape[1])


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptConditioning:
    """A prompt's embeddings over the steps."""

    moments: tuple[tuple[Encoded, ...], ...]  # one for each step, or a single one when nothing changes
    empty: Encoded  # one chunk without words, for padding

    def at(self, step: int) -> tuple[tuple[Tensor, float], ...]:
        """(embedding (1, tokens, width), weight) for the step about to run, 1 … steps; several only with AND."""
        return tuple((encoded.embedding, encoded.weight) for encoded in self._moment(step))

    def pooled(self, step: int) -> tuple[Tensor, ...]:
        """The pooled embeddings (1, width) in the order of `at`; none unless the model is an SDXL."""
        return tuple(encoded.pooled for encoded in self._moment(step) if encoded.pooled is not None)

    @property
    def changes(self) -> bool:
        return len(self.moments) > 1

    @property
    def tokens(self) -> int:
        """Of the longest embedding."""
        return max(encoded.tokens for moment in self.moments for encoded in moment)

    def padded(self, tokens: int) -> PromptConditioning:
        """Every embedding at `tokens` tokens (a multiple of one chunk), filled up with empty chunks."""
        longer: dict[int, Tensor] = {}  # what holds at many steps is padded once

        def pad(encoded: Encoded) -> Encoded:
            missing = (tokens - encoded.tokens) // self.empty.tokens
            if not missing:
                return encoded
            place = id(encoded.embedding)
            if place not in longer:
                longer[place] = torch.cat([encoded.embedding, *[self.empty.embedding] * missing], dim=1)
            return replace(encoded, embedding=longer[place])

        return replace(self, moments=tuple(tuple(map(pad, moment)) for moment in self.moments))

    def _moment(self, step: int) -> tuple[Encoded, ...]:
        return self.moments[min(max(step, 1), len(self.moments)) - 1]


def encode(
    tokenizer: Any, text_encoder: Any, prompt: str | Prompt, *, steps: int, clip_skip: int = 1
) -> PromptConditioning:
    """Encodes once. SDXL: pass two tokenizers and two encoders as sequences. `PromptEncoder` also remembers."""
    return PromptEncoder(tokenizer, text_encoder).encode(prompt, steps=steps, clip_skip=clip_skip)


def pair(positive: PromptConditioning, negative: PromptConditioning) -> tuple[PromptConditioning, PromptConditioning]:
    """Both with equal token counts at every step. Raises `InvalidRequest` for an AND in the negative prompt."""
    if any(len(moment) > 1 for moment in negative.moments):
        raise InvalidRequest("negative_prompt", "prompt_several")
    tokens = max(positive.tokens, negative.tokens)
    return positive.padded(tokens), negative.padded(tokens)


class PromptEncoder:
    """The text encoders of one loaded model, and what they lately encoded.

    Not for several threads at once. Call `forget` when the encoders' weights have
    changed, or when they work on another device from now on.
    """

    def __init__(self, tokenizer: Any, text_encoder: Any, *, remembered: int = 64) -> None:
        self._tokenizers: tuple[Any, ...] = _as_tuple(tokenizer)
        self._encoders: tuple[Any, ...] = _as_tuple(text_encoder)
        self._is_sdxl = hasattr(self._encoders[-1], "text_projection")
        self._compel = CompelEncoder(self._tokenizers, self._encoders, is_sdxl=self._is_sdxl)
        self._remembered = remembered
        self._memory: OrderedDict[tuple[Any, ...], Encoded] = OrderedDict()
        self.before: Callable[[], None] = lambda: None  # called before the encoders work: they may be elsewhere

    def encode(self, prompt: str | Prompt, *, steps: int, clip_skip: int = 1) -> PromptConditioning:
        """All the embeddings of a run; each distinct text is computed once. Raises `InvalidRequest` for clip_skip."""
        self._check(clip_skip)
        prompt = parse(prompt, names=self._names) if isinstance(prompt, str) else prompt
        moments = tuple(
            tuple(self._encode_part(part, clip_skip, prompt.rules) for part in prompt.at(step, steps))
            for step in range(1, (steps if prompt.changes else 1) + 1)
        )
        return PromptConditioning(moments=moments, empty=self._encode_sections(((),), clip_skip))

    def encode_compel(self, prompt: str | CompelPrompt, *, clip_skip: int = 1) -> PromptConditioning:
        """A prompt in Compel's dialect, which holds at all steps."""
        self._check(clip_skip)
        said = read_compel(prompt, names=self._names) if isinstance(prompt, str) else prompt
        encoded = self._kept(("compel", said.groups, clip_skip), lambda: self._compute_compel(said, clip_skip))
        return PromptConditioning(moments=((encoded,),), empty=self._encode_sections(((),), clip_skip))

    def encode_spoken(self, prompt: Spoken, *, steps: int, clip_skip: int = 1) -> PromptConditioning:
        """A prompt in its own dialect."""
        if isinstance(prompt, CompelPrompt):
            return self.encode_compel(prompt, clip_skip=clip_skip)
        assert isinstance(prompt, Prompt)
        return self.encode(prompt, steps=steps, clip_skip=clip_skip)

    def encode_pair(
        self, prompt: Spoken, negative_prompt: Spoken, *, steps: int, clip_skip: int = 1
    ) -> tuple[PromptConditioning, PromptConditioning]:
        """Prompt and negative prompt, padded to equal token counts. SDXL's empty negative prompt is all zeros, as A1111
        and diffusers have it; its refiner's is words as any."""
        positive = self.encode_spoken(prompt, steps=steps, clip_skip=clip_skip)
        negative = self.encode_spoken(negative_prompt, steps=steps, clip_skip=clip_skip)
        if self._is_sdxl and len(self._encoders) > 1 and not negative_prompt.source:
            negative = PromptConditioning(moments=((_zeros(negative.empty),),), empty=_zeros(negative.empty))
        return pair(positive, negative)

    def forget(self) -> None:
        self._memory.clear()

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(getattr(self._tokenizers[0], "names", ()))

    def _check(self, clip_skip: int) -> None:
        layers = min(encoder.config.num_hidden_layers for encoder in self._encoders)
        if clip_skip > layers:
            raise InvalidRequest("clip_skip", "clip_skip_model", high=layers, value=clip_skip)

    def _encode_part(self, part: Part, clip_skip: int, rules: int) -> Encoded:
        return replace(self._encode_sections(part.sections, clip_skip, rules), weight=part.weight)

    def _encode_sections(self, sections: Sections, clip_skip: int, rules: int = PROMPT_RULES) -> Encoded:
        return self._kept((sections, clip_skip, rules), lambda: self._compute(sections, clip_skip, rules))

    def _kept(self, what: tuple[Any, ...], compute: Callable[[], Encoded]) -> Encoded:
        """From the memory if it is there."""
        key = (*what, tuple(encoder.dtype for encoder in self._encoders))
        if key not in self._memory:
            self.before()
            self._memory[key] = compute()
        self._memory.move_to_end(key)
        while len(self._memory) > self._remembered:
            self._memory.popitem(last=False)
        return self._memory[key]

    def _compute_compel(self, prompt: CompelPrompt, clip_skip: int) -> Encoded:
        embedding, pooled = self._compel.encode(prompt, clip_skip)
        return Encoded(embedding=embedding, pooled=pooled)

    @torch.no_grad()
    def _compute(self, sections: Sections, clip_skip: int, rules: int) -> Encoded:
        embeddings, pooled = [], None
        for tokenizer, encoder in zip(self._tokenizers, self._encoders, strict=True):
            outputs = [self._run(encoder, chunk, clip_skip) for chunk in chunks_of(tokenizer, sections, rules)]
            embeddings.append(torch.cat([embedding for embedding, _ in outputs], dim=1))
            pooled = outputs[0][1]  # SDXL: of the last encoder's first chunk
        # the encoders of SDXL stand side by side: (1, tokens, 768 + 1280)
        return Encoded(embedding=torch.cat([part.to(embeddings[-1]) for part in embeddings], dim=-1), pooled=pooled)

    def _run(self, encoder: Any, chunk: Chunk, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        """One chunk -> (1, 77, width), and the pooled (1, width) of an encoder that has a projection."""
        output = encoder(torch.tensor([chunk.ids], device=encoder.device), output_hidden_states=True)
        if self._is_sdxl:  # never the last layer and never the norm behind it
            embedding = output.hidden_states[-max(2, clip_skip)]
        elif clip_skip == 1:
            embedding = output[0]
        else:  # transformers 5.6 took away the level text_model
            norm = getattr(encoder, "text_model", encoder).final_layer_norm
            embedding = norm(output.hidden_states[-clip_skip])
        return _weigh(embedding, chunk), output[0] if hasattr(encoder, "text_projection") else None


def _weigh(embedding: Tensor, chunk: Chunk) -> Tensor:
    """Multiplies each token's vector by its weight, then restores the mean of the chunk."""
    if all(weight == 1 for weight in chunk.weights):
        return embedding
    exact = embedding.float()
    weights = torch.tensor(chunk.weights, device=embedding.device)
    weighted = exact * weights[None, :, None]
    mean = weighted.mean()
    if mean != 0:
        weighted = weighted * (exact.mean() / mean)
    return weighted.to(embedding.dtype)


def _zeros(encoded: Encoded) -> Encoded:
    pooled = None if encoded.pooled is None else torch.zeros_like(encoded.pooled)
    return replace(encoded, embedding=torch.zeros_like(encoded.embedding), pooled=pooled)


def _as_tuple(one_or_more: Any) -> tuple[Any, ...]:
    return tuple(one_or_more) if isinstance(one_or_more, Sequence) else (one_or_more,)
