"""The folder of pictures goes away in the middle of an experiment, or the program is killed there: nothing is lost, and
nothing is made twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.engines.fake import FakeEngine
from webui.archive import metadata
from webui.jobs import trouble
from webui.lab.store import LabTable

from .conftest import House, asked, opened
from .test_runner import Halting

CELLS = 6


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST", 0.01)
    monkeypatch.setattr(trouble, "LONGEST", 0.05)


def seeds_and_prompts(folder: Path) -> list[tuple[int, str]]:
    records = [metadata.read(path).record for path in folder.glob("*/*/0*.png")]
    return sorted((one.settings["seed"], one.settings["prompt"]) for one in records if one is not None)


def check(house: House, identity: str, folder: Path) -> None:
    status = house.over(identity)
    assert (status.state, status.done, status.error) == ("done", CELLS, None)
    assert seeds_and_prompts(folder) == sorted(
        (cell.request.seed, cell.request.prompt)
        for cell in asked().cells()  # type: ignore[misc]
    )
    assert all(path is not None and path.is_file() for _, path in house.lab.pictures(identity))
    assert house.lab.results(identity) is not None
    assert len(list(folder.glob("*/*/grid-*"))) == 1


@pytest.mark.fault(6)
def test_a_folder_that_goes_after_any_cell(tmp_path: Path) -> None:
    """It is looked for many times while it is away; what was made before is still known afterwards."""
    for cell in range(1, CELLS):
        engine, folder = Halting(), tmp_path / str(cell)
        outputs = folder / "outputs"
        with opened(folder, engine) as house:
            identity = house.lab.submit(asked())
            for _ in range(cell):
                engine.free.release()
            while (status := house.lab.status(identity)) is not None and status.done < cell:
                house.lab.wait(identity, status.version, 0.05)
            engine.reached.acquire()
            outputs.rename(folder / "away")
            for _ in range(CELLS):
                engine.free.release()
            while house.service.board.held is None:
                house.lab.wait(identity, -1, 0.02)
            for _ in range(5):
                house.service.try_again()
                house.lab.wait(identity, -1, 0.05)
            (folder / "away").rename(outputs)
            house.service.try_again()
            check(house, identity, outputs)
            assert house.made == CELLS


@pytest.mark.fault(6)
def test_a_folder_that_was_away_when_the_program_started(tmp_path: Path) -> None:
    """All that an experiment had made is known again, and an experiment that shares its cells makes none anew."""
    with opened(tmp_path) as house:
        check(house, house.lab.submit(asked()), tmp_path / "outputs")
    (tmp_path / "outputs").rename(tmp_path / "away")
    with opened(tmp_path) as house:
        table: LabTable = house.table
        identity = table.add("again", asked().to_json(house.store.inputs), CELLS)
        house.lab.start()
        while house.service.board.held is None:
            house.lab.wait(identity, -1, 0.02)
        (tmp_path / "away").rename(tmp_path / "outputs")
        house.service.try_again()
        assert house.over(identity).done == CELLS
        assert house.made == 0


@pytest.mark.fault(6, 9)
def test_a_program_killed_while_the_folder_was_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, outputs = FakeEngine(seconds_per_step=0.01), tmp_path / "outputs"
    with opened(tmp_path, engine) as house:
        identity = house.lab.submit(asked())
        while (status := house.lab.status(identity)) is not None and status.done < 2:
            house.lab.wait(identity, status.version, 0.05)
        outputs.rename(tmp_path / "away")
        while house.service.board.held is None:
            house.lab.wait(identity, -1, 0.02)

        def unsaid(*_: Any, **__: Any) -> None:
            """As for a program that was killed: nothing is noted any more."""

        for name in ("finish", "set_state", "set_path"):
            monkeypatch.setattr(LabTable, name, unsaid)
    monkeypatch.undo()
    monkeypatch.setattr(trouble, "FIRST", 0.01)
    (tmp_path / "away").rename(outputs)
    with opened(tmp_path) as house:
        house.lab.start()
        check(house, identity, outputs)
