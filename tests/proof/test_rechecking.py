"""After an update the golden set is made again by itself: while nothing else runs, and each picture once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import EngineAway, EngineLost, SeedprintError
from pipelines.types import Batch, GenerationResult, OnProgress
from tests.proof.test_upgrades import Versioned, proofs, told
from webui.proof import golden
from webui.proof.badges import Proofs
from webui.proof.rechecking import Rechecking

__all__ = ["proofs"]  # a fixture
NEVER = 10_000.0  # seconds: a period that no test waits for
SET = 5  # pictures


class Counting(Versioned):
    """Raises `trouble` in place of a picture."""

    def __init__(self, torch: str, trouble: SeedprintError | None = None) -> None:
        super().__init__(torch)
        self.trouble = trouble

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        made = super().generate(batch, on_progress)
        if self.trouble is not None:
            raise self.trouble
        return made


def checking(
    engine: Counting, folder: Path, proofs: Proofs, idle: Callable[[], bool] = lambda: True, torch: str = "2.13.0"
) -> Rechecking:
    return Rechecking(engine, folder / golden.FOLDER, proofs, idle, now=lambda: {"torch": torch}, period=NEVER)


def test_after_an_update_it_is_made_again_once(tmp_path: Path, proofs: Proofs) -> None:
    engine = Counting("2.13.0")
    program = checking(engine, tmp_path, proofs)
    program.look()
    assert sum(len(batch.seeds) for batch in engine.batches) == SET
    found = told(tmp_path, proofs, "2.13.0")
    assert found is not None
    assert (found.code, found.values["count"]) == ("golden_identical", SET)
    made = len(engine.batches)
    program.look()
    checking(engine, tmp_path, proofs).look()  # the program's next start
    assert len(engine.batches) == made


def test_without_an_update_or_a_set_nothing_is_made(tmp_path: Path, proofs: Proofs) -> None:
    engine = Counting("2.12.0")
    checking(engine, tmp_path, proofs, torch="2.12.0").look()
    checking(engine, tmp_path / "nowhere", proofs).look()
    assert engine.batches == []


def test_what_says_another_version_than_is_installed_is_not_made_over_and_over(tmp_path: Path, proofs: Proofs) -> None:
    engine = Counting("2.12.5")
    program = checking(engine, tmp_path, proofs)
    for _ in range(3):
        program.look()
    assert sum(len(batch.seeds) for batch in engine.batches) == SET


def test_never_beside_a_job(tmp_path: Path, proofs: Proofs) -> None:
    engine = Counting("2.13.0")
    checking(engine, tmp_path, proofs, idle=lambda: False).look()
    assert engine.batches == []


def test_a_job_that_is_queued_ends_it_within_a_step_and_it_goes_on_later(tmp_path: Path, proofs: Proofs) -> None:
    engine, steps = Counting("2.13.0"), iter([True] * 10)
    program = checking(engine, tmp_path, proofs, idle=lambda: next(steps, False))
    program.look()
    begun = len(engine.batches)
    assert 1 < begun < SET - 1, "stopped in the middle"
    program.look()
    assert len(engine.batches) == begun
    checking(engine, tmp_path, proofs).look()
    assert len(engine.batches) == begun + (SET - 1) - (begun - 1), "what was found is kept, what was stopped is not"
    found = told(tmp_path, proofs, "2.13.0")
    assert found is not None
    assert found.code == "golden_identical"


@pytest.mark.parametrize("trouble", [EngineLost("worker_ended", ending="9"), EngineAway("worker_ended", ending="9")])
def test_an_engine_that_fails_says_nothing_of_a_picture(
    tmp_path: Path, proofs: Proofs, trouble: SeedprintError
) -> None:
    engine = Counting("2.13.0", trouble)
    program = checking(engine, tmp_path, proofs)
    for _ in range(3):
        program.look()
    due = told(tmp_path, proofs, "2.13.0")
    assert due is not None
    assert due.code == "golden_due"
    assert len(engine.batches) == (3 if isinstance(trouble, EngineAway) else 1), "a lost worker is not tried again"
