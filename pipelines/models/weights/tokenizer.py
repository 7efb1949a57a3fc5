"""The CLIP tokenizer, for checkpoints that come as one file and so without one."""

from __future__ import annotations

from typing import Any

from transformers import CLIPTokenizer

from pipelines.models.vocabulary import LENGTH, clip_vocabulary


def clip_tokenizer(pad_token: str = "<|endoftext|>") -> Any:
    """The tokenizer of OpenAI CLIP; SD 2 and SDXL's second encoder pad with "!"."""
    vocabulary, merges = clip_vocabulary()
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad_token, model_max_length=LENGTH)
