"""What a person should know until they say that they do: damaged databases, files that rotted, a second program, what
an update changed.

All but what was dismissed is found anew each time, from what lies in the folders, so a notice outlives the program.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipelines.database import DAMAGED
from pipelines.errors import Note
from webui.kept.private import write_private

FILE = "dismissed.json"
FRESH = 30.0  # seconds that what is known of the models is not asked for again
_ASIDE = f"*{DAMAGED}*.sqlite"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    id: str
    note: Note


class Notices:
    """Of a data folder; any thread may ask."""

    def __init__(
        self,
        folder: Path,
        first: Path | None = None,
        found: Callable[[], Iterable[Note]] = tuple,
        update: Callable[[], Note | None] = lambda: None,
        fresh: float = FRESH,
    ) -> None:
        """`first`: the data folder that another program uses, if this is a second one. `found`: of model files whose
        bytes have changed, and what else is looked for now and then. `update`: what the golden set says of one.
        `fresh`: seconds that neither is asked again."""
        self._folder, self._first, self._fresh = folder, first, fresh
        self._find, self._update = found, update
        self._lock = threading.Lock()
        self._asked, self._found = -fresh, tuple[Note, ...]()
        self._dismissed = self._read()

    def __call__(self) -> tuple[Notice, ...]:
        with self._lock:
            return tuple(one for one in self._all() if one.id not in self._dismissed)

    def dismiss(self, identity: str) -> None:
        """It is not told any more, unless the same happens again. Raises StorageError when that cannot be kept: then
        it is told after the next start."""
        with self._lock:
            self._dismissed = {one.id for one in self._all()} & {*self._dismissed, identity}
            write_private(self._folder / FILE, json.dumps(sorted(self._dismissed)))

    def _all(self) -> Iterator[Notice]:
        if self._first is not None:
            yield _notice(Note("second_program", folder=str(self._first)), id(self))  # of this run of the program
        for path in sorted({*self._folder.glob(_ASIDE), *self._folder.glob(f"instance-*/{_ASIDE}")}):
            with contextlib.suppress(OSError):  # gone meanwhile
                yield _notice(Note("database_kept", file=str(path)), path.stat().st_mtime_ns)
        if time.monotonic() - self._asked >= self._fresh:
            told = self._update()
            self._found = (*(() if told is None else (told,)), *self._find())
            self._asked = time.monotonic()
        yield from (_notice(note) for note in self._found)

    def _read(self) -> set[str]:
        try:
            data = json.loads((self._folder / FILE).read_text(encoding="ascii"))
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            log.warning("What was dismissed cannot be read: %s", error)
            return set()
        return {str(one) for one in data} if isinstance(data, list) else set()


def _notice(note: Note, when: int = 0) -> Notice:
    """`when`: another one may take the name of a file."""
    told = json.dumps([note.to_json(), when], sort_keys=True)
    return Notice(sha256(told.encode()).hexdigest()[:16], note)
