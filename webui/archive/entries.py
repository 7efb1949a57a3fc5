"""What the index knows of one file, read from the file itself, and the walk that finds the files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from pipelines.errors import Note, StorageError, UnreadableImage
from pipelines.types import Task
from webui.archive import metadata
from webui.archive.inputs import INPUTS
from webui.archive.naming import GRID
from webui.archive.store import SavedImage, opaque_id

log = logging.getLogger(__name__)

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif"}
_ENDINGS = tuple(SUFFIXES)
UNKNOWN_SEED = -1
TRASH = ".trash"  # below the root: one folder for each time that something was deleted
DEPTH = 16  # folders below the root
MANY = 4000  # files; a process costs half a second to start
CORES = 8  # at most: more wait for the disk

_TASKS = get_args(Task)
_ENDS = 4096  # bytes of a foreign file that stand for it
_KEY = 32  # hexadecimal digits
_DIGEST = 16  # likewise


Verdict = Literal["not_yet", "identical", "differs", "cannot"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_OURS = "p:"  # how marks of pixels begin


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What came of making a picture again. `told`: the report's JSON, of whatever version wrote it."""

    verdict: str
    at: datetime  # with its UTC offset
    told: Mapping[str, Any]

    @classmethod
    def read(cls, verdict: str, at: str, told: str) -> Proof:
        """A row of `proofs`. Raises ValueError."""
        return cls(verdict=verdict, at=datetime.fromisoformat(at), told=json.loads(told))


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What a judge measured of a picture."""

    value: float
    judge: str
    sha256: str  # of the judge's file


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One picture of the archive. `mark` names its pixels, wherever the file goes: stars and tags hang on it."""

    saved: SavedImage
    model: str = ""
    sampler: str = ""
    mark: str = ""
    source: str = ""  # the mark of the picture it was made from
    stamp: int = 0  # nanoseconds, the file's time
    size: int = 0  # bytes
    trashed: bool = False
    rating: int = 0  # 0 … 5
    tags: tuple[str, ...] = ()
    problem: Note | None = None  # why the file, or what it says of itself, cannot be read
    digest: str = ""  # of the file's bytes; what was proved hangs on it
    proof: Proof | None = None
    score: Score | None = None

    @property
    def can_be_made(self) -> bool:
        """Whether the file holds our record of a single picture. What else is needed, making it again tells."""
        return self.saved.kind == "image" and self.mark.startswith(_OURS)

    @property
    def verdict(self) -> Verdict:
        """Its badge: what `Query.proof` finds it by."""
        if not self.can_be_made:
            return "cannot"
        known = self.proof.verdict if self.proof is not None else ""
        return next((one for one in VERDICTS if one == known), "not_yet")


