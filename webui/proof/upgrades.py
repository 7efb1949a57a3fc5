"""What the golden set says of an update: one line for the page, from what making it again has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata as installed
from pathlib import Path
from typing import Any

from pipelines.errors import InvalidRequest, Note, SeedprintError
from webui.archive import metadata
from webui.archive.entries import Proof
from webui.proof import golden
from webui.proof.badges import Proofs

PACKAGES = ("torch", "diffusers", "transformers")


def versions() -> dict[str, str]:
    """Of the packages that make pictures, without importing them."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = installed.version(name)
        except installed.PackageNotFoundError:
            continue
    return found


def told(root: Path, proofs: Proofs, now: Callable[[], Mapping[str, str]] = versions) -> Note | None:
    """None without a golden set, where nothing changed since it was made, and where that cannot be found out."""
    try:
        files = [file for folder in golden.folders(root) for file in golden.files(folder)[1]]
        known = [(file, proofs.of(file)) for file in files]
    except (SeedprintError, OSError):
        return None
    due = [change for file, proof in known for change in _changes(_then(file, proof), now())]
    if due:
        return Note("golden_due", changes=tuple(dict.fromkeys(due)), count=len(files))
    found = [proof for _, proof in known if proof is not None]
    changed = tuple(dict.fromkeys(note for proof in found for note in _notes(proof)))
    if not changed:
        return None
    differ = sum(proof.verdict != "identical" for proof in found)
    return Note("golden_differs" if differ else "golden_identical", differ=differ, count=len(found), changes=changed)


def due(root: Path, proofs: Proofs, now: Mapping[str, str]) -> Iterator[tuple[Path, list[Path]]]:
    """Of each set where its inputs are, and which of its pictures were made, or made again last, with other versions.
    Raises StorageError."""
    try:
        folders = golden.folders(root)
    except InvalidRequest:
        return  # there is none
    for inputs, files in map(golden.files, folders):
        yield inputs, [file for file in files if _changes(_then(file, proofs.of(file)), now)]


def _then(file: Path, proof: Proof | None) -> Mapping[str, Any]:
    """With what the file was made, or made again last."""
    if proof is not None:
        now = proof.told.get("now")
        return now if isinstance(now, Mapping) else {}
    try:
        record = metadata.read(file).record
    except SeedprintError:
        return {}
    return record.facts if record is not None else {}


def _changes(then: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """`torch 2.12.0 → 2.13.0`, of the packages that both name."""
    named = [name for name in now if isinstance(then.get(name), str)]
    return [f"{name} {then[name]} → {now[name]}" for name in named if then[name] != now[name]]


def _notes(proof: Proof) -> list[str]:
    """The same of what had changed when it was made again."""
    notes = [Note.from_json(one) for one in proof.told.get("changed", ())]
    facts = [note.values for note in notes if note.code == "fact_changed" and note.values.get("name") in PACKAGES]
    return [f"{one['name']} {one['then']} → {one['now']}" for one in facts]
