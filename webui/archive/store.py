"""Images into the outputs folder: each whole or not there, named after seed and prompt, with its own recipe inside."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Literal

from PIL import Image

from pipelines.errors import InvalidRequest, StorageError, Unavailable
from pipelines.fields import flat_json
from pipelines.types import REQUEST_FIELDS, GenerationRequest, GenerationResult
from webui.archive import formats, metadata, numbers, pictures
from webui.archive.files import PART, discard, make_folder, publish, storage_errors, sweep, sync_folder, write_part
from webui.archive.grids import Tile, make_grid
from webui.archive.inputs import INPUTS, InputsNamed, InputStore, pixels_sha256
from webui.archive.metadata import Job, Record, to_infotext
from webui.archive.naming import DEFAULT_PATTERN, GRID, NAME_LIMIT, NameFacts, NamePattern

JPEG_ABOVE = 40_000_000  # pixels; a larger grid is kept as JPEG
SIDECARS = ("txt", "json")
GRIDS = ("plain", "seeds", "none")  # without words, with the seed under each picture
_SPACE_FACTOR = 3
_TEXT_ROOM = 64 * 1024  # bytes an image, for texts and file system
_WINDOWS_PATH = 255
_TRIES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedImage:
    """A file in the archive."""

    path: Path
    kind: Literal["image", "grid"]
    seed: int
    width: int  # pixels
    height: int  # pixels
    task: str
    prompt: str
    made_at: datetime  # with its UTC offset
    id: str = ""  # opaque, the same as long as the file keeps its place

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path), "made_at": self.made_at.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SavedImage:
        """What a later version wrote besides is left out. Raises LookupError, TypeError, ValueError."""
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        return cls(**{**known, "path": Path(data["path"]), "made_at": datetime.fromisoformat(data["made_at"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """How pictures are saved. Raises InvalidRequest for a pattern, format, sidecar or grid that there is not."""

    pattern: str = DEFAULT_PATTERN
    format: str = "png"
    sidecars: tuple[str, ...] = ()
    grid: str = "plain"  # of the pictures of a run

    def __post_init__(self) -> None:
        NamePattern(self.pattern)
        formats.check(self.format)
        if set(self.sidecars) - set(SIDECARS):
            raise InvalidRequest("sidecars", "choice", choices=SIDECARS, value=self.sidecars)
        if self.grid not in GRIDS:
            raise InvalidRequest("grid", "choice", choices=GRIDS, value=self.grid)

    @property
    def suffix(self) -> str:
        return formats.suffix(formats.check(self.format))


def place_below(root: Path, path: Path) -> PurePosixPath | None:
    """A file's place under `root`, None when it is elsewhere. What counts is where `path` leads when nothing is said
    in it of links: one of the two may go there by a link and the other not."""
    for base, file in ((root, path), (root.resolve(), path.parent.resolve() / path.name)):
        if file.is_relative_to(base) and ".." not in (inside := file.relative_to(base)).parts:
            return PurePosixPath(inside.as_posix())
    return None


def opaque_id(root: Path, path: Path) -> str:
    """32 hexadecimal digits that stand for a file's place under `root`. Raises ValueError for one elsewhere."""
    place = place_below(root, path)
    if place is None:
        raise ValueError(f"{path} is not below {root}")
    return hashlib.blake2b(place.as_posix().encode(errors="surrogatepass"), digest_size=16).hexdigest()


@dataclass(slots=True)
class _Counter:
    """The last number of a folder, true as long as the folder's own time stamp has not moved."""

    number: int
    stamp: int  # nanoseconds


