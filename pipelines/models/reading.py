"""How a model reads a prompt, told while it is typed: its tokenizer alone, no weights. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from pipelines import families
from pipelines.errors import ModelError, Note
from pipelines.families import builtin
from pipelines.models.files import folders
from pipelines.models.files.headers import read_header
from pipelines.models.listing import Listing
from pipelines.models.vocabulary import Vocabulary, Words, clip_vocabulary, folder_vocabulary
from pipelines.prompts.learned import bare, mentions
from pipelines.prompts.wish import read
from pipelines.tokens import PromptReading
from pipelines.types import DIALECTS, ModelInfo


class PromptReader:
    """Reads prompts for the models of a listing, from any thread."""

    def __init__(self, listing: Listing, lock: AbstractContextManager[Any] | None = None) -> None:
        """`lock`: of the listing, which is not for several threads at once."""
        self._listing, self._lock = listing, lock or nullcontext()
        self._folders: dict[str, tuple[tuple[int, int], tuple[Vocabulary, ...]]] = {}

    def read(self, model: str, text: str, *, negative: bool = False, dialect: str = DIALECTS[0]) -> PromptReading:
        """`negative`: where A1111's AND is a word. Raises `ModelError`, and `InvalidRequest` for what Compel cannot
        read."""
        with self._lock:
            info = self._listing.find(model)
            learned = self._learned(info.family, text)
            spoken = read(text, dialect, "negative_prompt" if negative else "prompt", tuple(learned))
            encoders = tuple(map(spoken.token_map, self._words(info, learned)))
        return PromptReading(encoders=encoders, family=info.family, changes=spoken.changes, weights=spoken.weights)

    def _words(self, info: ModelInfo, counts: Mapping[str, int]) -> Iterator[Words]:
        """The tokenizer of each text encoder, with learned words of so many vectors."""
        for vocabulary in self._vocabularies(info):
            words, end = Words(vocabulary), len(vocabulary)
            ids = {}
            for word, count in counts.items():
                ids[word], end = range(end, end + count), end + count
            words.learn(ids)
            yield words

    def _vocabularies(self, info: ModelInfo) -> tuple[Vocabulary, ...]:
        if info.layout != "folder":
            return (_clip(),) * len(families.of(info.family).clips)
        folder = builtin.FOLDER if info.builtin else Path(info.path)  # the one of tokens reads as the other does
        stamp, known = folders.stamp(folder), self._folders.get(info.path)
        if known is None or known[0] != stamp:
            found = [folder / name for name in families.of(info.family).clips if (folder / name).is_dir()]
            known = self._folders[info.path] = stamp, tuple(map(folder_vocabulary, found))
        if not known[1]:
            raise ModelError("of_model", name=info.name, problem=Note("no_tokenizer"))
        return known[1]

    def _learned(self, family: str, text: str) -> dict[str, int]:
        """Learned words in the text, and of how many vectors each is."""
        files = {
            Path(info.path).stem: info
            for info in self._listing.everything()
            if info.kind == "embedding" and info.family in (family, "unknown")
        }
        named = {bare(stem): (stem, info) for stem, info in files.items()}
        found = (named[word] for word in mentions(text, tuple(files)))
        return {stem: _vectors(info) for stem, info in found}


@cache
def _clip() -> Vocabulary:
    return Vocabulary(*clip_vocabulary())


def _vectors(info: ModelInfo) -> int:
    """As many as its file holds; an old pickle tells when it is first used."""
    try:
        shapes = read_header(Path(info.path)).shapes
    except (ModelError, OSError):
        return 1
    shape = next((shapes[name] for name in ("emb_params", "clip_l") if name in shapes), next(iter(shapes.values())))
    return shape[0] if len(shape) > 1 else 1
