"""What only the person who runs the program may read: the data folder, and the link that lets a browser in.

Folders and files get rid of what others may do with them, where the system knows of that (not on Windows, where a
folder in a person's own is theirs alone).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.errors import StorageError
from webui.archive.files import storage_errors
from webui.kept.settings import HOST

LINK, PAGE = "link", "open.html"
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(folder: Path, besides: Collection[Path] = ()) -> None:
    """Makes the folder where there is none, and takes it and all that is in it from others. Links are left as they
    are, and the folders `besides`. Raises StorageError when it cannot be made."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if os.name == "nt":
        return
    _close(folder)
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders if here / name not in besides]
        for name in (*folders, *files):
            _close(here / name)


def _close(path: Path) -> None:
    with contextlib.suppress(OSError):  # another's, gone meanwhile, or on a disk that knows no rights
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)


def write_private(path: Path, text: str) -> None:
    """A file of this text that nobody else could read at any time. Raises StorageError."""
    part = path.with_name(f"{path.name}-{secrets.token_hex(8)}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError("file_not_written", file=str(path), reason=error.strerror or str(error)) from error


def link(port: int, token: str | None) -> str:
    """The address that lets a browser in."""
    return f"http://{HOST}:{port}/" + (f"?token={token}" if token else "")


def keep_link(folder: Path, link: str) -> str:
    """Notes the link of the program that uses this folder, for the command `link`; the address that a browser is
    started with. The command line of a browser is seen by every account, so the link stands in a page of ours where
    browsers can read it: those of Windows, which the Linux inside it starts, cannot. Raises StorageError."""
    write_private(folder / LINK, link)
    if os.name == "nt" or "WSL_DISTRO_NAME" in os.environ or "?" not in link:
        return link
    page = folder / PAGE
    write_private(page, f'<!doctype html><meta http-equiv="refresh" content="0; url={link}">')
    return page.as_uri()


def forget_link(folder: Path) -> None:
    """When the program ends."""
    for name in (LINK, PAGE):
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def links(folder: Path) -> list[str]:
    """Of the programs that use this data folder now, the first one first."""
    files = [folder / LINK, *sorted(folder.glob(f"instance-*/{LINK}"))]
    found = list[str]()
    for file in files:
        with contextlib.suppress(OSError, UnicodeDecodeError):  # none, or something else in its place
            found.append(file.read_text(encoding="utf-8"))
    return [one for one in found if _answers(urlsplit(one).port)]


def _answers(port: int | None) -> bool:
    """Whether a program listens there. One that was killed leaves its link behind."""
    try:
        with socket.create_connection((HOST, port or 0), timeout=1):
            return True
    except OSError:
        return False
