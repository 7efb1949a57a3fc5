"""Makes images again from their own files and says whether they are the same, or what differs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from pipelines.engine import Engine
from pipelines.errors import EngineLost, Note, SeedprintError, Stopped
from pipelines.fields import flat
from pipelines.kinds import shown
from pipelines.types import Batch, GenerationResult, OnProgress
from webui.archive import metadata, pictures
from webui.archive.inputs import InputsAround, InputStore, pixels_sha256
from webui.archive.metadata import ReadBack, Record
from webui.archive.record import PROGRAM
from webui.proof import measures
from webui.proof.resources import Finder, Match, naming, renamed

# Facts that may change without touching a pixel, so they explain nothing.
# of the last two nothing depends: what was found is in the request
_IDLE_FACTS = frozenset({"seconds", "retries", "detector", "seen"})
_ON = ("engine", "device", "device_name", "dtype", "torch", "diffusers", "transformers")  # facts of now
_NOTES = ("because", "changed", "notes")  # of a report, besides `cannot`
WAITING = 200  # files looked at before any is made: enough to find the others of a batch, little to lose
_SUFFIXES = frozenset({".png", ".webp", ".jpg", ".jpeg", ".avif"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How far two pictures of one size are apart, over 8-bit RGB."""

    pixels: int  # that differ in any channel
    max: int  # largest difference of one channel, 0 … 255
    mean: float  # mean absolute difference of all channels, 0 … 255
    psnr: float | None  # decibels; None for equal pictures
    ssim: float | None  # structural similarity, 1 for equal pictures; None for those too small or of two sizes


