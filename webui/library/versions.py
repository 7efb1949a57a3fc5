"""Small text files that are replaced whole, with their earlier versions kept beside them in `.history/`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import StorageError
from webui.archive.files import discard, sync_folder, write_part

HISTORY = ".history"
KEPT = 20  # versions of one file; the oldest go first

_NAME = re.compile(r"(.+)~(\d{6,})(\.[a-z]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """An earlier state of the file `name`; a larger number is later."""

    name: str
    number: int
    path: Path
    replaced_at: float  # seconds since 1970: when it stopped being the current one


class VersionedFolder:
    """Raises StorageError when the folder cannot be written."""

    def __init__(self, root: Path, *, kept: int = KEPT) -> None:
        self.root, self.kept = root, kept
        self.history = root / HISTORY

    def replace(self, name: str, data: bytes, *, keep: bool = True) -> Path:
        """Writes `name` whole; what it held before becomes a version, unless told not to keep it."""
        final = self.root / name
        with _told(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            part = write_part(self.root, data)
            try:
                if keep:
                    self._keep(final)
                part.replace(final)
            except OSError:
                discard(part)
                raise
            sync_folder(self.root)
        return final

    def remove(self, name: str) -> None:
        """Takes `name` away; what it held stays as a version."""
        with _told(self.root):
            self._keep(self.root / name)
            (self.root / name).unlink(missing_ok=True)
            sync_folder(self.root)

    def versions(self, name: str | None = None) -> tuple[Version, ...]:
        """Of one file or of all, latest first."""
        found: list[Version] = []
        with _told(self.root):
            if not self.history.is_dir():
                return ()
            for path in self.history.iterdir():
                match = _NAME.fullmatch(path.name)
                if match is not None and name in (None, match[1] + match[3]):
                    with contextlib.suppress(FileNotFoundError):  # another program may have thrown it away
                        at = path.stat().st_mtime
                        found.append(Version(name=match[1] + match[3], number=int(match[2]), path=path, replaced_at=at))
        return tuple(sorted(found, key=lambda version: (version.replaced_at, version.number), reverse=True))

    def _keep(self, file: Path) -> None:
        """A copy of `file` as its newest version."""
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return
        self.history.mkdir(exist_ok=True)
        earlier = sorted(self.versions(file.name), key=lambda version: version.number)
        number = earlier[-1].number + 1 if earlier else 1
        part = write_part(self.history, data)
        try:
            part.replace(self.history / f"{file.stem}~{number:06d}{file.suffix}")
        except OSError:
            discard(part)
            raise
        sync_folder(self.history)
        for version in earlier[: max(0, len(earlier) + 1 - self.kept)]:
            version.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError("folder_unwritable", folder=str(folder), problem=error.strerror or str(error)) from error
