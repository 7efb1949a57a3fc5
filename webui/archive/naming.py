"""Names of files: from a pattern, legal on Windows, macOS and Linux whatever the prompt says."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pipelines.errors import InvalidRequest
from pipelines.types import REQUEST_FIELDS

DEFAULT_PATTERN = "[number]-[seed]_[prompt]"
NAME_LIMIT = 200  # bytes of UTF-8 a name may have, extension and room for ".part" counted in
GRID = "grid-"

_ROOM = len(".part")
_LITERAL_LIMIT = 40  # bytes of a pattern's own words
_TOKEN_ROOM = 150  # bytes that the tokens but the prompt may fill together
_WORDS = 8  # of [prompt_words]
_HASH = 8  # hexadecimal digits, without <n>
_TIME = "%Y%m%d%H%M%S"
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
    settings: Mapping[str, Any]  # the request as run: field name -> value, as `fields.flat` gives it
    made_at: datetime
    date: date  # of the run, which may have begun the day before
    batch_number: int = 1  # place in its batch, from 1
    model_sha256: str = ""
    pixels_sha256: str = ""


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


Args = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """What stands in brackets: `room` bytes at most, told of an image; the prompt's take what is left of the name."""

    tell: Callable[[NameFacts, Args], str]
    room: int = 0
    args: tuple[int, int] = (0, 0)  # how many `<…>` may follow
    shape: str = ".*"  # as a regular expression
    fits: Callable[[Args], bool] = lambda args: True


def _text(field: str, room: int) -> Token:
    return Token(tell=lambda facts, _: slug(str(facts.settings[field]), room), room=room)


def _number(field: str, room: int) -> Token:
    return Token(tell=lambda facts, _: str(facts.settings[field]), room=room, shape=r"\d+")


