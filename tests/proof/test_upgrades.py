"""One line for the page after an update, from what making the golden set again has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note
from pipelines.types import BUILTIN, Batch, GenerationResult, OnProgress
from webui.archive import marks
from webui.archive.inputs import InputStore
from webui.notices import Notices
from webui.proof import golden, sweep, upgrades
from webui.proof.badges import Proofs
from webui.words import say


class Versioned(FakeEngine):
    """Says which torch it has; `odd`: and draws something else."""

    def __init__(self, torch: str, *, odd: bool = False) -> None:
        super().__init__()
        self.torch, self.odd = torch, odd

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        made: Sequence[GenerationResult] = super().generate(batch, on_progress)
        if self.odd:
            made = [replace(one, image=one.image.rotate(180).point(lambda value: value ^ 1)) for one in made]
        return [replace(one, facts={**one.facts, "torch": self.torch}) for one in made]


@pytest.fixture
def proofs(tmp_path: Path) -> Proofs:
    list(golden.make(Versioned("2.12.0"), tmp_path / "golden", (BUILTIN,)))
    return Proofs(tmp_path / marks.FILE)


def checked(folder: Path, proofs: Proofs, engine: FakeEngine) -> int:
    """`verify --against golden`; how many pictures."""
    count = 0
    for place in golden.folders(folder / "golden"):
        inputs, files = golden.files(place)
        for report in sweep.sweep(engine, InputStore(inputs), files, lambda _: None):
            proofs.keep(report)
            count += 1
    return count


def told(folder: Path, proofs: Proofs, torch: str) -> Note | None:
    return upgrades.told(folder / "golden", proofs, lambda: {"torch": torch})


def test_nothing_is_said_without_a_change(tmp_path: Path, proofs: Proofs) -> None:
    assert told(tmp_path, proofs, "2.12.0") is None
    checked(tmp_path, proofs, Versioned("2.12.0"))
    assert told(tmp_path, proofs, "2.12.0") is None
    assert upgrades.told(tmp_path / "nowhere", proofs) is None
    proofs.close()


@pytest.mark.parametrize(("odd", "code"), [(False, "golden_identical"), (True, "golden_differs")])
def test_after_an_update_first_that_it_is_due_then_what_it_found(
    tmp_path: Path, proofs: Proofs, odd: bool, code: str
) -> None:
    due = told(tmp_path, proofs, "2.13.0")
    assert due is not None
    assert (due.code, due.values["changes"]) == ("golden_due", ("torch 2.12.0 → 2.13.0",))
    count = checked(tmp_path, proofs, Versioned("2.13.0", odd=odd))
    found = told(tmp_path, proofs, "2.13.0")
    assert found is not None
    assert (found.code, found.values["count"], found.values["differ"]) == (code, count, count if odd else 0)
    assert "torch 2.12.0 → 2.13.0" in say(found, "en")
    list(golden.make(Versioned("2.13.0"), tmp_path / "golden", (BUILTIN,)))  # accepted
    assert told(tmp_path, proofs, "2.13.0") is None
    proofs.close()


def test_it_is_one_of_the_notices_of_a_start(tmp_path: Path) -> None:
    note = Note("golden_due", changes=("torch 1 → 2",), count=5)
    assert [one.note for one in Notices(tmp_path, update=lambda: note)()] == [note]
    assert Notices(tmp_path)() == ()


def test_a_golden_set_outlives_a_kill_between_its_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "golden"
    list(golden.make(Versioned("2.12.0"), root, (BUILTIN,)))
    (whole,) = golden.folders(root)
    before = sorted(path.name for path in whole.rglob("*.png"))
    rename = Path.rename

    def killed(path: Path, target: Path) -> Path:
        if path.suffix == ".new":
            raise SystemExit
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(SystemExit):
        list(golden.make(Versioned("2.13.0"), root, (BUILTIN,)))
    monkeypatch.undo()
    (left,) = golden.folders(root)
    assert sorted(path.name for path in left.rglob("*.png")) == before
    assert [place for place in root.iterdir() if place == whole] == []  # looking moves nothing
    list(golden.make(Versioned("2.13.0"), root, (BUILTIN,)))
    assert [place.name for place in root.iterdir()] == [whole.name]
