"""Walk model folders: sub-folders, links (loops and dead ends too), diffusers folders as one."""

from __future__ import annotations

import os
import stat as stat_module
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import Note
from pipelines.models.files.folders import INDEX
from pipelines.models.files.vision import CONFIG

SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One candidate. `relative` is its path below the root with "/"."""

    path: Path
    relative: str
    size: int = 0  # bytes
    changed: int = 0  # nanoseconds
    sidecar: int = 0  # when the .yaml beside it changed, nanoseconds; 0: there is none
    config: int = 0  # the same of the config.json in its folder
    is_folder: bool = False
    problem: Note | None = None


def walk(roots: Sequence[Path]) -> Iterator[Found]:
    """Each file once that may be a model, and each diffusers folder. Hidden names are skipped; a root that is not
    there holds nothing."""
    seen: set[tuple[int, int]] = set()
    for root in roots:
        top = Path(os.path.abspath(root))  # noqa: PTH100 - the paths shown are those people typed
        if top.is_dir():
            yield from _walk_folder(top, "", seen)


def _walk_folder(folder: Path, below: str, seen: set[tuple[int, int]]) -> Iterator[Found]:
    pending = [(folder, below)]
    while pending:
        folder, below = pending.pop()
        try:
            identity = folder.stat()
            if (identity.st_dev, identity.st_ino) in seen:
                continue  # a link back, or the same folder given twice
            seen.add((identity.st_dev, identity.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            problem = Note("models_unreadable", reason=error.strerror or str(error))
            yield Found(path=folder, relative=below.rstrip("/") or folder.name, is_folder=True, problem=problem)
            continue
        if any(entry.name == INDEX for entry in entries):
            yield Found(path=folder, relative=below.rstrip("/") or folder.name, is_folder=True)
            continue
        names = {entry.name: entry for entry in entries}
        for entry in entries:
            if entry.name.startswith("."):
                continue
            found = _look(entry, below, names)
            if isinstance(found, Found):
                yield found
            elif found:
                pending.append((folder / entry.name, f"{below}{entry.name}/"))


def _look(entry: os.DirEntry[str], below: str, names: dict[str, os.DirEntry[str]]) -> Found | bool:
    """A candidate, True for a folder to walk, False for anything else."""
    path, relative = Path(entry.path), below + entry.name
    wanted = entry.name.lower().endswith(SUFFIXES)
    try:
        if not wanted and not entry.is_symlink():
            return entry.is_dir()
        found = entry.stat()
    except OSError:  # the target is gone, or the link points at itself
        if not entry.is_symlink():
            return Found(path=path, relative=relative, problem=Note("model_unreadable")) if wanted else False
        problem = Note("dead_link", target=_target(path))
        return Found(path=path, relative=relative, problem=problem)
    if stat_module.S_ISDIR(found.st_mode):
        return True
    if not wanted or not stat_module.S_ISREG(found.st_mode):
        return False  # opening a pipe would wait for ever
    return Found(
        path=path,
        relative=relative,
        size=found.st_size,
        changed=found.st_mtime_ns,
        sidecar=_changed(names.get(f"{path.stem}.yaml")),
        config=_changed(names.get(CONFIG)),
    )


def _changed(entry: os.DirEntry[str] | None) -> int:
    try:
        return entry.stat().st_mtime_ns if entry is not None else 0
    except OSError:
        return 0


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return "?"
