"""Files that a run saved and its job never heard of, as the program ended in between."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import UnreadableImage
from webui.archive import metadata
from webui.archive.entries import list_folder, look
from webui.archive.store import SavedImage

_DAY = 86_400.0  # seconds that clocks of disks and programs may differ
_State = tuple[int, int]  # of a file: bytes, nanoseconds


@dataclass(frozen=True, slots=True)
class _Listed:
    """A folder as it was: the files in it that are young, and the folders in it."""

    stamp: int  # nanoseconds
    files: dict[str, _State]
    inner: list[str]
    identity: tuple[int, int]


class Adoption:
    """Looks for them below `root`. A queue that is held asks again and again: what was read is remembered, so that
    asking again costs the young folders' listing and whatever is new. Safe from any thread."""

    def __init__(self, root: Path) -> None:
        self._root, self._lock = root, threading.Lock()
        self._since = float("inf")
        self._folders: dict[str, _Listed] = {}
        self._entered: dict[tuple[int, int], str] = {}  # which a folder is on its disk -> its name
        self._jobs: dict[Path, tuple[_State, metadata.Job | None]] = {}

    def made_for(self, job: str, since: float) -> dict[int, SavedImage]:
        """Place in the job -> its picture, among the files changed after `since` (seconds since 1970). Of two, the
        first by name."""
        with self._lock:
            return self._made_for(job, since)

    def _made_for(self, job: str, since: float) -> dict[int, SavedImage]:
        if since < self._since:
            self._since, self._folders = since, {}  # younger files than those were left out
        folders, self._folders, self._entered = self._folders, {}, {}
        jobs, self._jobs = self._jobs, {}
        found: dict[int, SavedImage] = {}
        for path, state in self._walk("", folders):
            with contextlib.suppress(UnreadableImage, OSError):  # not remembered: the disk may read it the next time
                known = jobs.get(path)
                self._jobs[path] = known if known is not None and known[0] == state else (state, _job_of(path))
                told = self._jobs[path][1]
                if told is None or told.id != job or told.place in found:
                    continue
                if (entry := look(self._root, path)) is not None:
                    found[told.place] = entry.saved
        return found

    def _walk(self, name: str, before: Mapping[str, _Listed]) -> Iterator[tuple[Path, _State]]:
        """The young files, in the order of `entries.walk`, without the trash. `before`: the folders as they were."""
        listed = self._listed(name, before.get(name))
        if listed is None or listed.identity in self._entered:
            return
        self._folders[name], self._entered[listed.identity] = listed, name
        for file in sorted(listed.files):
            yield self._root / name / file, listed.files[file]
        for below in listed.inner:
            yield from self._walk(below, before)

    def _listed(self, name: str, known: _Listed | None) -> _Listed | None:
        if known is not None and not self._is_young(known):
            with contextlib.suppress(OSError):
                if (self._root / name).stat().st_mtime_ns == known.stamp:
                    return known
        listed = list_folder(self._root, name)
        if listed is None:
            return None
        folder, inner, identity = listed
        young = {file: state for file, state in folder.files.items() if self._is_since(state[1])}
        return _Listed(folder.stamp, young, inner, identity)

    def _is_young(self, folder: _Listed) -> bool:
        """Listed each time: not every disk moves a folder's stamp for every file."""
        return bool(folder.files) or self._is_since(folder.stamp)

    def _is_since(self, stamp: int) -> bool:
        return stamp / 1e9 >= self._since - _DAY


def _job_of(path: Path) -> metadata.Job | None:
    record = metadata.read(path).record
    return record.job if record is not None else None
