"""Experiments run as jobs, stop, go on after anything, and never make a cell twice."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.errors import PLAIN, ModelError, Note, StorageError, Unavailable
from pipelines.groups import InitImage
from pipelines.types import Batch, GenerationRequest, GenerationResult, ModelInfo, OnProgress
from tests.archive.helpers import tile
from tests.refusals import failing, refused
from webui.archive import metadata
from webui.archive.inputs import pixels_sha256
from webui.archive.metadata import request_to_json
from webui.jobs import trouble
from webui.lab.axes import Axis
from webui.lab.questions import Grid
from webui.lab.report import to_csv, to_html
from webui.lab.sheet import draw_sheet
from webui.lab.store import LabTable
from webui.ui.lab import view as lab_view

from .conftest import PROMPT, House, asked, opened

SWAPPED = "a blue heart and a red star"


class Halting(FakeEngine):
    """Stops at each picture until it is let go; a test can look at what is between."""

    def __init__(self, free: int = 0) -> None:
        super().__init__()
        self.free = threading.Semaphore(free)
        self.reached = threading.Semaphore(0)

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        def report(progress: Any) -> None:
            if progress.step == 1:
                self.reached.release()
                while not self.free.acquire(timeout=0.02):
                    on_progress(progress)  # raises when the job was ended
            on_progress(progress)

        return super().generate(batch, report)


class Drawn(FakeEngine):
    """Says that a model of this family drew."""

    def __init__(self, family: str) -> None:
        super().__init__()
        self.family = family

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        facts = {"model": {"name": "m", "family": self.family}}
        return [replace(result, facts=facts) for result in super().generate(batch, on_progress)]


@pytest.mark.parametrize(("family", "judged"), [("builtin", True), ("sd1", False)])
def test_the_judge_looks_at_pictures_of_the_built_in_model_only(tmp_path: Path, family: str, judged: bool) -> None:
    with opened(tmp_path, Drawn(family)) as house:
        identity = house.lab.submit(asked(seeds=(1, 2)))
        house.over(identity)
        results = house.lab.results(identity)
    assert results is not None
    assert ("judge" in results.metrics) == judged
    assert ("judge" in results.floor) == judged
    assert all(("judge" in effect.distances) == judged for effect in results.effects)
    names = [name for name, _ in lab_view.metrics(results, "en")]
    assert ("What the built-in judge sees (share of ten things)" in names) == judged
    assert (b"what the built-in judge sees" in to_html(asked(), results, [])) == judged
    assert (b"judge" in to_csv(results)) == judged


def test_every_cell_is_a_normal_saved_picture(house: House) -> None:
    identity = house.lab.submit(asked())
    status = house.over(identity)
    assert (status.state, status.done, status.cells, status.error) == ("done", 6, 6, None)
    pictures = house.lab.pictures(identity)
    for cell, path in pictures:
        assert path is not None
        record = metadata.read(path).record
        assert record is not None
        assert record.request(house.store.inputs) == cell.request
    assert [cell.request.prompt for cell, _ in pictures] == [PROMPT, SWAPPED] * 3
    recent = [saved.path for saved in house.service.recent(10) if saved.kind == "image"]
    assert set(recent) == {path for _, path in pictures}


def test_a_labelled_grid_is_saved_and_the_results_are_counted(house: House) -> None:
    identity = house.lab.submit(asked())
    status = house.over(identity)
    assert status.grid is not None
    assert status.grid.path.is_relative_to(house.store.root)
    (grid,) = (saved for saved in house.service.recent(10) if saved.kind == "grid")
    assert grid.path == status.grid.path
    with Image.open(grid.path) as sheet:
        assert sheet.width > 3 * 64
        assert sheet.height > 2 * 64
    results = house.lab.results(identity)
    assert results is not None
    (swapped,) = (effect for effect in results.effects if not effect.group)
    assert (results.measured, swapped.seeds) == (6, 3)
    expected = sum(_fake_distance(PROMPT, SWAPPED, seed) for seed in (1, 2, 3)) / 3
    assert swapped.distances["pixels"].mean == pytest.approx(expected)


def _fake_distance(one: str, other: str, seed: int) -> float:
    """Mean difference of two pictures of the fake engine: a frame of 3/4 of the pixels and an inside of 1/4."""
    first, second = (hashlib.sha256(f"{prompt}|4|{seed}".encode()).digest() for prompt in (one, other))
    steps = [abs(a - b) for a, b in zip(first[:6], second[:6], strict=True)]
    return (sum(steps[:3]) * 0.75 + sum(steps[3:]) * 0.25) / 3 / 255


def test_nothing_is_made_twice(house: House) -> None:
    house.over(house.lab.submit(asked()))
    assert house.made == 6
    plan = house.lab.plan(asked(seeds=(2, 3, 4)))
    assert (plan.cells, plan.finished, plan.steps) == (6, 4, 2 * 4)
    identity = house.lab.submit(asked(seeds=(2, 3, 4)))
    assert house.over(identity).done == 6
    assert house.made == 8
    assert house.lab.results(identity) is not None


def test_a_prompt_with_choices_is_not_made_twice(house: House) -> None:
    base = replace(asked().base, prompt="a {red|blue|green} star and a blue heart")
    experiment = replace(asked(Grid(axes=(Axis(field="steps", values=(2, 3)),))), base=base)
    house.over(house.lab.submit(experiment))
    assert house.made == 6
    assert house.lab.plan(experiment).finished == 6
    drawn = [batch.request.prompt for batch in house.engine.batches]
    assert all("{" not in prompt for prompt in drawn)
    assert house.over(house.lab.submit(experiment)).done == 6
    assert house.made == 6


def test_a_deleted_picture_is_made_again(house: House) -> None:
    identity = house.lab.submit(asked())
    house.over(identity)
    path = house.lab.pictures(identity)[3][1]
    assert path is not None
    path.unlink()
    assert house.lab.plan(asked()).finished == 5
    assert house.lab.pictures(identity)[3][1] is None
    house.over(house.lab.submit(asked()))
    assert house.made == 7


def test_another_picture_under_the_same_name_does_not_count(house: House) -> None:
    identity = house.lab.submit(asked())
    house.over(identity)
    (_, first), (_, second), *_ = house.lab.pictures(identity)
    assert first is not None
    assert second is not None
    first.write_bytes(second.read_bytes())
    assert house.lab.plan(asked()).finished == 5


@pytest.mark.parametrize(("sha256", "finished"), [("1" * 64, 0), ("2" * 64, 2)])
def test_another_model_under_the_same_name_does_not_count(tmp_path: Path, sha256: str, finished: int) -> None:
    class Named(FakeEngine):
        sha256 = "2" * 64

        def models(self) -> tuple[ModelInfo, ...]:
            return (replace(super().models()[0], sha256=self.sha256),)

        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            facts = {"model": {"name": "builtin", "sha256": self.sha256}}
            return [replace(result, facts=facts) for result in super().generate(batch, on_progress)]

    engine = Named()
    with opened(tmp_path, engine) as house:
        house.over(house.lab.submit(asked(seeds=(1,))))
        engine.sha256 = sha256
        assert house.lab.plan(asked(seeds=(1,))).finished == finished


def test_a_model_without_a_hash_is_known_by_its_files(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")

    class Unhashed(FakeEngine):
        def models(self) -> tuple[ModelInfo, ...]:
            return (replace(super().models()[0], sha256=None, path=str(file)),)

    with opened(tmp_path, Unhashed()) as house:
        house.over(house.lab.submit(asked(seeds=(1,))))
        assert house.lab.plan(asked(seeds=(1,))).finished == 2
        file.write_bytes(b"other weights")
        assert house.lab.plan(asked(seeds=(1,))).finished == 0


def test_cancel_then_go_on(tmp_path: Path) -> None:
    engine = Halting(free=2)
    with opened(tmp_path, engine) as house:
        identity = house.lab.submit(asked())
        for _ in range(3):
            assert engine.reached.acquire(timeout=10)
        house.lab.cancel(identity)
        status = house.over(identity)
        assert (status.state, status.done) == ("cancelled", 2)
        results = house.lab.results(identity)
        assert results is not None
        assert (results.measured, results.effects[0].seeds) == (2, 1)
        for _ in range(4):
            engine.free.release()
        house.lab.go_on(identity)
        while (status := house.over(identity)).state != "done":
            house.lab.wait(identity, status.version, 1)
        assert status.done == 6
        assert house.made == 7  # the one that was stopped in the middle, and no finished one


def test_a_closed_program_goes_on_where_it_was(tmp_path: Path) -> None:
    engine = Halting(free=2)
    with opened(tmp_path, engine) as house:
        identity = house.lab.submit(asked())
        for _ in range(3):
            assert engine.reached.acquire(timeout=10)
    with opened(tmp_path) as house:
        status = house.lab.status(identity)
        assert status is not None
        assert (status.state, status.done) == ("running", 2)
        house.lab.start()
        assert house.over(identity).state == "done"
        assert house.made == 4
        assert len(list((tmp_path / "outputs" / "txt2img").rglob("0*.png"))) == 6


def crashed_before_noting_the_job(house: House, identity: str) -> None:
    """Handed in, not noted: the crash came between."""
    house.service.submit(asked().cells()[0].request)


def crashed_before_noting_the_picture(house: House, identity: str) -> None:
    """The job is done and known; its picture is not noted."""
    job = house.service.submit(asked().cells()[0].request)
    status = house.service.status(job)
    while status is not None and not status.finished:
        status = house.service.wait(job, status.version, 5)
    house.table.set_job(identity, 0, job)


@pytest.mark.parametrize("crash", [crashed_before_noting_the_job, crashed_before_noting_the_picture])
def test_a_crash_between_two_notes_makes_nothing_twice(tmp_path: Path, crash: Callable[[House, str], None]) -> None:
    with opened(tmp_path) as house:
        experiment = asked()
        identity = house.table.add(experiment.name, experiment.to_json(house.store.inputs), 6)
        crash(house, identity)
        house.lab.start()
        assert house.over(identity).done == 6
        assert house.made == 6


def test_a_start_picture_is_kept_and_survives_a_restart(tmp_path: Path) -> None:
    picture = Image.effect_noise((80, 64), 60).convert("RGB")
    begun = replace(asked().base, init=InitImage(image=picture, strength=0.5))
    experiment, engine = replace(asked(), base=begun), Halting(free=2)
    with opened(tmp_path, engine) as house:
        identity = house.lab.submit(experiment)
        while (status := house.lab.status(identity)) is not None and status.done < 2:
            house.lab.wait(identity, status.version, 5)
    with opened(tmp_path) as house:
        again = house.lab.experiment(identity)
        assert again is not None
        assert again.base.init is not None
        assert again.base.init.image.tobytes() == picture.tobytes()
        assert again.base.init.strength == 0.5
        house.lab.start()
        assert house.over(identity).done == 6
        assert house.made == 4
        for _, path in house.lab.pictures(identity):
            assert path is not None
            record = metadata.read(path).record
            assert record is not None
            assert record.settings["init"]["image"] == pixels_sha256(picture)
        assert [file.stem for file in house.store.inputs.folder.glob("*.png")] == [pixels_sha256(picture)]
        plans = [house.lab.plan(replace(experiment, base=base)) for base in (begun, asked().base)]
        assert [plan.finished for plan in plans] == [6, 0]  # the same request only: not that without the picture
        assert [plan.steps for plan in plans] == [0, 6 * 4]
        other = replace(begun, init=InitImage(image=picture.rotate(180), strength=0.5))
        assert house.lab.plan(replace(experiment, base=other)).steps == 6 * 2  # half of four steps each


def test_a_failing_cell_ends_it_with_its_sentence_and_it_can_go_on(tmp_path: Path) -> None:
    engine = FakeEngine(fail_on={2: ModelError("model_missing", name="it")})
    with opened(tmp_path, engine) as house:
        identity = house.lab.submit(asked())
        status = house.over(identity)
        assert (status.state, status.error, status.done) == ("failed", Note("model_missing", name="it"), 2)
        engine._fail_on.clear()
        house.lab.go_on(identity)
        while (status := house.over(identity)).state != "done":
            house.lab.wait(identity, status.version, 1)
        assert (status.done, status.error) == (6, None)


def test_the_error_of_an_experiment_of_version_010_reads(house: House) -> None:
    """It wrote a sentence into the column."""
    identity = house.lab.submit(asked())
    house.over(identity)
    with house.lab._table._database.transaction() as connection:
        connection.execute("UPDATE experiments SET state = 'failed', error = 'The model is gone.'")
    status = house.lab.status(identity)
    assert status is not None
    assert status.error == Note(PLAIN, text="The model is gone.")


def test_a_cell_ended_among_the_jobs_ends_the_experiment(tmp_path: Path) -> None:
    engine = Halting(free=1)
    with opened(tmp_path, engine) as house:
        identity = house.lab.submit(asked())
        for _ in range(2):
            assert engine.reached.acquire(timeout=10)
        (job,) = house.service.unfinished()
        house.service.cancel(job.id)
        assert (house.over(identity).state, house.over(identity).done) == ("cancelled", 1)


def test_experiments_run_one_after_the_other(house: House) -> None:
    first, second = house.lab.submit(asked()), house.lab.submit(asked(seeds=(8, 9)))
    assert house.over(second).state == "done"
    assert house.over(first).state == "done"
    assert [row.id for row in house.lab.recent(5)] == [second, first]


def test_an_estimate_from_what_was_measured(house: House) -> None:
    assert house.lab.plan(asked()).seconds is None
    request = GenerationRequest(prompt="x", width=64, height=64, steps=10, seed=1)
    result = GenerationResult(
        image=Image.new("RGB", (64, 64)), request=request, position=0, seconds=5.0, facts={"engine": "fake"}
    )
    house.service._history.add(house.store.save(result))
    # 5 s for 10 steps: 4 steps take 2 s, six pictures 12 s
    assert house.lab.plan(asked()).seconds == pytest.approx(12)
    twice = replace(asked(), base=replace(asked().base, width=128))
    assert house.lab.plan(twice).seconds == pytest.approx(24)


def test_a_missing_model_is_told_before_anything_is_queued(house: House) -> None:
    grid = Grid(axes=(Axis.read("model", "builtin, other"),))
    with refused("model", "choice", choices=("builtin", "builtin-tokens"), value="other"):
        house.lab.submit(asked(grid))
    assert house.lab.recent(1) == []


def test_a_full_disk_is_told_before_anything_is_queued(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.store, "free_bytes", lambda: 1000)
    with failing(StorageError, "lab_no_room", pictures=6):
        house.lab.submit(asked())


def test_the_payload_of_a_job_is_found_again(house: House) -> None:
    request = asked().cells()[0].request
    job = house.service.submit(request)
    payload = request_to_json(request, house.store.inputs)
    assert house.table.job_of(payload, 0) == job
    assert house.table.job_of(payload, 1e12) is None
    assert house.table.job_of({**payload, "steps": 5}, 0) is None


def test_a_change_while_a_status_is_read_is_news(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    job = house.service.submit(asked().cells()[0].request)
    get = house.service._jobs.get

    def get_then_change(job_id: str) -> Any:
        found = get(job_id)
        house.service._board.touch(job_id)
        return found

    monkeypatch.setattr(house.service._jobs, "get", get_then_change)
    status = house.service.status(job)
    assert status is not None
    assert house.service._board.version(job) > status.version


def test_unknown_experiments(house: House) -> None:
    assert house.lab.status("x") is None
    assert house.lab.results("x") is None
    assert house.lab.pictures("x") == []
    house.lab.cancel("x")
    house.lab.go_on("x")


def test_a_sheet_keeps_rows_columns_and_pixels() -> None:
    cells = [
        (f"row {y} " + "w" * 200, f"column {x}", tile(Image.new("RGB", (64, 64), (50 * x, 90 * y, 200))))
        for y in range(2)
        for x in range(3)
    ]
    sheet = draw_sheet([*cells[1:], cells[0]])
    found = {colour: count for count, colour in sheet.getcolors(1 << 24) or []}
    assert all(found[50 * x, 90 * y, 200] == 64 * 64 for y in range(2) for x in range(3))
    large = draw_sheet([("a", str(place), tile(Image.new("RGB", (1024, 64)))) for place in range(40)])
    assert large.width <= 16_384
    assert draw_sheet([("红", "", tile(Image.new("RGB", (20, 20))))]).height > 20
    with pytest.raises(ValueError, match="at least one"):
        draw_sheet([])


def test_an_experiment_waits_for_its_folder_and_its_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST", 0.01)
    monkeypatch.setattr(trouble, "LONGEST", 0.05)
    with opened(tmp_path, FakeEngine(seconds_per_step=0.005)) as house:
        identity = house.lab.submit(asked())
        while not house.made:
            house.lab.wait(identity, -1, 0.01)
        (tmp_path / "outputs").rename(tmp_path / "away")
        while house.service.board.held is None:
            house.lab.wait(identity, -1, 0.01)
        (tmp_path / "away").rename(tmp_path / "outputs")
        house.service.try_again()
        assert house.over(identity).state == "done"
        next_to_run, fails = LabTable.next_to_run, [Unavailable("database_busy", file="x") for _ in range(3)]

        def held(self: LabTable) -> Any:
            if fails:
                raise fails.pop()
            return next_to_run(self)

        monkeypatch.setattr(LabTable, "next_to_run", held)
        other = house.lab.submit(asked(seeds=(4, 5)))
        assert house.over(other).state == "done"
        assert fails == []


def test_a_run_killed_after_its_sheet_has_one_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = LabTable.finish

    def dying(self: LabTable, *given: Any, **named: Any) -> None:
        monkeypatch.setattr(LabTable, "finish", finish)
        raise Unavailable("database_full", file="x")  # what comes after the sheet did not happen

    monkeypatch.setattr(LabTable, "finish", dying)
    monkeypatch.setattr(trouble, "FIRST", 0.01)
    with opened(tmp_path) as house:
        identity = house.lab.submit(asked())
        assert house.over(identity).state == "done"
        assert len(list((tmp_path / "outputs").glob("*/*/grid-*"))) == 1
