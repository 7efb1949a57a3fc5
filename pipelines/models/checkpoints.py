"""Find model files and say what each is, in milliseconds: headers are read, weights never, code never run.

Standard library only: the page's process calls it.
"""

from __future__ import annotations

import os
import stat as stat_module
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines import families
from pipelines.errors import ModelError, Note
from pipelines.families.base import Family
from pipelines.models import conversion
from pipelines.models.files import detection, folders, kinds, segmentation, vision
from pipelines.models.files.finding import Found, walk
from pipelines.models.files.hashes import Hashes
from pipelines.models.files.headers import Header, main_dtype, read_content, read_header
from pipelines.models.files.kinds import Finding
from pipelines.models.files.names import name_models
from pipelines.models.files.notes import Notes, from_metadata, from_sidecar
from pipelines.models.files.remembering import Memory
from pipelines.types import ModelInfo


def scan(roots: Sequence[Path], memory: Memory | None = None, hashes: Hashes | None = None) -> tuple[ModelInfo, ...]:
    """Every model in `roots` and their sub-folders, by name; files that are none, or broken, have `problem`.

    Keep one `Memory` and give it each time: unchanged files are then not opened again. With `hashes`, `sha256` is
    filled in where it is known, and computed in the background where it is not. Never raises for what it finds.
    """
    memory = Memory() if memory is None else memory
    found: list[tuple[ModelInfo, Found]] = []
    for item in walk(roots):
        stamp = _stamp(item)
        info = memory.get(item.path, stamp)
        if info is None:
            info = _identify(item)
            memory.put(item.path, stamp, info)
        found.append((info, item))
    memory.keep_only({item.path for _, item in found})
    named = name_models(found)
    if hashes is None:
        return named
    return tuple(info if info.kind == "unknown" and info.problem else with_hash(info, hashes) for info in named)


def with_hash(info: ModelInfo, hashes: Hashes) -> ModelInfo:
    """With what is known of its bytes."""
    path = Path(info.path)
    return replace(info, sha256=hashes.get(path), altered=hashes.altered(path))


