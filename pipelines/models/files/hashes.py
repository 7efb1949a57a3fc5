"""SHA-256 of model files, computed once, in the background. Standard library only.

Size and time of a file tell whether it must be read again; a disk that fails changes bytes without them. So files are
also read again now and then, and what was found is kept: any process that has the same cache learns of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipelines.database import Schema, is_damage, opened, renew
from pipelines.errors import StorageError
from pipelines.models.files.folders import all_weights

BLOCK = 2**20  # bytes between two looks at whether to stop
SHORT = 10


def short_hash(sha256: str) -> str:
    """What A1111 writes as "Model hash" (AutoV2): the first ten hex digits."""
    return sha256[:SHORT]


# files hashed before: what is lost is computed again
SCHEMA = Schema(
    steps=(
        "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, bytes INT, changed INT, sha256 TEXT NOT NULL);",
        "ALTER TABLE hashes ADD COLUMN read REAL NOT NULL DEFAULT 0; ALTER TABLE hashes ADD COLUMN was TEXT;"
        "ALTER TABLE hashes ADD COLUMN sound REAL;",
    ),
    throwaway=True,
    synchronous="NORMAL",
)


class _Known(NamedTuple):
    """Times are seconds since 1970, but `changed`, the file's own in nanoseconds."""

    bytes: int
    changed: int
    sha256: str | None  # None: it cannot be read
    read: float
    was: str | None = None  # the hash that the file had with the same size and time, where that is another
    sound: float | None = None  # when it was last read so

    def again(self, sha256: str | None, now: float) -> _Known:
        """As it was read once more, of the same size and time."""
        if sha256 is None or sha256 == self.sha256:
            return self._replace(read=now)
        if sha256 == self.was:  # put right
            return _Known(self.bytes, self.changed, sha256, now)
        first = self.was is None
        was, sound = (self.sha256, self.read) if first else (self.was, self.sound)
        return _Known(self.bytes, self.changed, sha256, now, was, sound)


