"""Learned words (textual inversions) by their names, which are file names: brackets, dots, signs and spaces included.

`GoodHands (1)` is found written so and as `GoodHands \\(1\\)`; `escaped` and `masked` keep a dialect from reading the
name's own signs as weights.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

_A1111_SIGNS = re.compile(r"[\\()\[\]:|]")
_MASK = {ord(sign): chr(0x10F000 + ord(sign)) for sign in '\\()[]+-.="'}  # private letters, which no text has
_UNMASK = {ord(mask): chr(sign) for sign, mask in _MASK.items()}


def trigger_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Matches any of them, the longest first, as words of their own, in either case, with or without a backslash
    before their signs; none matches nothing."""
    options = "|".join(map(_either_way, sorted(names, key=len, reverse=True)))
    return re.compile(rf"(?<![\w-])(?:{options})(?![\w-])" if options else r"(?!)", re.IGNORECASE)


def mentions(text: str, names: Sequence[str]) -> list[str]:
    """Those of `names`, as `bare` has them, that stand in the text as words of their own."""
    known = set(map(bare, names))
    return list(dict.fromkeys(one for found in trigger_pattern(names).findall(text) if (one := bare(found)) in known))


def escaped(text: str, names: Sequence[str]) -> str:
    """A prompt in A1111's language in which the signs of these names are letters."""
    return _written(text, {name: _A1111_SIGNS.sub(r"\\\g<0>", name) for name in names})


def masked(text: str, names: Sequence[str]) -> str:
    """A prompt in Compel's language in which the signs of these names are letters that `unmasked` turns back."""
    return _written(text, {name: name.translate(_MASK) for name in names})


def unmasked(text: str) -> str:
    return text.translate(_UNMASK)


def bare(name: str) -> str:
    """A name however it is written: with backslashes or without, in either case, its accents apart or not."""
    return unicodedata.normalize("NFC", name).replace("\\", "").casefold()


def _written(text: str, spellings: Mapping[str, str]) -> str:
    changed = {name: spelling for name, spelling in spellings.items() if spelling != name}
    by_bare = {bare(name): spelling for name, spelling in changed.items()}
    return trigger_pattern(changed).sub(lambda match: by_bare.get(bare(match[0]), match[0]), text) if changed else text


def _either_way(name: str) -> str:
    letters = unicodedata.normalize("NFC", name)
    return "".join(one if one.isalnum() else rf"\\?{re.escape(one)}" for one in letters)
