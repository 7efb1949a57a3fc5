"""A byte-level CLIP tokenizer for the captions: any text encodes, known words are one or two tokens."""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer, models, trainers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

from tools.train_builtin.captions import caption
from tools.train_builtin.world import draw_picture

LENGTH = 77
VOCABULARY = 1100
START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"


def train(folder: Path, captions: int = 12_000) -> CLIPTokenizer:
    """Learn byte pair merges from random captions and save in the CLIP format (vocab.json, merges.txt)."""
    reference = CLIPTokenizer(vocab={START: 0, END: 1}, merges=[])  # only for CLIP's way of splitting text into words
    learner = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    learner.normalizer = reference._tokenizer.normalizer
    learner.pre_tokenizer = reference._tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[],
        initial_alphabet=ByteLevel.alphabet(),
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
        min_frequency=3,
    )
    rng = random.Random("tokenizer")
    learner.train_from_iterator((caption(draw_picture(rng), rng) for _ in range(captions)), trainer)
    found = json.loads(learner.to_str())["model"]["merges"]
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in found]
    # CLIP's order: every byte, every byte at a word's end, one token per merge, start, end.
    alphabet = sorted(ByteLevel.alphabet())
    tokens = dict.fromkeys([*alphabet, *(letter + END_OF_WORD for letter in alphabet)])
    tokens.update(dict.fromkeys(first + second for first, second in merges))
    vocabulary = {token: index for index, token in enumerate([*tokens, START, END])}
    folder.mkdir(parents=True, exist_ok=True)
    CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read(folder)


def read(folder: Path) -> CLIPTokenizer:
    """The saved tokenizer."""
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    return tokenizer
