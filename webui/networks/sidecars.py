"""What other programs wrote beside a network's file, and the picture that lies there. All of it is a stranger's: read
within bounds, never followed to another host, and handed on as plain text alone.

`NAME.civitai.info` is what Civitai's helpers keep of a version: `trainedWords`, `baseModel`, `model.name`,
`description` in HTML. `NAME.json` is A1111's: `activation text`, `negative text`, `preferred weight`, `sd version`,
`description`, `notes`; a person wrote it by hand, so it counts more.
"""

from __future__ import annotations

import html
import json
import math
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.types import ModelInfo

CIVITAI, A1111 = ".civitai.info", ".json"
PICTURES = tuple(f"{kind}.{end}" for end in ("png", "jpg", "jpeg", "webp") for kind in ("", ".preview"))
LIMIT = 2 * 2**20  # bytes: those of Civitai tell of every sample picture
WORDS = 40  # of one network
WORD = 300  # characters of one
TEXT = 1200  # characters of a description
HEAVIEST = 10.0  # either way
Stamp = tuple[int, int] | None  # of a file: when it changed, in nanoseconds, and its bytes; None: it is not there
_RAW = 40_000  # characters of a description that are looked at
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sidecar:
    """What is said of a network; nothing where nothing is said."""

    words: tuple[str, ...] = ()  # that call it
    negative: str = ""  # what goes into the negative prompt beside it
    weight: float | None = None
    base: str = ""  # the model that it was made for, as its author calls it
    title: str = ""
    about: str = ""


NOTHING = Sidecar()


def stem_of(info: ModelInfo) -> str:
    """What the names of the files beside it begin with."""
    path = Path(info.path)
    return path.name if info.layout == "folder" else path.stem


class Sidecars:
    """Reads each once, and again when it was changed. Safe from any thread: at worst one is read twice."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[Stamp, ...], Sidecar]] = {}

    def read(self, folder: Path, stem: str) -> Sidecar:
        """See `read`."""
        files = [folder / f"{stem}{end}" for end in (CIVITAI, A1111)]
        stamps = tuple(map(_stamp, files))
        if stamps == (None, None):
            self._known.pop(files[0], None)
            return NOTHING
        known = self._known.get(files[0])
        if known is None or known[0] != stamps:
            known = self._known[files[0]] = (stamps, read(folder, stem))
        return known[1]


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def read(folder: Path, stem: str) -> Sidecar:
    """Never raises: what cannot be read says nothing."""
    theirs, own = (_table(folder / f"{stem}{end}") for end in (CIVITAI, A1111))
    model = theirs.get("model")
    about = [own.get("description"), own.get("notes")]
    return Sidecar(
        words=tuple(_distinct([*_listed(own.get("activation text")), *_listed(theirs.get("trainedWords"))])),
        negative=plain(own.get("negative text"), WORD),
        weight=_weight(own.get("preferred weight")),
        base=plain(theirs.get("baseModel"), WORD) or plain(own.get("sd version"), WORD),
        title=plain(model.get("name"), WORD) if isinstance(model, dict) else "",
        about=" · ".join(filter(None, (plain(one, TEXT) for one in about))) or plain(theirs.get("description"), TEXT),
    )


def picture(folder: Path, stem: str) -> Path | None:
    """The picture that a person or another program put beside it."""
    return next((file for end in PICTURES if (file := folder / f"{stem}{end}").is_file()), None)


def plain(value: object, limit: int) -> str:
    """A stranger's text in one line: no HTML, nothing that does not print, no longer than `limit`."""
    if not isinstance(value, str):
        return ""
    text = html.unescape(_TAG.sub(" ", value[:_RAW]))
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _table(path: Path) -> dict[str, Any]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return {}  # a pipe would be waited for, for ever
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
        found = json.loads(data.decode("utf-8-sig", "replace")) if len(data) <= LIMIT else {}
    except (OSError, ValueError, RecursionError):  # a link in a circle, no JSON, one that is too deep
        return {}
    return found if isinstance(found, dict) else {}


def _listed(value: object) -> Iterator[str]:
    """Words in a list, or in one text between commas."""
    if isinstance(value, str):
        value = _parted(value[:_RAW])
    if isinstance(value, list):
        yield from filter(None, (plain(one, WORD).strip(", ") for one in value[: 4 * WORDS]))


def _parted(text: str) -> list[str]:
    """At its commas, but not within brackets, which weigh what they hold."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth = max(0, depth + (letter in "([<{") - (letter in ")]>}"))
        if letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))[:WORDS]


def _weight(value: object) -> float | None:
    """A1111 writes 0 where nobody said one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if value and math.isfinite(value) and abs(value) <= HEAVIEST else None
