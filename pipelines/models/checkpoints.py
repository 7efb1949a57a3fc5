"""Find model files and say what each is, in milliseconds: headers are read, weights never, code never run.

Standard library only: the page's process calls it.
"""

from __future__ import annotations

import os
import stat as stat_module
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.errors import ModelError
from pipelines.models import conversion, whole
from pipelines.models.files import folders, vision
from pipelines.models.files.families import NOUNS, TITLES, Finding, find_family
from pipelines.models.files.finding import Found, walk
from pipelines.models.files.hashes import Hashes
from pipelines.models.files.headers import Header, main_dtype, read_content, read_header
from pipelines.models.files.names import name_models
from pipelines.models.files.notes import Notes, from_metadata, from_sidecar
from pipelines.models.files.remembering import Memory
from pipelines.types import ModelInfo

NATIVE_SIZES = {"sd1": 512, "sd2": 768}  # pixels a side; all others 1024


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
    return tuple(
        info if info.kind == "unknown" and info.problem else replace(info, sha256=hashes.get(Path(info.path)))
        for info in named
    )


def identify(path: Path) -> ModelInfo:
    """What one file or diffusers folder is. Never raises: a missing or broken one has `problem`."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link whose name people chose
    try:
        found = path.stat()
    except OSError as error:
        return _identify(Found(path=path, relative=path.name, problem=f"It cannot be read: {error.strerror}."))
    if stat_module.S_ISDIR(found.st_mode):
        return folders.identify_folder(path)
    if not stat_module.S_ISREG(found.st_mode):
        return _identify(Found(path=path, relative=path.name, problem="It is no file."))
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
        return _broken(item, str(error))


def _broken(item: Found, problem: str) -> ModelInfo:
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
        reason = "It is a pickle under a .safetensors name: rename it to .ckpt if it should be converted."
        return replace(_broken(item, reason), layout="pickle")
    converted = conversion.converted_path(item.path, item.size, item.changed)
    if converted.is_file():
        return replace(_describe(item, read_header(converted)), layout="pickle")
    info = replace(_broken(item, ""), layout="pickle", problem=None)
    refusal = conversion.refusal_path(converted)
    return replace(info, problem=conversion.read_refusal(refusal)) if refusal.is_file() else info


def _describe(item: Found, header: Header) -> ModelInfo:
    finding = find_family(header.shapes)
    notes = from_metadata(header.metadata)
    sidecar = from_sidecar(item.path) if item.sidecar else None
    family = finding.family
    if family == "unknown" and finding.kind in ("lora", "lycoris", "embedding", "controlnet") and notes.family:
        family = notes.family
    prediction, zero_snr = _prediction(finding, notes, sidecar)
    native = NATIVE_SIZES.get(family, 1024)
    if family == "sd2" and prediction == "epsilon":
        native = 512
    return ModelInfo(
        name=item.path.stem,
        family=family,
        path=str(item.path),
        bytes=item.size,
        native_size=native,
        inpainting=finding.variant == "inpaint",
        problem=_problem(finding, family, item.path, header),
        kind=finding.kind,
        variant=finding.variant,
        prediction_type=prediction,
        zero_terminal_snr=zero_snr,
        parts=finding.parts,
        dtype=main_dtype(header.dtypes.values()),
        **(whole.suits(family, finding.variant) if finding.kind == "checkpoint" else {}),
    )


def _prediction(finding: Finding, notes: Notes, sidecar: Notes | None) -> tuple[str | None, bool]:
    """What people put beside the file outweighs its notes, those outweigh what its shapes let one expect."""
    sidecar = sidecar or Notes()
    zero_snr = finding.zero_terminal_snr or notes.zero_terminal_snr or sidecar.zero_terminal_snr
    if finding.kind not in ("checkpoint", "unet"):
        return finding.prediction_type, zero_snr
    return sidecar.prediction_type or notes.prediction_type or finding.prediction_type, zero_snr


def _problem(finding: Finding, family: str, path: Path, header: Header) -> str | None:
    """Why it cannot be chosen as the model, in one sentence; of an image encoder: why it cannot be used."""
    if finding.kind == "unknown":
        return f"It is no known model: {finding.because}."
    if finding.kind == "image-encoder":
        return vision.problem_of(path.parent, header.shapes)
    if finding.kind != "checkpoint":
        title = f" for {TITLES[family]}" if family in TITLES else ""
        return f"It is {NOUNS[finding.kind]}{title}, not a checkpoint."
    missing = {"text_encoder": "text encoder", "vae": "VAE"}.items() - {(part, "") for part in finding.parts}
    names = [words for part, words in sorted(missing) if part not in finding.parts]
    return f"The checkpoint holds no {' and no '.join(names)}." if names else None
