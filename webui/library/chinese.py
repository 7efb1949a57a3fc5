"""A prompt in Chinese words of the library -> English: CLIP cannot read Chinese. Only offered, never done unasked.

A stretch of Chinese is turned as a whole or not at all: half of an unknown word would be another word. For the same
reason a thing named by one letter ends its group: what follows at once makes another word of it (马车, 星球, 月白).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from webui.library.words import Category

# Words between the words. Those of place hold their own "in" or "on".
_A = ("一个", "一只", "一张", "一幅", "一位", "一朵", "一艘", "一辆", "一座", "一棵", "一条", "一颗", "一间", "一轮")
_BETWEEN: Mapping[str, str] = MappingProxyType({"的": "", "在": "", "和": "and", "与": "and"} | dict.fromkeys(_A, "a"))
_SIGNS = str.maketrans(
    {"，": ", ", "、": ", ", "。": ". ", "；": "; ", "：": ":", "（": "(", "）": ")", "！": "!", "？": "?"}
)
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PARTS = re.compile(rf"(?P<kept><[^<>]*>|__[^\s_]+__)|(?P<han>[{_HAN}](?:[{_HAN}·]*[{_HAN}])?)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """`text`: the prompt with all that could be turned; `unknown`: Chinese that stays, and that CLIP cannot read."""

    text: str
    unknown: tuple[str, ...] = ()


class Dictionary:
    """The library's words by their Chinese names; the first of several wins, `for_builtin` says whose go first."""

    def __init__(self, categories: Iterable[Category], *, for_builtin: bool = False) -> None:
        ordered = sorted(categories, key=lambda one: one.for_builtin != for_builtin)
        words = [(word, category.things) for category in ordered for word in category.words]
        self._words = {word.name_zh: word.word for word, _ in reversed(words)}
        self._things = {name for word, things in words if things for name in (word.name_zh, *word.also_zh)}
        for word, _ in words:
            for name in word.also_zh:
                self._words.setdefault(name, word.word)
        self._words |= {zh: english for zh, english in _BETWEEN.items() if zh not in self._words}
        self._longest = max(map(len, self._words))

    def translate(self, text: str) -> Translation | None:
        """None for a text without Chinese."""
        unknown: dict[str, None] = {}
        made, end, found = "", 0, False
        for match in _PARTS.finditer(text):
            made = _joined(made, text[end : match.start()].translate(_SIGNS))
            end = match.end()
            english, strangers = (match[0], []) if match["kept"] else self._turned(match["han"])
            found = found or match["kept"] is None
            unknown |= dict.fromkeys(strangers)
            made = _joined(made, match[0] if strangers else english)
        if not found:
            return None
        return Translation(text=_joined(made, text[end:].translate(_SIGNS)).strip(), unknown=tuple(unknown))

    def _turned(self, run: str) -> tuple[str, list[str]]:
        """The English of a stretch, and what of it is no word of the library: as few letters as can be."""
        best: list[tuple[int, int, int]] = [(0, 0, 0)]  # to each place: unknown letters, words, where the last begins
        for end in range(1, len(run) + 1):
            options = [
                (best[start][0], best[start][1] + 1, start)
                for start in range(max(0, end - self._longest), end)
                if run[start:end] in self._words
            ]
            best.append(min([*options, (best[end - 1][0] + 1, best[end - 1][1], end - 1)]))
        pieces, end = list[str](), len(run)
        while end:
            start = best[end][2]
            pieces.insert(0, run[start:end])
            end = start
        english = " ".join(word for piece in pieces if (word := self._words.get(piece)))
        strange = [piece not in self._words for piece in pieces]
        for place, (one, other) in enumerate(pairwise(pieces)):
            if len(one) == len(other) == 1 and one in self._things and other not in _BETWEEN:
                strange[place] = strange[place + 1] = True
        strangers = "".join(piece if odd else " " for piece, odd in zip(pieces, strange, strict=True)).split()
        return english, strangers


def _joined(before: str, after: str) -> str:
    """Two words never grow together, and no blanks are doubled."""
    if before[-1:].isspace():
        after = after.lstrip(" ")
    between = " " if (before[-1:].isalnum() or before[-1:] in ",.;!?") and after[:1].isalnum() else ""
    return before + between + after
