"""What a picture's badge says: whether it was made again, and what came of it.

The fact's one home is the table `proofs` beside stars and tags (`archive/marks.py`), so that neither a re-index nor a
lost index loses it. Every way of making again keeps its reports here; `archive/history.py` reads them with an entry.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.errors import Note
from pipelines.shared_database import Database
from webui.archive import marks
from webui.archive.entries import Entry, Proof, Verdict, clean, digest_of
from webui.proof.sweep import AgainReport

_KEEP = "INSERT OR REPLACE INTO proofs (digest, verdict, at, told) VALUES (?, ?, ?, ?)"
_VERSIONS = ("torch", "diffusers")


class Proofs:
    """The reports of pictures made again. Any thread may call, and several programs may share the file."""

    def __init__(self, path: Path | None = None) -> None:
        """Opened with the first report; without a path nothing is kept."""
        self._path, self._lock = path, threading.Lock()
        self._database: Database | None = None

    def keep(self, report: AgainReport) -> None:
        """For the file as it is now; what was found before goes. Raises StorageError."""
        if self._path is None:
            return
        try:
            digest = digest_of(Path(report.path))
        except (OSError, ValueError):
            return  # it is gone, and has no badge
        told = clean(json.dumps(report.to_json(), default=str))
        row = (digest, report.verdict, datetime.now().astimezone().isoformat(timespec="seconds"), told)
        with self._opened().transaction() as connection:
            connection.execute(_KEEP, row)

    def of(self, path: Path) -> Proof | None:
        """What is known of the file as it is now. Raises StorageError."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            digest = digest_of(path)
            with self._opened().reading() as connection:
                row = connection.execute("SELECT verdict, at, told FROM proofs WHERE digest = ?", (digest,)).fetchone()
            return None if row is None else Proof.read(*row)
        except (OSError, ValueError):
            return None

    def _opened(self) -> Database:
        with self._lock:
            if self._database is None:
                assert self._path is not None
                self._database = Database(self._path, marks.SCHEMA)
            return self._database

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None


FOUND: Mapping[Verdict, str] = {
    "identical": "proof_identical_when",
    "differs": "proof_differs_when",
    "cannot": "proof_cannot_when",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Badge:
    """`line`: the whole of it in one sentence. `why`: what differs, or why it cannot be made again."""

    verdict: Verdict
    line: Note
    why: tuple[Note, ...] = ()


def badge(entry: Entry, barred: Note | None = None) -> Badge:
    """`barred`: why the file cannot be made again as things are here; what was found before is told all the same."""
    proof = entry.proof if entry.can_be_made else None
    if proof is None:
        if barred is not None:
            return Badge(verdict="cannot", line=Note("proof_cannot"), why=(barred,))
        return Badge(verdict=entry.verdict, line=Note("proof_cannot" if entry.verdict == "cannot" else "proof_not_yet"))
    report = _report(proof)
    day = proof.at.astimezone().isoformat(" ", "minutes")[:16]
    line = Note(FOUND.get(entry.verdict, "proof_not_yet"), day=day, on=_on(proof.told.get("now")))
    return Badge(verdict=entry.verdict, line=line, why=_why(report))


def _report(proof: Proof) -> AgainReport | None:
    """None for one that another version wrote otherwise."""
    try:
        return AgainReport.from_json(proof.told)
    except (AttributeError, TypeError, ValueError, LookupError):
        return None


def _why(report: AgainReport | None) -> tuple[Note, ...]:
    if report is None:
        return ()
    return report.because if report.cannot is None else (report.cannot,)


def _on(now: Any) -> str:
    """`NVIDIA H200, torch 2.13.0, diffusers 0.36.0`: names and numbers, the same in every language."""
    facts = now if isinstance(now, Mapping) else {}
    device = facts.get("device_name") or facts.get("device") or facts.get("engine") or "–"
    return ", ".join([str(device), *(f"{name} {facts[name]}" for name in _VERSIONS if facts.get(name))])