Reason = Literal["deep", "link", "name", "closed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder as it was when it was listed. `files`: name -> (bytes, nanoseconds). `left_out`: what of it is no part
    of the archive, and why: a reason for each."""

    name: str  # below the root, with /; "" is the root itself
    stamp: int  # nanoseconds, taken before the listing
    files: dict[str, tuple[int, int]]
    left_out: tuple[tuple[Reason, str], ...] = ()  # with the name


def look(root: Path, path: Path) -> Entry | None:
    """What a file says of itself; None when it vanishes meanwhile. Whatever it holds, this does not fail: a file that
    cannot be read has its reason as `problem`."""
    try:
        state = path.stat()
    except OSError:
        return None
    try:
        return _look(root, path, state)
    except UnreadableImage as error:
        problem = error.note
    except FileNotFoundError:
        return None
    except Exception as error:  # a bug of ours, or of a library, costs this one file and never the index
        log.exception("%s could not be read", path)
        problem = Note("picture_bug", name=path.name, reason=repr(error)[:200])
    return _unreadable(root, path, state, problem)


def _look(root: Path, path: Path, state: os.stat_result) -> Entry:
    back = metadata.read(path)
    record = back.record
    mark = pixel_mark(record.pixels_sha256) if record else _file_mark(path, state.st_size)
    parts = path.relative_to(root).parts
    is_grid = record.kind == "grid" if record else path.name.startswith(GRID)
    settings: Any = record.settings if record else back.fields
    saved = SavedImage(
        path=path,
        kind="grid" if is_grid else "image",
        seed=_whole(back.fields.get("seed")),
        width=back.size[0],
        height=back.size[1],
        task=parts[0] if parts[0] in _TASKS else _task(back.fields, settings),
        prompt=clean(back.fields.get("prompt", "")),
        made_at=_moment(record.made_at if record else None, state),
        id=opaque_id(root, path),
    )
    return Entry(
        saved=saved,
        model=_name(settings.get("model")),
        sampler=_name(settings.get("sampler")),
        mark=mark,
        source=_source(record.parent if record else None, settings),
        stamp=_stamp(state),
        size=state.st_size,
        trashed=parts[0] == TRASH,
        problem=back.problem,
        digest=digest_of(path) if record else "",
    )


def _unreadable(root: Path, path: Path, state: os.stat_result, problem: Note) -> Entry:
    parts = path.relative_to(root).parts
    saved = SavedImage(
        path=path,
        kind="image",
        seed=UNKNOWN_SEED,
        width=0,
        height=0,
        task=parts[0] if parts[0] in _TASKS else _TASKS[0],
        prompt="",
        made_at=_moment(None, state),
        id=opaque_id(root, path),
    )
    try:
        mark = _file_mark(path, state.st_size)
    except OSError:  # it may be closed to us
        mark = ""
    return Entry(
        saved=saved, mark=mark, stamp=_stamp(state), size=state.st_size, trashed=parts[0] == TRASH, problem=problem
    )


def _moment(made_at: datetime | None, state: os.stat_result) -> datetime:
    """When the picture was made, else the file's own time, else (clocks can be set to anything) the beginning."""
    for moment in (made_at, state.st_mtime):
        with contextlib.suppress(OverflowError, ValueError, OSError):
            found = datetime.fromtimestamp(moment).astimezone() if isinstance(moment, float) else moment
            if found is not None and found.timestamp() >= 0:
                return found
    return datetime.fromtimestamp(0, UTC)


def look_many(root: Path, paths: Sequence[Path], step: int) -> Iterator[list[Entry]]:
    """What `look` finds, in the order of `paths`, those of `step` files at a time; of many files on all cores.
    Raises StorageError."""
    chunks = (paths[start : start + step] for start in range(0, len(paths), step))
    cores = min(os.cpu_count() or 1, CORES)
    if len(paths) < MANY or cores < 2:
        yield from (_look_at(root, chunk) for chunk in chunks)
        return
    try:
        # spawned: the page's process has threads, and a fork of it could wait for ever for one of their locks
        with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
            ahead = deque(pool.submit(_look_at, root, chunk) for chunk in islice(chunks, 4 * cores))
            while ahead:  # no further than that, whatever the size of the archive
                yield ahead.popleft().result()
                ahead.extend(pool.submit(_look_at, root, chunk) for chunk in islice(chunks, 1))
    except BrokenExecutor as error:
        raise StorageError("index_process_ended", folder=str(root)) from error


def _look_at(root: Path, paths: Sequence[Path]) -> list[Entry]:
    return [entry for path in paths if (entry := look(root, path)) is not None]


def clean(text: object) -> str:
    """Text that a database takes: no lone surrogates, no NUL."""
    return str(text).encode(errors="replace").decode().replace("\0", "")


def pixel_mark(sha256: str) -> str:
    """The key of a picture whose pixels' hash is known: the first half of it."""
    return f"{_OURS}{sha256[:_KEY]}"


def digest_of(path: Path) -> str:
    """Stands for a file's bytes wherever it goes: its size, beginning, middle and end. A PNG of other pixels ends in
    another checksum. Raises OSError."""
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=_DIGEST // 2)
    with path.open("rb") as file:
        for place in (0, max(0, (size - _ENDS) // 2), max(0, size - _ENDS)):
            file.seek(place)
            digest.update(file.read(_ENDS))
    return digest.hexdigest()


def _file_mark(path: Path, size: int) -> str:
    """Pictures of other programs: their size and both ends, as decoding every one would take minutes."""
    digest = hashlib.blake2b(str(size).encode(), digest_size=_KEY // 2)
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(0, size - _ENDS))
        digest.update(file.read(_ENDS))
    return f"f:{digest.hexdigest()}"


def _source(parent: Any, settings: Any) -> str:
    """The parent the record names, else (in older records) the picture that img2img began with."""
    init = settings.get("init")
    found = parent.get("pixels_sha256") if parent else init.get("image") if isinstance(init, dict) else None
    return pixel_mark(clean(found)) if isinstance(found, str) else ""


def _whole(value: object) -> int:
    """SQLite holds 64 bits."""
    return value if isinstance(value, int) and 0 <= value < 2**63 else UNKNOWN_SEED


def _name(value: object) -> str:
    return clean(value)[:200] if isinstance(value, str) else ""


def _task(fields: Any, settings: Any) -> str:
    if settings.get("upscale"):
        return "upscale"
    if "mask_blur" in fields or settings.get("inpaint"):
        return "inpaint"
    return "img2img" if "strength" in fields else "txt2img"


def walk(root: Path, start: str = "") -> Iterator[Folder]:
    """The folders from `start` down, and those of the trash. Linked files and the copies of inputs are left out;
    linked folders are followed, as people keep archives on other disks, but no folder is entered twice."""
    seen: set[tuple[int, int]] = set()
    yield from _walk(root, start, seen)
    if not start:
        yield from _walk(root, TRASH, seen)


def _walk(root: Path, name: str, seen: set[tuple[int, int]]) -> Iterator[Folder]:
    listed = list_folder(root, name)
    if listed is None:
        return
    folder, inner, identity = listed
    if identity in seen:
        return
    seen.add(identity)
    yield folder
    for below in inner:
        yield from _walk(root, below, seen)


def list_folder(root: Path, name: str) -> tuple[Folder, list[str], tuple[int, int]] | None:
    """A folder, the names of the folders in it worth entering, and which it is on its disk; None when there is none.
    One that may not be listed is left out of its own."""
    files: dict[str, tuple[int, int]] = {}
    inner: list[tuple[bool, str]] = []
    left_out: list[tuple[Reason, str]] = []
    try:
        place = (root / name).stat()
        with _listing(root / name, left_out) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                reason = _left_out(entry)
                if reason is not None:
                    left_out.append((reason, entry.name))
                elif entry.is_dir():
                    inner.append((entry.is_symlink(), f"{name}/{entry.name}" if name else entry.name))
                elif _is_picture(entry.name) and entry.is_file(follow_symlinks=False):
                    state = entry.stat(follow_symlinks=False)
                    files[entry.name] = (state.st_size, _stamp(state))
    except OSError:
        return None
    parts = name.split("/") if name else []
    in_trash = parts[:1] == [TRASH]
    depth = len(parts) - (2 if in_trash else 0)
    inner.sort()  # a folder's own place before links to it
    below = [one for _, one in inner if not (not parts and one == INPUTS)]
    if depth >= DEPTH:
        left_out += [("deep", one.rpartition("/")[2]) for one in below]
        below = []
    if parts == [TRASH]:
        files = {}  # what lies there without a folder of its own was not put there by us
    folder = Folder(name=name, stamp=place.st_mtime_ns, files=files, left_out=tuple(left_out))
    return folder, below, (place.st_dev, place.st_ino)


@contextlib.contextmanager
def _listing(folder: Path, left_out: list[tuple[Reason, str]]) -> Iterator[Iterator[os.DirEntry[str]]]:
    try:
        entries = os.scandir(folder)
    except PermissionError:
        left_out.append(("closed", ""))
        yield iter(())
        return
    with entries:
        yield entries


def _left_out(entry: os.DirEntry[str]) -> Reason | None:
    if not _is_text(entry.name):
        return "name" if entry.is_dir() or _is_picture(entry.name) else None
    if entry.is_dir() or not _is_picture(entry.name):
        return None
    return "link" if entry.is_symlink() else None


def _is_picture(name: str) -> bool:
    return name.lower().endswith(_ENDINGS)  # a Path would take most of the walk's time


def picture_at(root: Path, place: PurePosixPath) -> Path | None:
    """The picture at a place below `root`, as the walk finds it: linked folders are followed, a linked file is none,
    nor is one that is hidden."""
    file = root / place
    inside = place.parts[1:] if place.parts[:1] == (TRASH,) else place.parts
    if place.is_absolute() or file.suffix.lower() not in SUFFIXES or any(part.startswith(".") for part in inside):
        return None
    try:
        return file if file.is_file() and not file.is_symlink() else None
    except (OSError, ValueError):
        return None  # no name that this system knows


def _stamp(state: os.stat_result) -> int:
    """Nanoseconds, in the 64 bits that a database has for them: until the year 2262."""
    return max(-(2**63), min(state.st_mtime_ns, 2**63 - 1))


def _is_text(name: str) -> bool:
    """File names on Linux may be any bytes; those that are no text cannot go into the index."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