class ImageStore:
    """Writes `root/<task>/<date>/<name>`. Safe from any thread, and beside another program on the same folder.

    Its `saving` is checked when that is built, but for a format that this Pillow cannot write: InvalidRequest."""

    def __init__(
        self,
        root: Path,
        *,
        saving: Saving | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self.root = Path(root)
        self.inputs = InputStore(self.root / INPUTS)
        self._clock = clock
        self._counters: dict[Path, _Counter] = {}
        self._lock = threading.Lock()
        self._prepared = False
        self.save_as(saving or Saving())

    @property
    def saving(self) -> Saving:
        """How pictures are saved."""
        return self._saving

    def number_in(self, name: str) -> int | None:
        """The number in the name of a picture saved in this way, else None."""
        return self._pattern.number_in(name)

    def save_as(self, saving: Saving) -> None:
        """From the next picture on."""
        with self._lock:
            self._saving, self._pattern = saving, NamePattern(saving.pattern)
            self._format = formats.check(saving.format)
            self._sidecars = saving.sidecars
            self._counters.clear()  # numbers stand elsewhere in names of another pattern

    def prepare(self, *, used: bool = False) -> None:
        """Makes the folder, proves that it can be written, removes part files of a crash. `used`: it was there before,
        so that it is not made: its disk may be unplugged. Raises StorageError."""
        self._prepared = used
        with storage_errors(self.root):
            if not used:
                self.root.mkdir(parents=True, exist_ok=True)
            discard(write_part(self.root, b"seedprint"))
            sweep(self.root)
        self._prepared = True

    def check(self) -> None:
        """Raises StorageError unless the folder is there and can be written. It is not made: where a disk was
        unplugged, its pictures must not go into an empty folder of that name."""
        with storage_errors(self.root):
            discard(write_part(self.root, b"seedprint"))

    def look(self) -> None:
        """Raises StorageError when the folder is gone: then a file that is not found says nothing."""
        with storage_errors(self.root):
            self.root.stat()

    def free_bytes(self) -> int:
        """Free space where the images go. Raises StorageError."""
        with storage_errors(self.root):
            return shutil.disk_usage(self.root).free

    def check_space(self, request: GenerationRequest) -> None:
        """Raises StorageError unless three times what the run may need is free."""
        need = _SPACE_FACTOR * (request.images + 1) * (math.prod(request.size) * 3 + _TEXT_ROOM)
        free = self.free_bytes()
        if free < need:
            raise Unavailable("space_short", free=free / 1e6, need=need / 1e6, folder=str(self.root))

    def save(self, result: GenerationResult, job: Job | None = None) -> SavedImage:
        """Keeps one image. On StorageError nothing is left behind and `result` can be saved again."""
        self._ready()
        record = Record.of(result, self.inputs, self._clock(), job)
        return self._keep(record, self._encoded(record, result.image), result.image.size)

    def encoded(self, result: GenerationResult, job: Job) -> formats.Encoded:
        """The file of an image that cannot be saved now, for `put`; nothing is written."""
        record = Record.of(result, InputsNamed(self.inputs.folder), self._clock(), job)
        return self._encoded(record, result.image)

    def put(self, file: formats.Encoded) -> SavedImage:
        """Keeps an image that was encoded earlier. Raises StorageError, UnreadableImage."""
        self._ready()
        back = metadata.read(file.data)
        if back.record is None:
            raise StorageError("settings_lost", name=file.suffix)
        return self._keep(back.record, file, back.size)

    def _encoded(self, record: Record, image: Image.Image) -> formats.Encoded:
        return formats.encode(image, self._format, record.to_json(), to_infotext(record))

    def _keep(self, record: Record, file: formats.Encoded, size: tuple[int, int]) -> SavedImage:
        relative = Path(record.task, record.made_at.date().isoformat())
        path = self._write(relative, self._facts(record), file, beside=self._beside(record))
        return self._saved(path, record, size)

    def save_grid(
        self,
        first: GenerationResult,
        tiles: Sequence[Tile],
        *,
        beside: SavedImage | None = None,
        job: Job | None = None,
    ) -> SavedImage | None:
        """Keeps a grid of several pictures with the settings of the `first`, None of fewer than two or when none is
        wanted. `tiles`: captioned with their seeds. `beside`: the first image as saved, whose number and folder the
        grid takes; without it the grid has a number of its own."""
        if len(tiles) < 2 or self.saving.grid == "none":
            return None
        if self.saving.grid != "seeds":
            tiles = [replace(tile, caption="") for tile in tiles]
        return self.save_sheet(make_grid(tiles), first, beside=beside, job=job)

    def save_sheet(
        self,
        image: Image.Image,
        first: GenerationResult,
        *,
        beside: SavedImage | None = None,
        job: Job | None = None,
    ) -> SavedImage:
        """Keeps a picture of several, drawn already, as a grid with the settings of its `first`."""
        self._ready()
        record = Record.of(first, self.inputs, self._clock(), job)
        day = (beside or record).made_at.date()  # a run goes on past midnight, its grid stands where it began
        record = replace(record, kind="grid", pixels_sha256=pixels_sha256(image))
        large = image.width * image.height > JPEG_ABOVE
        kind: formats.Format = "jpeg" if large else self._format
        file = formats.encode(image, kind, record.to_json(), to_infotext(record), keep_texts=not large)
        relative = Path(record.task, day.isoformat())
        number = self._pattern.number_in(beside.path.name) if beside else None
        facts = replace(self._facts(record), date=day)
        path = self._write(relative, facts, file, grid_of=number or 0)
        return replace(self._saved(path, record, image.size), kind="grid")

    def result(self, path: Path) -> GenerationResult:
        """A saved image as the engine gave it. Raises UnreadableImage, InvalidRequest, StorageError."""
        record = metadata.read(path).record
        if record is None:
            raise StorageError("settings_lost", name=path.name)
        return GenerationResult(
            image=pictures.read(path),
            request=record.request(self.inputs),
            position=record.position,
            seconds=record.seconds,
            facts=record.facts,
        )

    def _ready(self) -> None:
        if not self._prepared:
            self.prepare()

    @staticmethod
    def _facts(record: Record) -> NameFacts:
        return NameFacts(
            number=0,
            settings=dict.fromkeys(one.name for one in REQUEST_FIELDS) | flat_json(GenerationRequest, record.settings),
            made_at=record.made_at,
            date=record.made_at.date(),
            batch_number=record.position + 1,
            model_sha256=record.model_sha256 or "",
            pixels_sha256=record.pixels_sha256,
        )

    def _saved(self, path: Path, record: Record, size: tuple[int, int]) -> SavedImage:
        settings = record.settings
        return SavedImage(
            path=path,
            kind="image",
            seed=settings["seed"] or 0,
            width=size[0],
            height=size[1],
            task=record.task,
            prompt=settings["prompt"],
            made_at=record.made_at,
            id=opaque_id(self.root, path),
        )

    def _beside(self, record: Record) -> dict[str, bytes]:
        """The sidecars of an image: ending -> content."""
        texts = {"txt": f"{to_infotext(record)}\n", "json": f"{record.to_json()}\n"}
        return {f".{kind}": texts[kind].encode(errors="replace") for kind in self._sidecars}

    def _write(
        self,
        relative: Path,
        facts: NameFacts,
        file: formats.Encoded,
        *,
        beside: Mapping[str, bytes] = MappingProxyType({}),
        grid_of: int | None = None,
    ) -> Path:
        """Part files, then a name with the next free number. `grid_of`: a grid, with that number if not 0.

        The sidecars go last and are no reason to fail any more: the image holds what they say."""
        with self._lock, storage_errors(self.root):
            folder = make_folder(self.root, relative)
            facts = replace(facts, number=self._next_number(folder))
            parts: list[Path] = []
            try:
                for data in (file.data, *beside.values()):
                    parts.append(write_part(folder, data))
                path = self._publish(parts[0], facts, file.suffix, grid_of)
            except OSError:
                for part in parts:
                    discard(part)
                raise
            for suffix, part in zip(beside, parts[1:], strict=True):
                try:
                    publish(part, path.with_suffix(suffix))
                except OSError:
                    discard(part)
            if beside:
                with contextlib.suppress(OSError):
                    sync_folder(folder)
                self._counters[folder].stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116
            return path

    def _publish(self, part: Path, facts: NameFacts, suffix: str, grid_of: int | None) -> Path:
        folder = part.parent
        number = grid_of or numbers.take(folder, facts.number)
        for _ in range(_TRIES):
            name = self._pattern.name(
                replace(facts, number=number),
                suffix=suffix,
                prefix="" if grid_of is None else GRID,
                limit=_name_limit(folder),
            )
            try:
                publish(part, folder / name)
                break
            except FileExistsError:
                number = numbers.take(folder, max(number + 1, facts.number))
        else:
            raise FileExistsError(f"no free name in {folder}")
        sync_folder(folder)
        last = max(number, facts.number - 1)
        self._counters[folder] = _Counter(last, os.stat(folder).st_mtime_ns)  # noqa: PTH116
        return folder / name

    def _next_number(self, folder: Path) -> int:
        """One look at the folder, then from memory until someone else changes the folder."""
        counter = self._counters.get(folder)
        stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116  the fault tests count calls of `os`
        if counter is None or counter.stamp != stamp:
            with os.scandir(folder) as entries:
                # the random name of a part file may look like a number
                numbers = (self._pattern.number_in(entry.name) for entry in entries if not entry.name.endswith(PART))
                counter = _Counter(max((number for number in numbers if number), default=0), stamp)
            self._counters[folder] = counter
        return counter.number + 1


def _name_limit(folder: Path) -> int:
    """Windows counts the whole path."""
    return max(64, min(NAME_LIMIT, _WINDOWS_PATH - len(str(folder)))) if os.name == "nt" else NAME_LIMIT
