"""SHA-256 of model files, computed once, in the background. Standard library only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import sqlite3
import sys
import threading
from pathlib import Path

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
    steps=("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, bytes INT, changed INT, sha256 TEXT NOT NULL);",),
    throwaway=True,
    synchronous="NORMAL",
)


class Hashes:
    """Answers at once from memory or from the cache file; what is not known yet is computed by one quiet thread.

    A folder's hash is that of its weights' hashes and names. Remembered by path, bytes and time of change. Any thread
    may ask. A cache that cannot be read or written costs time, never an answer.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[
            str, tuple[int, int, str | None]
        ] = {}  # path -> (bytes, nanoseconds, hash or None: unreadable)
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
                return known[2]
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
        if self._thread is None and not self._closed.is_set():
            self._known = self._load() | self._known
            self._thread = threading.Thread(target=self._work, name="hashes", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        _be_quiet()
        while (path := self._queue.get()) is not None and not self._closed.is_set():
            stamp = stamp_of(path)
            found = self._hash(path)
            if self._closed.is_set():
                return
            if stamp is not None and stamp == stamp_of(path):  # else it changed meanwhile: hashed when asked again
                if found is not None:
                    self._save(path, stamp, found)
                with self._changed:
                    self._known[str(path)] = (*stamp, found)
            with self._changed:
                self._pending.discard(path)
                self._changed.notify_all()

    def _hash(self, path: Path) -> str | None:
        try:
            if not path.is_dir():
                return self._hash_file(path)
            whole = hashlib.sha256()
            for file in all_weights(path):
                whole.update(f"{file.relative_to(path).as_posix()}\0{self._hash_file(file)}\n".encode())
            return whole.hexdigest()
        except OSError:
            return None

    def _hash_file(self, path: Path) -> str | None:
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(BLOCK))
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                if self._closed.is_set():
                    return None
                digest.update(buffer[:count])
        return digest.hexdigest()

    def _load(self) -> dict[str, tuple[int, int, str | None]]:
        if self._cache is None:
            return {}
        try:
            with contextlib.closing(opened(self._cache, SCHEMA)) as database:
                rows = database.execute("SELECT path, bytes, changed, sha256 FROM hashes").fetchall()
        except (sqlite3.Error, StorageError) as error:
            _renewed(self._cache, error)
            return {}
        return {path: (size, changed, sha256) for path, size, changed, sha256 in rows}

    def _save(self, path: Path, stamp: tuple[int, int], sha256: str) -> None:
        if self._cache is None:
            return
        try:
            with contextlib.closing(opened(self._cache, SCHEMA)) as database:
                database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", (str(path), *stamp, sha256))
        except (sqlite3.Error, StorageError, UnicodeEncodeError) as error:
            _renewed(self._cache, error)  # it is computed again at the next start


def _renewed(cache: Path, error: Exception) -> None:
    """What a damaged cache held is computed again."""
    if isinstance(error, sqlite3.Error) and is_damage(error):
        with contextlib.suppress(OSError):
            renew(cache, SCHEMA)


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


def _be_quiet() -> None:
    """The lowest priority for this thread alone: on Linux a thread's number is good for that."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    elif sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        kernel.SetThreadPriority(kernel.GetCurrentThread(), 0x00010000)  # THREAD_MODE_BACKGROUND_BEGIN
