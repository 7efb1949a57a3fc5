"""The second prompt language, Compel's: `(x)1.2`, `x++`, `x--`, `("a", "b").and()`, `("a", "b").blend(0.7, 0.3)`.

Read and weighed by the compel library itself. A weight above 1 moves a word's vectors away from those of an empty
prompt, one below 1 blends with the prompt without the word. Long prompts are cut at sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from pipelines.errors import InvalidRequest
from pipelines.prompts.compel_parsing import CompelPrompt, Group, Part

MOST_CLIP_SKIP = 2
WEIGHTING = f"compel {version('compel')}"


class CompelEncoder:
    """The text encoders of one loaded model."""

    def __init__(self, tokenizers: Sequence[Any], encoders: Sequence[Any], *, is_sdxl: bool) -> None:
        self._pairs = [(_Marked(tokenizer), encoder) for tokenizer, encoder in zip(tokenizers, encoders, strict=True)]
        self._is_sdxl = is_sdxl

    @torch.no_grad()
    def encode(self, prompt: CompelPrompt, clip_skip: int) -> tuple[Tensor, Tensor | None]:
        """Embedding (1, 77 * chunks, width), and the pooled one (1, width) of an SDXL. Raises `InvalidRequest` for
        clip_skip."""
        if clip_skip > MOST_CLIP_SKIP:
            raise InvalidRequest("clip_skip", "clip_skip_compel", high=MOST_CLIP_SKIP, value=clip_skip)
        conjunction = _conjunction(prompt)
        embeddings, pooled = [], None
        for tokenizer, encoder in self._pairs:
            compel = _compel(tokenizer, encoder, self._kind(clip_skip))
            found, _ = compel.build_conditioning_tensor_for_conjunction(conjunction)
            embeddings.append(found)
            if hasattr(encoder, "text_projection"):
                pooled = compel.conditioning_provider.get_pooled_embeddings(
                    [prompt.groups[0].parts[0].text], device=encoder.device
                )
        # the encoders of SDXL stand side by side
        return torch.cat([part.to(embeddings[-1]) for part in embeddings], dim=-1), pooled

    def _kind(self, clip_skip: int) -> str:
        if self._is_sdxl:  # never the last layer and never the norm behind it
            return "PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED"
        return "LAST_HIDDEN_STATES_NORMALIZED" if clip_skip == 1 else "PENULTIMATE_HIDDEN_STATES_NORMALIZED"


class _Marked:
    """A tokenizer as compel calls it: always with the two marks. Ours knows learned words, and gives none."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: list[str], **options: Any) -> dict[str, list[list[int]]]:
        found = self._tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        first, last = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        room = self._tokenizer.model_max_length - 2 if options.get("truncation") else None
        return {"input_ids": [[first, *ids[:room], last] for ids in found]}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


class _Nested:
    """A text encoder with the level `text_model`, which transformers 5.6 took away and compel asks for."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.text_model = getattr(encoder, "text_model", encoder)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._encoder(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


def _compel(tokenizer: Any, encoder: Any, kind: str) -> Any:
    from compel import Compel, ReturnedEmbeddingsType

    return Compel(
        tokenizer=tokenizer,
        text_encoder=_Nested(encoder),
        truncate_long_prompts=False,
        returned_embeddings_type=ReturnedEmbeddingsType[kind],
    )


def _conjunction(prompt: CompelPrompt) -> Any:
    """As compel's own parser would have made it."""
    from compel import prompt_parser  # brings diffusers' pipelines: seconds

    def flat(part: Part) -> Any:
        fragments = [prompt_parser.Fragment("", weight) for _, weight in part.fragments]
        for fragment, (words, _) in zip(fragments, part.fragments, strict=True):
            fragment.text = words  # after the making, which would take backslashes off once more
        return prompt_parser.FlattenedPrompt(fragments)

    def whole(group: Group) -> Any:
        flats = [flat(part) for part in group.parts]
        if group.normalized is None:
            return flats[0]
        weights = [part.weight for part in group.parts]
        return prompt_parser.Blend(prompts=flats, weights=weights, normalize_weights=group.normalized)

    groups = prompt.groups
    return prompt_parser.Conjunction([whole(group) for group in groups], [group.weight for group in groups])
