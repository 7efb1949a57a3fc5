"""How a model reads a prompt, told while it is typed: its tokenizer alone, no weights. No torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipelines.errors import ModelError
from pipelines.models import folders
from pipelines.models.extras import mentions
from pipelines.models.headers import read_header
from pipelines.models.listing import Listing
from pipelines.models.vocabulary import Vocabulary, Words, clip_vocabulary, folder_vocabulary
from pipelines.prompts.chunks import token_map
from pipelines.prompts.grammar import parse
from pipelines.types import ModelInfo, PromptReading

_TOKENIZERS = ("tokenizer", "tokenizer_2")


class PromptReader:
    """Reads prompts for the models of a listing. Not for several threads at once."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._folders: dict[str, tuple[tuple[int, int], tuple[Vocabulary, ...]]] = {}

    def read(self, model: str, text: str, *, negative: bool = False) -> PromptReading:
        """`negative`: where AND is a word. Raises `ModelError`."""
        info = self._listing.find(model)
        prompt = parse(text, composed=not negative)
        counts = self._learned(info.family, text)
        encoders = []
        for vocabulary in self._vocabularies(info):
            words, end = Words(vocabulary), len(vocabulary)
            ids = {}
            for word, count in counts.items():
                ids[word], end = range(end, end + count), end + count
            words.learn(ids)
            encoders.append(token_map(words, prompt))
        weights = tuple(part.weight for part in prompt.parts)
        return PromptReading(encoders=tuple(encoders), family=info.family, changes=prompt.changes, weights=weights)

    def _vocabularies(self, info: ModelInfo) -> tuple[Vocabulary, ...]:
        if info.layout != "folder":
            return (_clip(),) * (2 if info.family == "sdxl" else 1)
        folder = Path(info.path)
        stamp, known = folders.stamp(folder), self._folders.get(info.path)
        if known is None or known[0] != stamp:
            found = [folder / name for name in _TOKENIZERS if (folder / name).is_dir()]
            known = self._folders[info.path] = stamp, tuple(map(folder_vocabulary, found))
        return known[1]

    def _learned(self, family: str, text: str) -> dict[str, int]:
        """Learned words in the text, and of how many vectors each is."""
        files = {
            Path(info.path).stem: info
            for info in self._listing.everything()
            if info.kind == "embedding" and info.family in (family, "unknown")
        }
        named = {stem.casefold(): info for stem, info in files.items()}
        return {word: _vectors(named[word]) for word in mentions(text, files)}


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
