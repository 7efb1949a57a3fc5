"""The words that CLIP knows, and how it cuts a text into them. No torch: a page asks while a prompt is typed.

`Vocabulary` cuts exactly as transformers' CLIPTokenizer, which stands on the same library.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from pipelines.errors import ModelError
from pipelines.prompts.learned import bare, trigger_pattern

MERGES = Path(__file__).parent / "data" / "clip_merges.txt.gz"
LENGTH = 77  # ids in one chunk, both marks included
WORD_END = "</w>"
MARKS = ("<|startoftext|>", "<|endoftext|>")
FILE_LIMIT = 64 * 2**20  # bytes

Merges = list[tuple[str, str]]

# a mark, an English ending, letters, one digit, or signs
_PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Vocabulary:
    """What `prompts.chunks` wants of a tokenizer."""

    model_max_length = LENGTH

    def __init__(self, words: dict[str, int], merges: Merges) -> None:
        self._tokenizer = Tokenizer(
            models.BPE(
                vocab=words,
                merges=merges,
                continuing_subword_prefix="",
                end_of_word_suffix=WORD_END,
                unk_token=MARKS[1],
            )
        )
        self._tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        self._tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])

    def __call__(self, texts: Sequence[str], **_options: Any) -> dict[str, list[list[int]]]:
        """Without marks and padding."""
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return {"input_ids": [list(one.ids) for one in found]}

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def convert_tokens_to_ids(self, token: str) -> int | None:
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [self._tokenizer.id_to_token(one) or "" for one in ids]


def folder_vocabulary(folder: Path) -> Vocabulary:
    """Of a diffusers folder's tokenizer. Raises `ModelError`."""
    try:
        if (whole := folder / "tokenizer.json").is_file():
            model = _read_json(whole)["model"]
            words, merges = model["vocab"], [_pair(one) for one in model["merges"]]
        else:
            words = _read_json(folder / "vocab.json")
            lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
            merges = [_pair(line) for line in lines if line.strip() and not line.startswith("#version")]
        return Vocabulary(words, merges)
    except OSError as error:
        raise ModelError("tokenizer_unreadable", problem=error.strerror or str(error)) from error
    except Exception as error:  # the library raises plain ones for what does not fit together
        raise ModelError("tokenizer_damaged") from error


def _pair(merge: Any) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def _read_json(path: Path) -> Any:
    with path.open("rb") as file:
        return json.loads(file.read(FILE_LIMIT))


class Words:
    """A tokenizer that knows some learned words too: each stands for several ids behind the vocabulary."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, list[int]] = {}
        self._pattern = trigger_pattern(())

    def learn(self, words: Mapping[str, Sequence[int]]) -> None:
        """These and no others."""
        self._ids = {bare(word): list(ids) for word, ids in words.items()}
        self._pattern = trigger_pattern(self._ids)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the learned words, in lower case."""
        return tuple(self._ids)

    def __call__(self, texts: list[str], **options: Any) -> Any:
        """As the tokenizer, for a list of texts; only "input_ids" is given when there are learned words."""
        if not self._ids:
            return self._tokenizer(texts, **options)
        return {"input_ids": [self._tokenize(text, options) for text in texts]}

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """A learned word's name stands at each of its ids; the last one ends the word."""
        names = {one: word + (WORD_END if one == own[-1] else "") for word, own in self._ids.items() for one in own}
        known = iter(self._tokenizer.convert_ids_to_tokens([one for one in ids if one not in names]))
        return [names[one] if one in names else next(known) for one in ids]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __len__(self) -> int:
        return len(self._tokenizer)

    def _tokenize(self, text: str, options: Mapping[str, Any]) -> list[int]:
        ids: list[int] = []
        end = 0
        for match in self._pattern.finditer(text):
            if (own := self._ids.get(bare(match[0]))) is not None:
                ids += self._plain(text[end : match.start()], options) + own
                end = match.end()
        return ids + self._plain(text[end:], options)

    def _plain(self, text: str, options: Mapping[str, Any]) -> list[int]:
        return list(self._tokenizer([text], **options)["input_ids"][0]) if text.strip() else []


def clip_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
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
