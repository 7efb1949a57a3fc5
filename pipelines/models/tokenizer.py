"""The CLIP vocabulary, for checkpoints that come as one file and so without a tokenizer."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

MERGES = Path(__file__).parent / "data" / "clip_merges.txt.gz"
VOCABULARY_SIZE = 49_408


def clip_tokenizer(pad_token: str = "<|endoftext|>") -> Any:
    """The tokenizer of OpenAI CLIP; SD 2 and SDXL's second encoder pad with "!"."""
    vocabulary, merges = _vocabulary()
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=pad_token, model_max_length=77)


def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Word -> id, and the merges in order of rank. Ids: 256 bytes, 256 bytes that end a word, merges, two marks."""
    with gzip.open(MERGES, "rt", encoding="utf-8") as file:
        merges = [(left, right) for left, right in (line.split() for line in file)]
    bytes_as_text = _bytes_as_text()
    words = [*bytes_as_text, *(character + "</w>" for character in bytes_as_text)]
    words += [left + right for left, right in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: index for index, word in enumerate(words)}, merges


def _bytes_as_text() -> list[str]:
    """One visible character for each byte, in the order of CLIP's ids (byte-level BPE as in GPT-2)."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return [chr(byte) for byte in visible] + [chr(256 + index) for index in range(len(hidden))]
