"""Pictures moved out of the way, back, and into folders. No file is ever written over, and none is half there.

A deletion is a folder of its own in `outputs/.trash/`, holding the files under the paths they had, so a person can undo
it with any file manager too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.errors import InvalidRequest, Note, StorageError
from webui.archive.entries import TRASH
from webui.archive.files import discard, make_folder, publish, storage_errors, sync_folder, write_part
from webui.archive.history import History
from webui.archive.inputs import INPUTS
from webui.archive.search import Query

FOLDERS = 3  # within each other
FOLDER_LIMIT = 60  # characters of each part
_TRIES = 1000
_ALL = 1_000_000
_BAD = re.compile(r'[<>:"|?*\\\x00-\x1f]|^\s|[\s.]$|^\.')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # device names on Windows


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """`places`: old place -> new place. `problem`: why the rest stayed."""

    places: dict[Path, Path]
    problem: Note | None = None


class Trash:
    """Moves files of the archive and tells its index."""

    def __init__(self, history: History) -> None:
        self._history, self._root = history, history.root

    def delete(self, identities: Sequence[str]) -> Done:
        """Into the trash."""
        batch = PurePosixPath(TRASH, secrets.token_hex(4))
        return self._move(identities, False, lambda inside: PurePosixPath(batch, inside))

    def restore(self, identities: Sequence[str]) -> Done:
        """Back to where they were; beside what has taken the place since."""
        return self._move(identities, True, lambda inside: PurePosixPath(*inside.parts[2:]))

    def move(self, identities: Sequence[str], folder: str) -> Done:
        """Into a folder below the outputs folder, made when it is not there. Raises InvalidRequest."""
        target = folder_name(folder)
        return self._move(identities, False, lambda inside: PurePosixPath(target, inside.name))

    def empty(self, identities: Sequence[str] | None = None) -> int:
        """Removes pictures in the trash for good, all of them unless ids are given; how many. Raises StorageError."""
        if identities is None:
            entries = list(self._history.search(Query(trashed=True), _ALL).entries)
        else:
            entries = [entry for entry in self._history.entries(identities) if entry.trashed]
        removed: list[Path] = []
        try:
            with storage_errors(self._root):
                for entry in entries:
                    entry.saved.path.unlink(missing_ok=True)
                    removed.append(entry.saved.path)
        finally:
            self._history.gone(removed)
            self._sweep(removed)
        return len(removed)

    def _move(self, identities: Sequence[str], trashed: bool, place: Callable[[PurePosixPath], PurePosixPath]) -> Done:
        places: dict[Path, Path] = {}
        problem = None
        for entry in self._history.entries(identities):
            old = entry.saved.path
            inside = PurePosixPath(old.relative_to(self._root).as_posix())
            new = self._root / place(inside)
            if entry.trashed is not trashed or new == old:
                continue
            try:
                with storage_errors(self._root):
                    places[old] = relocate(self._root, old, new)
            except StorageError as error:
                problem = error.note
                break
        self._history.moved(places.items())
        if trashed:
            self._sweep(places)
        return Done(places=places, problem=problem)

    def _sweep(self, paths: Sequence[Path] | dict[Path, Path]) -> None:
        """Removes folders of the trash that are empty now."""
        trash = self._root / TRASH
        for path in paths:
            for folder in path.parents:
                if trash not in (folder, *folder.parents):
                    break
                with contextlib.suppress(OSError):  # not empty
                    folder.rmdir()


def folder_name(text: str) -> PurePosixPath:
    """A folder below the outputs folder as a person types it. Raises InvalidRequest."""
    parts = [part for part in text.strip().strip("/").split("/") if part]
    bad = any(_BAD.search(part) or _RESERVED.fullmatch(part) or len(part) > FOLDER_LIMIT for part in parts)
    if not parts or len(parts) > FOLDERS or bad or parts[0].lower() == INPUTS:
        raise InvalidRequest("folder", "folder_name", most=FOLDERS, value=text[:80])
    return PurePosixPath(*parts)


def relocate(root: Path, old: Path, new: Path) -> Path:
    """Moves a file to the first free name like `new`, which lies below `root`; where it is now. Raises OSError."""
    folder = make_folder(root, new.parent.relative_to(root))
    for attempt in range(1, _TRIES):
        target = new if attempt == 1 else folder / f"{new.stem} ({attempt}){new.suffix}"
        try:
            _take(old, target)
        except FileExistsError:
            continue
        with contextlib.suppress(OSError):  # the move itself is done
            sync_folder(folder)
            sync_folder(old.parent)
        return target
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new))


def _take(old: Path, target: Path) -> None:
    """Never over an existing file, and never leaves two."""
    try:
        publish(old, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = write_part(target.parent, old.read_bytes())  # a linked folder on another disk
        try:
            publish(part, target)
        except OSError:
            discard(part)
            raise
        discard(old)
    if old.exists():  # it could be linked at its new place but not taken from the old one
        discard(target)
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(old))
