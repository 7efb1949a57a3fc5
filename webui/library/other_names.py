"""What the library calls a word in the other language: a search for one finds pictures whose prompts say the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from webui.library.chinese import Dictionary
from webui.library.words import Category


class OtherNames:
    """Of the words of these categories."""

    def __init__(self, categories: Iterable[Category]) -> None:
        self._dictionary = Dictionary(categories := tuple(categories))
        self._chinese: dict[str, dict[str, None]] = {}
        self._longest = 1  # words of one English name
        for word in (word for category in categories for word in category.words):
            names = self._chinese.setdefault(word.word.casefold(), {})
            names |= dict.fromkeys((word.name_zh, *word.also_zh))
            self._longest = max(self._longest, len(word.word.split()))

    def of(self, text: str) -> tuple[str, ...]:
        """The other names of a word or a phrase; () where the library has none, or not for all of it."""
        if known := self._known(text):
            return known
        found = self._dictionary.translate(text)
        return (found.text,) if found is not None and found.text and not found.unknown else ()

    def _known(self, text: str) -> tuple[str, ...]:
        return tuple(self._chinese.get(" ".join(text.casefold().split()), ()))

    def grouped(self, terms: Sequence[str]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """The terms, those together that are one name of the library, each group with its other names."""
        groups: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        start = 0
        while start < len(terms):
            ends = range(min(len(terms), start + self._longest), start, -1)
            known = ((end, names) for end in ends if (names := self._known(" ".join(terms[start:end]))))
            end, names = next(known, (start + 1, self.of(terms[start])))
            groups.append((tuple(terms[start:end]), names))
            start = end
        return groups
