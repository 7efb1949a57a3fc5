"""Files that are whole or not there: part file, fsync, publish under a new name, folder fsync."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import StorageError, Unavailable

PART = ".part"
PART_AGE = 60.0  # seconds; a younger part file may belong to another running program

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENODEV, getattr(errno, "ESTALE", errno.ENOENT)}
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES, errno.EBADF, errno.EISDIR}


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """The one place where the operating system's errors about `folder` become `StorageError`s."""
    try:
        yield
    except OSError as error:
        raise _told(folder, error) from error


def _told(folder: Path, error: OSError) -> StorageError:
    if error.errno == errno.ENAMETOOLONG:
        return StorageError("folder_path_too_long", folder=str(folder))
    for numbers, code in ((_FULL, "folder_full"), (_CLOSED, "folder_closed"), (_GONE, "folder_gone")):
        if error.errno in numbers:
            return Unavailable(code, folder=str(folder))
    return Unavailable("folder_failed", reason=error.strerror or str(error), folder=str(folder))


def make_folder(root: Path, relative: Path) -> Path:
    """Makes `root / relative`; `root` itself must exist, so that an unplugged disk is noticed. Raises OSError."""
    folder = root
    for part in relative.parts:
        parent, folder = folder, folder / part
        if not folder.is_dir():
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)  # noqa: PTH102  the fault tests count calls of `os`
            sync_folder(parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    return folder


def write_part(folder: Path, data: bytes) -> Path:
    """A new part file in `folder` with `data`, on the disk when this returns; nothing is left on failure."""
    part = folder / f"{secrets.token_hex(8)}{PART}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(part, flags, 0o666)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        discard(part)
        raise
    return part


def publish(part: Path, final: Path) -> None:
    """Gives the part file its final name, never over an existing file: raises FileExistsError, part kept."""
    if os.name == "nt":
        os.rename(part, final)  # noqa: PTH104  refuses an existing name there
        return
    try:
        os.link(part, final)  # atomic, and unlike rename refuses an existing name
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and some network disks have no links: the counter already made the name unlikely to be taken
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from error
        os.rename(part, final)  # noqa: PTH104
        return
    discard(part)


def discard(part: Path) -> None:
    """Removes a part file; one that stays is swept at a later start."""
    with contextlib.suppress(OSError):
        os.unlink(part)  # noqa: PTH108


def sync_folder(folder: Path) -> None:
    """Makes names in `folder` survive a power cut, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def write_new(folder: Path, name: str, data: bytes) -> Path:
    """Part file, fsync, publish, folder fsync. Raises FileExistsError when the name is taken, else OSError."""
    part = write_part(folder, data)
    try:
        publish(part, folder / name)
    except OSError:
        discard(part)
        raise
    sync_folder(folder)
    return folder / name


def sweep(root: Path, *, depth: int = 3) -> int:
    """Removes part files that a crash left at most `depth` folders deep; says how many."""
    swept = 0
    deadline = time.time() - PART_AGE
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir():
                    swept += sweep(Path(entry.path), depth=depth - 1) if depth else 0
                elif entry.name.endswith(PART) and entry.stat(follow_symlinks=False).st_mtime < deadline:
                    os.unlink(entry.path)  # noqa: PTH108
                    swept += 1
    return swept