class Hashes:
    """Answers at once from memory or from the cache file; what is not known yet is computed by one quiet thread.

    A folder's hash is that of its weights' hashes and names. Remembered by path, bytes and time of change. Any thread
    may ask. A cache that cannot be read or written costs time, never an answer.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, _Known] = {}  # by path
        self._loaded: object = None  # the cache's stamp when it was read
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._pending: set[Path] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def get(self, path: Path) -> str | None:
        """64 hex digits, or None when it is not ready yet or the file cannot be read. Never waits."""
        path = _absolute(path)
        stamp = stamp_of(path)
        if stamp is None:
            return None
        with self._changed:
            self._start()
            known = self._known.get(str(path))
            if known is not None and known[:2] == stamp:
                return known.sha256
            if path not in self._pending and not self._closed.is_set():
                self._pending.add(path)
                self._queue.put(path)
        return None

    def wait(self, path: Path, timeout: float | None = None) -> str | None:
        """As `get`, but waits until it is ready, at most `timeout` seconds."""
        path = _absolute(path)
        found = self.get(path)
        if found is None:
            with self._changed:
                self._changed.wait_for(lambda: path not in self._pending or self._closed.is_set(), timeout)
            found = self.get(path)
        return found

    def altered(self, path: Path) -> tuple[str, float] | None:
        """The hash that the file had until its bytes changed and neither size nor time did, and when it was last read
        so (seconds since 1970). None where nothing of the kind was found. Never waits."""
        path = _absolute(path)
        with self._changed:
            known = self._known.get(str(path))
        if known is None or known.was is None or known.sound is None or known[:2] != stamp_of(path):
            return None
        return known.was, known.sound

    def oldest(self, before: float) -> Path | None:
        """Of the files that are as they were, by size and time, the one read longest ago, before that time."""
        with self._changed:
            self._start()
            known = sorted((one.read, path) for path, one in self._known.items() if one.read < before and one.sha256)
            stamps = {path: self._known[path][:2] for _, path in known}
        return next((Path(path) for _, path in known if stamp_of(Path(path)) == stamps[path]), None)

    def read_again(self, path: Path, wanted: Callable[[], bool]) -> None:
        """Whatever its size and time say, in this thread, as long as `wanted` says so; what that raises comes out."""
        path, stamp = _absolute(path), stamp_of(path)
        with self._changed:
            self._start()
            known = self._known.get(str(path))
        if known is None or known[:2] != stamp:
            return  # it is read for the first time when it is asked for
        found = _whole(path, lambda file: _digest(file, lambda: self._closed.is_set() or not wanted()))
        if found is None and (self._closed.is_set() or not wanted()):
            return
        if stamp == stamp_of(path):
            self._note(path, known.again(found, time.time()))

    def _note(self, path: Path, known: _Known) -> None:
        if known.sha256 is not None:
            self._save(path, known)
        with self._changed:
            self._known[str(path)] = known

    def close(self) -> None:
        """Ends the thread within a moment; what it was at is begun anew the next time."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
            thread = self._thread
        self._queue.put(None)
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        """Reads the cache where another process wrote into it, and begins."""
        stamp = self._cache_stamp()
        if stamp != self._loaded:
            self._loaded = stamp
            for path, found in self._load().items():
                if path not in self._known or self._known[path].read <= found.read:
                    self._known[path] = found
        if self._thread is None and not self._closed.is_set():
            self._thread = threading.Thread(target=self._work, name="hashes", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        be_quiet()
        while (path := self._queue.get()) is not None and not self._closed.is_set():
            stamp = stamp_of(path)
            found = self._hash(path)
            if self._closed.is_set():
                return
            if stamp is not None and stamp == stamp_of(path):  # else it changed meanwhile: hashed when asked again
                self._note(path, _Known(*stamp, found, time.time()))
            with self._changed:
                self._pending.discard(path)
                self._changed.notify_all()

    def _hash(self, path: Path) -> str | None:
        return _whole(path, self._hash_file)

    def _hash_file(self, path: Path) -> str:
        return _digest(path, self._closed.is_set)

    def _cache_stamp(self) -> object:
        if self._cache is None:
            return None
        return [stamp_of(file) for file in (self._cache, self._cache.with_name(f"{self._cache.name}-wal"))]

    def _load(self) -> dict[str, _Known]:
        if self._cache is None:
            return {}
        try:
            with contextlib.closing(opened(self._cache, SCHEMA)) as database:
                rows = database.execute("SELECT path, bytes, changed, sha256, read, was, sound FROM hashes").fetchall()
        except (sqlite3.Error, StorageError) as error:
            _renewed(self._cache, error)
            return {}
        return {path: _Known(*values) for path, *values in rows}

    def _save(self, path: Path, known: _Known) -> None:
        if self._cache is None:
            return
        try:
            with contextlib.closing(opened(self._cache, SCHEMA)) as database:
                database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?, ?)", (str(path), *known))
        except (sqlite3.Error, StorageError, UnicodeEncodeError) as error:
            _renewed(self._cache, error)  # it is computed again at the next start


def _renewed(cache: Path, error: Exception) -> None:
    """What a damaged cache held is computed again."""
    if isinstance(error, sqlite3.Error) and is_damage(error):
        with contextlib.suppress(OSError):
            renew(cache, SCHEMA)


def _whole(path: Path, hash_file: Callable[[Path], str]) -> str | None:
    """None when it cannot be read, or was not read to its end."""
    try:
        if not path.is_dir():
            return hash_file(path)
        whole = hashlib.sha256()
        for file in all_weights(path):
            whole.update(f"{file.relative_to(path).as_posix()}\0{hash_file(file)}\n".encode())
        return whole.hexdigest()
    except OSError:
        return None


def _digest(path: Path, ended: Callable[[], bool]) -> str:
    """Raises OSError, also when it is ended before the file is."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            if ended():
                raise InterruptedError
            digest.update(buffer[:count])
    return digest.hexdigest()


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - as `checkpoints` names it: links are not resolved


def stamp_of(path: Path) -> tuple[int, int] | None:
    """None when it cannot be read. Bytes and time of change (nanoseconds); of a folder: of all its weights."""
    try:
        if not path.is_dir():
            found = path.stat()
            return found.st_size, found.st_mtime_ns
        all_found = [file.stat() for file in all_weights(path)]
    except OSError:
        return None
    return sum(found.st_size for found in all_found), max((found.st_mtime_ns for found in all_found), default=0)


def be_quiet() -> None:
    """The lowest priority for this thread alone: on Linux a thread's number is good for that."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    elif sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetThreadPriority(kernel.GetCurrentThread(), 0x00010000)  # THREAD_MODE_BACKGROUND_BEGIN