@dataclass(frozen=True, kw_only=True, slots=True)
class AgainReport:
    """`cannot`: why the image could not be made; then nothing was compared."""

    path: str
    identical: bool = False
    different_pixels: int = 0
    max_difference: int = 0  # 0 … 255, over all channels
    mean_difference: float = 0.0  # 0 … 255, over all channels
    psnr: float | None = None  # decibels; None when equal or not compared
    ssim: float | None = None  # 1 when equal; None when not compared
    because: tuple[Note, ...] = ()  # why it differs
    changed: tuple[Note, ...] = ()  # recorded facts that are no longer so, whether pixels differ or not
    cannot: Note | None = None
    notes: tuple[Note, ...] = ()  # one for each file that was renamed, replaced or is gone
    now: Mapping[str, str] = field(default_factory=dict)  # on what it was made again: those of `_ON` that were told

    @property
    def verdict(self) -> Literal["identical", "differs", "cannot"]:
        if self.cannot is not None:
            return "cannot"
        return "identical" if self.identical else "differs"

    def to_json(self) -> dict[str, Any]:
        return self.with_notes(Note.to_json)

    def with_notes(self, told: Callable[[Note], Any]) -> dict[str, Any]:
        """Its values by name, with what `told` makes of each note."""
        values = {one.name: getattr(self, one.name) for one in fields(self)} | {"now": dict(self.now)}
        lists = {name: [told(note) for note in values[name]] for name in _NOTES}
        return values | lists | {"cannot": None if self.cannot is None else told(self.cannot)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AgainReport:
        """What a job kept; version 0.1.0 wrote sentences, and what a later one wrote besides is left out. Raises
        AttributeError, TypeError."""
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        lists = {name: tuple(map(Note.from_json, data.get(name, ()))) for name in _NOTES}
        cannot = data.get("cannot")
        return cls(**{**known, **lists, "cannot": None if cannot is None else Note.from_json(cannot)})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Original:
    """A file that can be made again: what it says, and the batch that made it."""

    path: Path
    record: Record
    batch: Batch
    notes: tuple[Note, ...]
    lossy: bool  # JPEG or AVIF: the file no longer holds the pixels that were made

    @property
    def key(self) -> str:
        """Equal for the images of one batch, which is computed once for all of them."""
        settings = {name: value for name, value in self.record.settings.items() if name not in ("seed", "variation")}
        request = self.batch.request  # with the names that its files have today
        settings["variation"] = request.variation and flat(request.variation)  # of its first image
        names = naming(request)
        return json.dumps(
            [settings, names, self.batch.seeds, self.batch.threads, self.batch.prompt_rules], sort_keys=True
        )


Results = list[GenerationResult]
Surely = Callable[[Callable[[], Results]], Results]  # makes a batch, and waits for what may come back
OnMade = Callable[[AgainReport, Image.Image, Image.Image], None]  # what was found, the file's picture, the new one


def sweep(
    engine: Engine,
    inputs: InputStore,
    paths: Sequence[Path],
    on_progress: OnProgress,
    on_made: OnMade = lambda *_: None,
    surely: Surely = lambda make: make(),
) -> Iterator[AgainReport]:
    """Runs the batch that made each image and compares its pixels with the file's. Images of one batch are made
    together, so reports come in another order. Raises `Stopped`, and `EngineLost`, which says nothing of a picture."""
    finder = Finder(engine, on_progress)
    for start in range(0, len(paths), WAITING):
        batches: dict[str, list[_Original]] = {}
        for path in paths[start : start + WAITING]:
            found = _read(inputs, path, finder)
            if isinstance(found, AgainReport):
                yield found
            else:
                batches.setdefault(found.key, []).append(found)
        for originals in batches.values():
            yield from _make(
                originals, finder, lambda batch: surely(lambda: engine.generate(batch, on_progress)), on_made
            )


def barred(back: ReadBack, files: Iterable[Match] = ()) -> Note | None:
    """Why a file cannot be made again, as far as that is known before it is tried; None where nothing is in the way.
    `files`: what became of those it was made with."""
    if back.record is None:
        if back.problem is not None:
            return back.problem
        return Note("made_elsewhere", program=back.program or "–") if back.fields else Note("no_settings")
    if back.record.kind != "image":
        return Note("is_a_grid")
    return next((found.note for found in files if found.gone), None)


def _read(inputs: InputStore, path: Path, finder: Finder) -> _Original | AgainReport:
    try:
        back = metadata.read(path)
        record = back.record
        files = finder.find(record.facts) if record is not None else []
        notes = tuple(found.note for found in files if found.note)
        why = barred(back, files)
        if why is not None or record is None:
            return AgainReport(path=str(path), cannot=why, notes=notes)
        request = record.request(InputsAround(path, inputs))
        batch = record.batch(renamed(request, files))
        return _Original(path=path, record=record, batch=batch, notes=notes, lossy=back.lossy)
    except SeedprintError as error:
        return AgainReport(path=str(path), cannot=error.told)


def _make(
    originals: Sequence[_Original], finder: Finder, generate: Callable[[Batch], Results], on_made: OnMade
) -> Iterator[AgainReport]:
    try:
        results = generate(originals[0].batch)
    except (Stopped, EngineLost):
        raise
    except SeedprintError as error:
        for original in originals:
            yield AgainReport(path=str(original.path), cannot=error.told, notes=original.notes)
        return
    for original in originals:
        result = results[original.record.position]
        try:
            before = pictures.read(original.path)
        except SeedprintError as error:
            yield AgainReport(path=str(original.path), cannot=error.told)
            continue
        now = {name: str(result.facts[name]) for name in _ON if result.facts.get(name)}
        report = replace(_compared(original, before, result), notes=original.notes, now=now)
        if not report.identical:
            report = _with_files(report, finder.altered(original.record.facts))
        on_made(report, before, result.image)
        yield report


def _with_files(report: AgainReport, altered: tuple[Note, ...]) -> AgainReport:
    """Files that hold other bytes are the first reason."""
    if not altered:
        return report
    others = tuple(note for note in report.because if note.code != "no_fact_differs")
    return replace(report, because=(*altered, *others))


def _compared(original: _Original, before: Image.Image, result: GenerationResult) -> AgainReport:
    record = original.record
    changed = tuple(differences({**record.facts, "prompt_rules": record.prompt_rules}, result.facts))
    as_recorded = pixels_sha256(result.image) == record.pixels_sha256
    if original.lossy and as_recorded:
        return AgainReport(path=str(original.path), identical=True, ssim=1.0, changed=changed)
    found = compare(before, result.image)
    identical = found.pixels == 0 and not original.lossy
    because: tuple[Note, ...] = ()
    if not identical:
        because = changed
        if not as_recorded and record.program != PROGRAM:
            because = (*because, Note("fact_changed", name="program", then=shown(record.program), now=PROGRAM))
        if original.lossy:
            because = (Note("lossy_copy"), *because)
        elif pixels_sha256(before) != record.pixels_sha256:
            because = (Note("pixels_changed"), *because)
        because = because or (Note("no_fact_differs"),)
    return AgainReport(
        path=str(original.path),
        identical=identical,
        different_pixels=found.pixels,
        max_difference=found.max,
        mean_difference=found.mean,
        psnr=found.psnr,
        ssim=found.ssim,
        because=because,
        changed=changed,
    )


def compare(first: Image.Image, second: Image.Image) -> Difference:
    """Pixel by pixel. Pictures of different sizes differ everywhere, by all."""
    if first.size != second.size:
        area = max(first.width * first.height, second.width * second.height)
        return Difference(pixels=area, max=255, mean=255.0, psnr=0.0, ssim=None)
    left = np.asarray(first.convert("RGB"), dtype=np.int16)
    distance = np.abs(left - np.asarray(second.convert("RGB"), dtype=np.int16))  # (height, width, 3)
    squared = float(np.mean(np.square(distance, dtype=np.float64)))
    return Difference(
        pixels=int(np.count_nonzero(distance.max(axis=2))),
        max=int(distance.max()),
        mean=float(distance.mean()),
        psnr=10 * math.log10(255**2 / squared) if squared else None,
        ssim=_ssim(first, second) if squared else 1.0,
    )


def _ssim(first: Image.Image, second: Image.Image) -> float | None:
    if min(first.size) < measures.WINDOW:
        return None
    one, other = (np.asarray(image.convert("RGB"), dtype=np.uint8) for image in (first, second))
    return measures.ssim(one, other)


def far_apart(report: AgainReport) -> str:
    """`2,304 pixels differ, by 14 at most, 0.31 mean, 47.2 dB, SSIM 0.9981`."""
    most, mean = f"by {report.max_difference} at most", f"{report.mean_difference:.2f} mean"
    parts = [f"{report.different_pixels:,} pixels differ", most, mean]
    parts += [f"{report.psnr:.1f} dB"] if report.psnr is not None else []
    parts += [f"SSIM {report.ssim:.4f}"] if report.ssim is not None else []
    return ", ".join(parts)


def amplified(first: Image.Image, second: Image.Image) -> tuple[Image.Image, int]:
    """Where two pictures of one size differ, made visible, and how many times stronger than it is: the largest
    difference becomes white."""
    distance = np.abs(
        np.asarray(first.convert("RGB"), dtype=np.int16) - np.asarray(second.convert("RGB"), dtype=np.int16)
    )
    factor = amplification(int(distance.max()))
    return Image.fromarray(np.clip(distance * factor, 0, 255).astype(np.uint8)), factor


def amplification(largest: int) -> int:
    """How many times stronger a difference is shown, by its largest channel."""
    return max(1, 255 // max(1, largest))


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[Note]:
    """One note for each recorded fact that is not the same now: `dtype`, then bfloat16, now float32."""
    found: list[Note] = []
    for name in sorted(set(before) | set(now)):
        old, new = before.get(name), now.get(name)
        if name in _IDLE_FACTS or old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{name}.")
        elif name == "prompt_rules":
            found.append(Note("prompt_rules_changed", then=_told(old), now=_told(new)))
        else:
            found.append(Note("fact_changed", name=f"{prefix}{name}", then=_told(old), now=_told(new)))
    return found


def _told(value: Any) -> Any:
    """A fact as a note tells it."""
    return tuple(map(shown, value)) if isinstance(value, (list, tuple)) and value else shown(value)


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The pictures among files and folders, folders with all below them (but not the archive's own `inputs` and
    hidden folders), in order, each once."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        for file in sorted(path.rglob("*")):
            inside = file.relative_to(path).parts[:-1]
            own = any(part.startswith(".") or part == "inputs" for part in inside)
            if not own and file.suffix.lower() in _SUFFIXES and not file.name.startswith("grid-"):
                found[file] = None
    return list(found)
