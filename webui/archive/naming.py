"""Names of files: from a pattern, legal on Windows, macOS and Linux whatever the prompt says."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from pipelines.errors import InvalidRequest

DEFAULT_PATTERN = "[number]-[seed]_[prompt]"
TOKENS = ("number", "seed", "prompt", "date", "model", "sampler", "steps", "guidance", "width", "height")
NAME_LIMIT = 200  # bytes of UTF-8 a name may have, extension and room for ".part" counted in
GRID = "grid-"

_ROOM = len(".part")
_LITERAL_LIMIT = 40  # bytes of a pattern's own words
_CUTS = {"model": 40, "sampler": 24}  # bytes
_FORBIDDEN = set('<>:"/\\|?*')
_RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"} | {
    f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"
}
_INVISIBLE_LETTERS = {"\u115f", "\u1160", "\u3164", "\uffa0"}  # Hangul fillers: letters that show nothing
_DROPPED = {"'", "’", "`", "´"}  # "don't" -> "dont"
_EDGES = " ._-"


@dataclass(frozen=True, kw_only=True, slots=True)
class NameFacts:
    """What a pattern may tell of one image."""

    number: int
    seed: int
    prompt: str
    date: date
    model: str
    sampler: str
    steps: int
    guidance: float
    width: int  # pixels
    height: int  # pixels


def slug(text: str, limit: int = NAME_LIMIT) -> str:
    """Letters and digits of any script joined by "_", NFC, at most `limit` bytes of UTF-8; "" when none is left."""
    kept = "".join(_slug_character(character) for character in unicodedata.normalize("NFC", text))
    words = unicodedata.normalize("NFC", re.sub(r"_+", "_", kept))
    # a word may not begin with a mark that has lost its letter
    while words and (words[0] == "_" or unicodedata.combining(words[0]) or unicodedata.category(words[0])[0] == "M"):
        words = words[1:]
    return cut(words, limit).rstrip(_EDGES)


def _slug_character(character: str) -> str:
    if character == "-":
        return character
    if character in _INVISIBLE_LETTERS or character in _DROPPED or _is_variation_selector(character):
        return ""
    category = unicodedata.category(character)
    if category[0] in "LN" or category in ("Mn", "Mc"):
        return character
    # emoji (So, Sk), format and bidi controls (Cf), private and unassigned ones go without a trace
    return "" if category in ("So", "Sk", "Cf", "Co", "Cn", "Cs", "Me") else "_"


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def cut(text: str, limit: int) -> str:
    """The longest beginning of at most `limit` bytes of UTF-8 that breaks no character and parts no mark from it."""
    if len(text.encode()) <= limit:
        return text
    end = len(text.encode()[: max(limit, 0)].decode(errors="ignore"))
    while end and unicodedata.category(text[end])[0] == "M":
        end -= 1
    return text[:end]


def is_reserved(name: str) -> bool:
    """Whether Windows takes the name for a device: CON, nul.txt, COM1.tar.gz …"""
    return name.split(".")[0].rstrip(" ").upper() in _RESERVED


class NamePattern:
    """A parsed pattern such as `[number]-[seed]_[prompt]`. Raises InvalidRequest("pattern", …)."""

    def __init__(self, pattern: str = DEFAULT_PATTERN) -> None:
        self.pattern = unicodedata.normalize("NFC", pattern)
        # odd places are tokens, even ones the words between
        self._pieces = re.split(r"\[([^\[\]]*)\]", self.pattern)
        self._check()
        before = re.split(r"\[number\]", self.pattern)[0]
        shapes = [
            re.escape(piece) if place % 2 == 0 else _SHAPES.get(piece, ".*")
            for place, piece in enumerate(re.split(r"\[([^\[\]]*)\]", before))
        ]
        self._number = re.compile(rf"(?:{GRID})?_?{''.join(shapes)}(\d{{5,}})(?!\d)")

    def _check(self) -> None:
        tokens = self._pieces[1::2]
        for token in tokens:
            if token not in TOKENS:
                known = " ".join(f"[{name}]" for name in TOKENS)
                raise InvalidRequest("pattern", f"must use only {known}, got [{token}]")
            if tokens.count(token) > 1:
                raise InvalidRequest("pattern", f"must use each token once, got [{token}] twice")
        if "number" not in tokens:
            raise InvalidRequest("pattern", f"must hold [number], which keeps names apart, got {self.pattern!r}")
        words = "".join(self._pieces[::2])
        for character in words:
            if character in _FORBIDDEN or character in "[]" or unicodedata.category(character)[0] in "CM":
                raise InvalidRequest("pattern", f"must not hold {character!r}")
            if unicodedata.category(character) in ("So", "Sk", "Zl", "Zp"):
                raise InvalidRequest("pattern", f"must not hold {character!r}")
        if len(words.encode()) > _LITERAL_LIMIT:
            raise InvalidRequest(
                "pattern", f"must have at most {_LITERAL_LIMIT} bytes beside its tokens, got {words!r}"
            )
        if self.pattern[0] in " .":
            raise InvalidRequest("pattern", f"must not begin with a dot or a space, got {self.pattern!r}")

    def name(self, facts: NameFacts, *, suffix: str = ".png", prefix: str = "", limit: int = NAME_LIMIT) -> str:
        """The file's name: one path component of at most `limit` bytes with ".part" added."""
        values = {token: _value(token, facts) for token in self._pieces[1::2]}
        values["prompt"] = ""
        room = limit - _ROOM - len(suffix) - len(prefix) - len(self._filled(values).encode())
        if "prompt" in self._pieces[1::2]:
            values["prompt"] = slug(facts.prompt, room) if room > 0 else ""
        stem = unicodedata.normalize("NFC", prefix + self._filled(values)).rstrip(_EDGES).lstrip(" .")
        return f"_{stem}{suffix}" if is_reserved(stem) else stem + suffix

    def _filled(self, values: dict[str, str]) -> str:
        return "".join(piece if place % 2 == 0 else values[piece] for place, piece in enumerate(self._pieces))

    def number_in(self, name: str) -> int | None:
        """The counter in a name made with this pattern, else None."""
        found = self._number.match(name)
        return int(found[1]) if found else None


_SHAPES = {"seed": r"\d+", "date": r"\d{4}-\d\d-\d\d", "steps": r"\d+", "width": r"\d+", "height": r"\d+"}


def _value(token: str, facts: NameFacts) -> str:
    if token == "number":
        return f"{facts.number:05d}"
    if token == "date":
        return facts.date.isoformat()
    if token == "guidance":
        return f"{facts.guidance:g}"
    value = getattr(facts, token)
    return slug(value, _CUTS.get(token, NAME_LIMIT)) if isinstance(value, str) else str(value)