def _digits(of: Callable[[NameFacts], str]) -> Token:
    """The first digits of a SHA-256: `<n>` of them, at most 16."""
    return Token(
        tell=lambda facts, args: of(facts)[: int(args[0]) if args else _HASH],
        room=16,
        args=(0, 1),
        fits=lambda args: all(re.fullmatch("[1-9]|1[0-6]", one) for one in args),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _time(facts: NameFacts, args: Args) -> str:
    try:
        return slug(facts.made_at.strftime(args[0] if args else _TIME), 30)
    except ValueError:  # a format that this system's clock does not know
        return slug(facts.made_at.strftime(_TIME))


def _has(facts: NameFacts, args: Args) -> str:
    """Each `<word|otherwise>`: the word when the prompt holds it."""
    pairs = (arg.partition("|") for arg in args)
    return "".join(
        slug(word if word.casefold() in facts.settings["prompt"].casefold() else other, 12) for word, _, other in pairs
    )


_PROMPTS: dict[str, Callable[[str], str]] = {
    "prompt": lambda words: words,
    "prompt_spaces": lambda words: words.replace("_", " "),
    "prompt_words": lambda words: " ".join([one for one in re.split("[_-]", words) if one][:_WORDS]),
}


def _prompt(change: Callable[[str], str]) -> Token:
    return Token(tell=lambda facts, _: change(slug(facts.settings["prompt"])))


def _real(field: str) -> Token:
    """Nothing for a field of a group that is not there."""
    return Token(tell=lambda facts, _: "" if (value := facts.settings.get(field)) is None else f"{value:g}", room=6)


# our own names, and those of A1111 that mean something here
TOKENS: dict[str, Token] = {
    "number": Token(tell=lambda facts, _: f"{facts.number:05d}", room=8),
    "seed": _number("seed", 10),
    **{name: _prompt(change) for name, change in _PROMPTS.items()},
    "date": Token(tell=lambda facts, _: facts.date.isoformat(), room=10, shape=r"\d{4}-\d\d-\d\d"),
    "datetime": Token(tell=_time, room=30, args=(0, 1)),
    "model": _text("model", 40),
    "model_name": _text("model", 40),
    "model_hash": _digits(lambda facts: facts.model_sha256),
    "vae_filename": _text("vae", 40),
    "sampler": _text("sampler", 24),
    "scheduler": _text("schedule", 24),
    "sampler_scheduler": Token(
        tell=lambda facts, _: slug("{sampler} {schedule}".format(**facts.settings), 40), room=40
    ),
    "steps": _number("steps", 3),
    "guidance": _real("guidance"),
    "cfg": _real("guidance"),
    "denoising": _real("strength"),
    "clip_skip": _number("clip_skip", 2),
    "width": _number("width", 4),
    "height": _number("height", 4),
    "batch_number": Token(tell=lambda facts, _: str(facts.batch_number), room=3, shape=r"\d+"),
    "batch_size": _number("batch_size", 3),
    "prompt_hash": _digits(lambda facts: _sha256(facts.settings["prompt"])),
    "negative_prompt_hash": _digits(lambda facts: _sha256(facts.settings["negative_prompt"])),
    "full_prompt_hash": _digits(lambda facts: _sha256("{prompt} {negative_prompt}".format(**facts.settings))),
    "image_hash": _digits(lambda facts: facts.pixels_sha256),
    "hasprompt": Token(tell=_has, room=36, args=(1, 3)),
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token, or (without one) words as typed."""

    text: str
    name: str = ""
    args: Args = ()


def _pieces(pattern: str) -> list[_Piece]:
    """A token that there is not stays as it was typed."""
    found = []
    for place, part in enumerate(re.split(r"(\[[^\[\]]*\])", pattern)):
        asked = re.fullmatch(r"\[([a-z_]+)((?:<[^<>]*>)*)\]", part) if place % 2 else None
        name, args = (asked[1], tuple(re.findall("<([^<>]*)>", asked[2]))) if asked else ("", ())
        token = TOKENS.get(name)
        known = token is not None and token.args[0] <= len(args) <= token.args[1] and token.fits(args)
        found.append(_Piece(part, name, args) if known else _Piece(part))
    return found


class NamePattern:
    """A parsed pattern such as `[number]-[seed]_[prompt]`. Raises InvalidRequest("pattern", …)."""

    def __init__(self, pattern: str = DEFAULT_PATTERN) -> None:
        self.pattern = unicodedata.normalize("NFC", pattern)
        self._pieces = _pieces(self.pattern)
        self._check()
        names = [piece.name for piece in self._pieces]
        before = self._pieces[: names.index("number")]
        shapes = [TOKENS[piece.name].shape if piece.name else re.escape(piece.text) for piece in before]
        self._number = re.compile(rf"(?:{GRID})?_?{''.join(shapes)}(\d{{5,}})(?!\d)")

    def _check(self) -> None:
        tokens = [piece.name for piece in self._pieces if piece.name]
        for token in tokens:
            if tokens.count(token) > 1:
                raise InvalidRequest("pattern", "pattern_twice", token=f"[{token}]")
        if "number" not in tokens:
            raise InvalidRequest("pattern", "pattern_number", value=self.pattern)
        words = "".join(piece.text for piece in self._pieces if not piece.name)
        for character in words:
            category = unicodedata.category(character)
            if character in _FORBIDDEN or category[0] in "CM" or category in ("So", "Sk", "Zl", "Zp"):
                raise InvalidRequest("pattern", "pattern_character", value=repr(character))
        if len(words.encode()) > _LITERAL_LIMIT:
            raise InvalidRequest("pattern", "pattern_words", limit=_LITERAL_LIMIT, value=words)
        if (room := sum(TOKENS[token].room for token in tokens)) > _TOKEN_ROOM:
            raise InvalidRequest("pattern", "pattern_tokens", limit=_TOKEN_ROOM, value=room)
        if self.pattern[0] in " .":
            raise InvalidRequest("pattern", "pattern_begin", value=self.pattern)

    def name(self, facts: NameFacts, *, suffix: str = ".png", prefix: str = "", limit: int = NAME_LIMIT) -> str:
        """The file's name: one path component of at most `limit` bytes with ".part" added."""
        values = [TOKENS[piece.name].tell(facts, piece.args) if piece.name else piece.text for piece in self._pieces]
        told = [value for piece, value in zip(self._pieces, values, strict=True) if piece.name not in _PROMPTS]
        room = limit - _ROOM - len(f"{prefix}{suffix}{''.join(told)}".encode())
        for place, piece in enumerate(self._pieces):
            if piece.name in _PROMPTS:
                values[place] = cut(values[place], max(room, 0)).rstrip(_EDGES)
                room -= len(values[place].encode())
        stem = unicodedata.normalize("NFC", prefix + "".join(values)).rstrip(_EDGES).lstrip(" .")
        return f"_{stem}{suffix}" if is_reserved(stem) else stem + suffix

    def number_in(self, name: str) -> int | None:
        """The counter in a name made with this pattern, else None."""
        found = self._number.match(name)
        return int(found[1]) if found else None


EXAMPLE = NameFacts(
    number=42,
    settings={one.name: one.default for one in REQUEST_FIELDS}
    | {"seed": 450910884, "prompt": "a red star on a blue field", "guidance": 7.5, "height": 768},
    made_at=datetime(2026, 1, 31, 14, 5, 9),
    date=date(2026, 1, 31),
    model_sha256=_sha256("model"),
    pixels_sha256=_sha256("pixels"),
)
