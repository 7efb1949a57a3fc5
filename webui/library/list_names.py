"""Which list `__name__` in a prompt means.

People name the files: a name may hold spaces, dots, `&`, `'`, brackets, and is written in either case, with either
slash between folders. Whatever a list is called is found; what only looks like a name is told as missing.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipelines.prompts.grammar import tag_spans

NEAREST = 3
_SLACK = 20  # spaces that a person may have typed more than the name has
_MARK = re.compile(r"\\.|__", re.DOTALL)
# Letters without a space between the marks, or with spaces where nothing is glued to the marks: `a__b c__d` is text.
_TIGHT = re.compile(r"__((?:[^\W_]|[*.&'(+/-])(?:[\w*.&'()+/-]|\\(?=[^\W_]))*?)__")
_LOOSE = re.compile(r"(?<!\w)__\s?([^\s_{}|<>$#\"\\][^{}|<>$#\"\n\\]{0,99}?)\s?__(?!\w)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """`__name__` in a text, which ends before `end`. `lists`: the names it means, none when there are none."""

    name: str
    end: int
    lists: tuple[str, ...]


class ListNames:
    """The names of some lists."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        self._folded = {_folded(name): name for name in reversed(self._names)}
        self._exact = {name: name for name in self._names}
        self._longest = max(map(len, self._names), default=0) + _SLACK

    def at(self, text: str, start: int) -> Reference | None:
        """The reference that begins at `start`, the longest name that is there first."""
        if not text.startswith("__", start):
            return None
        begin = start + 2
        for end in self._closings(text, begin):
            name = text[begin:end].strip()
            found = self._exact.get(name) or self._folded.get(_folded(name))
            if found is not None:
                return Reference(name=name, end=end + 2, lists=(found,))
        like = _TIGHT.match(text, start) or _LOOSE.match(text, start)
        if like is None:
            return None
        return Reference(name=like[1], end=like.end(), lists=self._globbed(like[1]) if "*" in like[1] else ())

    def whole(self, text: str) -> Reference | None:
        """The reference that a text is, and nothing beside it."""
        found = self.at(text, 0)
        return found if found is not None and found.end == len(text) else None

    def within(self, text: str) -> Iterator[Reference]:
        """Every reference of a text, without those behind a backslash and what is merely part of a file's name in a
        tag."""
        spans, place = tag_spans(text), 0
        while match := _MARK.search(text, place):
            place = match.end() if match[0] != "__" else match.start() + 1
            found = self.at(text, match.start()) if match[0] == "__" else None
            if found is not None:
                place = found.end
                if found.lists or not any(start <= match.start() < end for start, end in spans):
                    yield found

    def nearest(self, name: str) -> tuple[str, ...]:
        """The lists whose names are most like it, also by their last part alone."""
        parts = {part: one for one in reversed(self._names) for part in (_folded(one).rpartition("/")[2], _folded(one))}
        found = difflib.get_close_matches(_folded(name), list(parts), n=2 * NEAREST)
        return tuple(dict.fromkeys(parts[one] for one in found))[:NEAREST]

    def _closings(self, text: str, begin: int) -> list[int]:
        """Where a name that begins there may end, the farthest first."""
        line = text.find("\n", begin, begin + self._longest)
        last = begin + self._longest if line < 0 else line
        found, end = [], text.find("__", begin + 1, last + 2)
        while end >= 0:
            found.append(end)
            end = text.find("__", end + 1, last + 2)
        return found[::-1]

    def _globbed(self, pattern: str) -> tuple[str, ...]:
        """`*` stands for any letters, slashes too."""
        wanted = re.compile(".*".join(map(re.escape, _folded(pattern).split("*"))))
        return tuple(name for name in self._names if wanted.fullmatch(_folded(name)))


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).replace("\\", "/").casefold().split())