def identify(path: Path) -> ModelInfo:
    """What one file or diffusers folder is. Never raises: a missing or broken one has `problem`."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link whose name people chose
    try:
        found = path.stat()
    except OSError as error:
        return _identify(
            Found(path=path, relative=path.name, problem=Note("file_unreadable_because", reason=error.strerror))
        )
    if stat_module.S_ISDIR(found.st_mode):
        return folders.identify_folder(path)
    if not stat_module.S_ISREG(found.st_mode):
        return _identify(Found(path=path, relative=path.name, problem=Note("no_file")))
    sidecar = int(path.with_suffix(".yaml").is_file())
    return _identify(
        Found(path=path, relative=path.name, size=found.st_size, changed=found.st_mtime_ns, sidecar=sidecar)
    )


def _stamp(item: Found) -> tuple[int, ...]:
    """What must be the same for an answer to stand: the file, what lies beside it, its converted copy."""
    if item.problem:
        return (-1,)
    if item.is_folder:
        return folders.stamp(item.path)
    stamp = [item.size, item.changed, item.sidecar, item.config]
    if item.path.suffix.lower() != ".safetensors":
        converted = conversion.converted_path(item.path, item.size, item.changed)
        stamp += [int(converted.exists()), int(conversion.refusal_path(converted).exists())]
    return tuple(stamp)


def _identify(item: Found) -> ModelInfo:
    if item.problem:
        return _broken(item, item.problem)
    if item.is_folder:
        return folders.identify_folder(item.path)
    try:
        if read_content(item.path) == "pickle":
            return _pickle(item)
        return _describe(item, read_header(item.path))
    except ModelError as error:
        return _broken(item, error.note)


def _broken(item: Found, problem: Note | None) -> ModelInfo:
    layout = "folder" if item.is_folder else "single"
    return ModelInfo(
        name=item.path.stem,
        family="unknown",
        path=str(item.path),
        bytes=item.size,
        kind="unknown",
        layout=layout,
        problem=problem,
    )


def _pickle(item: Found) -> ModelInfo:
    """An old checkpoint: known only when a converted copy lies there. Its bytes are not looked into here."""
    if item.path.suffix.lower() in (".safetensors", ".sft"):
        return replace(_broken(item, Note("pickle_misnamed")), layout="pickle")
    converted = conversion.converted_path(item.path, item.size, item.changed)
    if converted.is_file():
        return replace(_describe(item, read_header(converted)), layout="pickle")
    refusal = conversion.refusal_path(converted)
    problem = conversion.read_refusal(refusal) if refusal.is_file() else None
    return replace(_broken(item, problem), layout="pickle")


def _describe(item: Found, header: Header) -> ModelInfo:
    finding = kinds.find(header.shapes)
    notes = from_metadata(header.metadata)
    sidecar = from_sidecar(item.path) if item.sidecar else None
    family = families.of(_named_family(finding, notes))
    prediction, zero_snr = _prediction(finding, notes, sidecar)
    return ModelInfo(
        name=item.path.stem,
        family=family.name,
        path=str(item.path),
        bytes=item.size,
        native_size=family.sizes.get(prediction or "", family.native_size),
        inpainting=finding.variant == "inpaint",
        problem=_problem(finding, family, item.path, header),
        kind=finding.kind,
        variant=finding.variant,
        prediction_type=prediction,
        zero_terminal_snr=zero_snr,
        parts=finding.parts,
        dtype=main_dtype(header.dtypes.values()),
        fits=finding.fits,
        seen=finding.seen,
        **(family.suits(finding.variant) if finding.kind == "checkpoint" else {}),
    )


def _named_family(finding: Finding, notes: Notes) -> str:
    """What the trainer says of a file that changes a model, where its shapes do not tell or fit others as well."""
    changes = finding.kind in ("lora", "lycoris", "embedding", "controlnet")
    if changes and notes.family and finding.family in ("unknown", families.of(notes.family).like):
        return notes.family
    return finding.family


def _prediction(finding: Finding, notes: Notes, sidecar: Notes | None) -> tuple[str | None, bool]:
    """What people put beside the file outweighs its notes, those outweigh what its shapes let one expect."""
    sidecar = sidecar or Notes()
    zero_snr = finding.zero_terminal_snr or notes.zero_terminal_snr or sidecar.zero_terminal_snr
    if finding.kind not in ("checkpoint", "unet"):
        return finding.prediction_type, zero_snr
    return sidecar.prediction_type or notes.prediction_type or finding.prediction_type, zero_snr


def _problem(finding: Finding, family: Family, path: Path, header: Header) -> Note | None:
    """Why it cannot be chosen as the model; of what is none, an upscaler for one: why it cannot be used."""
    if finding.kind == "unknown":
        return Note("no_known_model", reason=finding.because)
    if finding.kind == "image-encoder":
        return vision.problem_of(path.parent, header.shapes)
    if finding.kind == "detector":
        return detection.problem_of(path.parent)
    if finding.kind == "segmenter":
        return segmentation.problem_of(path.parent)
    if finding.kind == "upscaler":
        return None
    if family.name != "unknown" and not family.runs:
        return Note("not_run_yet", what=Note(f"noun_{finding.kind}"), family=family.titled(finding.variant))
    if finding.kind != "checkpoint":
        what = Note(f"noun_{finding.kind}")
        titles = families.titles_of(finding.family, finding.fits)
        return Note("no_checkpoint_for", what=what, families=titles) if titles else Note("no_checkpoint", what=what)
    missing = [Note(f"the_{part}") for part in ("text_encoder", "vae") if part not in finding.parts]
    return Note("parts_missing", parts=tuple(missing)) if missing else None
