"""Old pickles (.ckpt, .pt, .pth, .bin) -> safetensors, in a child process that can do nothing else.

Opening a pickle can run whatever its author wrote. So it is never opened here, nor in the worker: a child without
network, with limits on memory, time and files, reads it by torch's restricted reader and writes the tensors. What it
wrote is then read back here, tensor by tensor, against the child's own hashes. Imports no torch.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError, Note, StorageError
from pipelines.models.files.headers import read_content, read_header
from pipelines.types import ModelInfo

FOLDER = ".converted"  # beside the original; hidden, so that it is not scanned
CHILD = Path(__file__).with_name("conversion_child.py")
BLOCK = 2**22  # bytes
REFUSAL_LIMIT = 2000  # characters
# What a Python needs to start and to find its libraries; no other word of the environment is handed on
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG", "LC_ALL")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the child may use, beside what torch itself takes."""

    seconds: int = 120
    bytes_per_second: int = 20_000_000  # the slowest disk that is waited for, on top of `seconds`
    memory: int = 2 * 2**30  # bytes, on top of three times the file

    def seconds_for(self, size: int) -> int:
        return self.seconds + size // self.bytes_per_second


def loadable(info: ModelInfo) -> Path:
    """The file or folder to load for a model: the converted copy of a pickle, else its own. Raises `ModelError`."""
    return convert(Path(info.path)) if info.layout == "pickle" else Path(info.path)


def converted_path(path: Path, size: int, changed: int, folder: Path | None = None) -> Path:
    """Where the safetensors copy of the pickle `path` (bytes, nanoseconds) lies or will lie."""
    key = hashlib.sha256(f"{path.name}:{size}:{changed}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return (folder or path.parent / FOLDER) / f"{path.stem}-{key}.safetensors"


def refusal_path(converted: Path) -> Path:
    """Where the reason is written when a file was refused."""
    return converted.with_suffix(".refused.txt")


def read_refusal(path: Path) -> Note:
    """Why it was refused; version 0.1.0 wrote a sentence."""
    try:
        text = path.read_text(encoding="utf-8")[:REFUSAL_LIMIT]
    except (OSError, UnicodeDecodeError):
        return Note("refused_before")
    try:
        return Note.from_json(json.loads(text))
    except (ValueError, RecursionError):
        return Note.from_json(text)


def convert(
    path: Path,
    folder: Path | None = None,
    *,
    limits: Limits | None = None,
    on_start: Callable[[], None] | None = None,
) -> Path:
    """The safetensors copy of a pickle, made now if it is not there yet: seconds to a minute, in `folder` or beside
    the original in ".converted". `on_start` is called when there is work to do.

    Raises `ModelError` with one sentence for what is damaged or hostile (said again at once the next time), and
    `StorageError` when the copy cannot be written.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - beside the link people made, not beside what it points at
    try:
        found = path.stat()
    except OSError as error:
        reason = Note("file_unreadable_because", reason=error.strerror)
        raise ModelError("inside", name=path.name, reason=reason) from error
    target = converted_path(path, found.st_size, found.st_mtime_ns, folder)
    if target.is_file():
        return target
    if refusal_path(target).is_file():
        raise ModelError("inside", name=path.name, reason=read_refusal(refusal_path(target)))
    try:
        if read_content(path) != "pickle":
            raise ModelError("no_pickle")
    except ModelError as error:
        raise ModelError("inside", name=path.name, reason=error.note) from error
    if on_start is not None:
        on_start()
    _prepare(target.parent, found.st_size)
    part = target.with_name(f"{uuid.uuid4().hex}.part")
    try:
        _verify(part, _run_child(path, part, found.st_size, limits or Limits()))
        part.replace(target)
    except ModelError as error:
        with contextlib.suppress(OSError):
            if not isinstance(error, _Unfinished):
                refusal_path(target).write_text(json.dumps(error.note.to_json()), encoding="utf-8")
        raise ModelError("inside", name=path.name, reason=error.note) from error
    except OSError as error:
        raise StorageError("conversion_unwritten", name=path.name, reason=error.strerror) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return target


class _Unfinished(ModelError):
    """The fault may lie with the machine and not with the file: the next time it is tried again."""


def _prepare(folder: Path, size: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob("*.part"):  # of a program that was ended in the middle
            if time.time() - left_over.stat().st_mtime > 24 * 3600:
                left_over.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError("conversion_folder", reason=error.strerror) from error
    if free < size * 1.05:
        raise StorageError("conversion_room", needed=size / 1e9, free=free / 1e9)


def _run_child(path: Path, part: Path, size: int, limits: Limits) -> dict[str, Any]:
    """The tensors the child wrote: name -> [dtype, shape, sha256]. Raises `ModelError`."""
    seconds = limits.seconds_for(size)
    plan = {
        "memory": limits.memory + 3 * size,
        "file": 2 * size + 2**24,
        "seconds": seconds,
        "path": _library_folders(),
    }
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", str(CHILD), str(path), str(part), json.dumps(plan)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=part.parent,
        env=environment,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise _Unfinished("conversion_slow", seconds=seconds) from error
        finally:
            process.kill()
    return _answer(output, process.returncode)


def _answer(output: bytes, status: int) -> dict[str, Any]:
    try:
        answer = json.loads(output.splitlines()[-1])
        refused, tensors = answer.get("refused"), answer.get("tensors")
    except (ValueError, IndexError, AttributeError, RecursionError) as error:
        raise _Unfinished("conversion_status", status=status) from error
    if refused is not None:
        note = Note.from_json(refused)
        raise ModelError(note.code, **note.values)
    if not isinstance(tensors, dict) or not tensors:
        raise _Unfinished("conversion_status", status=status)
    return tensors


def _library_folders() -> list[str]:
    """Where torch lies, should `-I` hide it (a user's own site folder)."""
    found = importlib.util.find_spec("torch")
    return [str(Path(found.origin).parent.parent)] if found is not None and found.origin is not None else []


def _verify(part: Path, tensors: dict[str, Any]) -> None:
    """Reads the copy back by our own reader: the same names, formats, shapes and bytes. Raises `ModelError`."""
    header = read_header(part)
    if header.shapes.keys() != tensors.keys():
        raise _Unfinished("conversion_other")
    with part.open("rb") as file:
        for name, (first, last) in sorted(header.offsets.items(), key=lambda item: item[1]):
            file.seek(header.start + first)
            digest, left = hashlib.sha256(), last - first
            while left and (block := file.read(min(BLOCK, left))):
                digest.update(block)
                left -= len(block)
            found = [header.dtypes[name], list(header.shapes[name]), digest.hexdigest()]
            if found != tensors[name]:
                raise _Unfinished("conversion_other")
