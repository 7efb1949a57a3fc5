"""What a command leaves behind that is killed: its finished pictures are saved by whoever saves there next."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note
from tests.commands.conftest import Run
from tests.commands.test_main import SLOW
from tests.conftest import ROOT
from webui.archive.metadata import read
from webui.instances import COMMAND, command_folder, take_pictures
from webui.kept.settings import Settings
from webui.parts import build_parts

pytestmark = pytest.mark.lengthy


def killed(folder: Path, *, away: bool) -> None:
    """A run of many batches in `folder`, killed after its first picture; `away`: its output folder went before, and
    finished pictures wait for it. The folder is back afterwards."""
    script, outputs = folder / "slow.py", folder / "outputs"
    script.write_text(SLOW.format(root=str(ROOT)), encoding="utf-8")
    options = ["generate", "a", "--json", "--batches", "50", "--steps", "4", "--output-dir", str(outputs)]
    line = [sys.executable, str(script), *options, "--data-dir", str(folder / "data")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        json.loads(process.stdout.readline())
        if away:
            outputs.rename(folder / "away")
            while not (told := process.stderr.readline()).startswith("seedprint: waiting"):
                assert told  # else it ended
        process.kill()
        process.communicate()
    if away:
        (folder / "away").rename(outputs)


def left(folder: Path) -> list[Path]:
    return list((folder / "data").glob(f"{COMMAND}*"))


def waiting(folder: Path) -> int:
    return len(list((folder / "data").glob(f"{COMMAND}*/waiting/*")))


def places(outputs: Path) -> Counter[int]:
    """Of the pictures of the prompt of `killed`: how often each place of its job is there."""
    records = [read(path).record for path in outputs.glob("*/*/0*.png")]
    return Counter(one.job.place for one in records if one is not None and one.job and one.settings["prompt"] == "a")


def page(folder: Path, outputs: Path) -> list[Note]:
    """A start of the page, until all that waited is saved; what it tells."""
    settings = Settings(output_dir=outputs, models_dirs=(), data_dir=folder / "data", engine="fake")
    with build_parts(settings, FakeEngine(), settings.data_dir) as parts:
        parts.service.start()
        parts.service._keeper.settled().result()
        return [one.note for one in parts.notices()]


@pytest.mark.fault(6, 7)
@pytest.mark.parametrize("by", ["page", "command"])
def test_the_next_start_saves_what_was_finished(tmp_path: Path, run: Run, by: str) -> None:
    killed(tmp_path, away=True)
    before, waits = places(tmp_path / "outputs").total(), waiting(tmp_path)
    assert waits
    if by == "page":
        assert page(tmp_path, tmp_path / "outputs") == []
    else:
        assert run("generate", "b", "--steps", "1").returncode == 0
    found = places(tmp_path / "outputs")
    assert found == dict.fromkeys(range(before + waits), 1)
    assert left(tmp_path) == []
    page(tmp_path, tmp_path / "outputs")
    assert places(tmp_path / "outputs") == found


@pytest.mark.fault(6, 7)
def test_a_page_that_saves_elsewhere_names_them_and_leaves_them(tmp_path: Path, run: Run) -> None:
    """A picture for one folder does not come into another."""
    killed(tmp_path, away=True)
    before, waits = places(tmp_path / "outputs").total(), waiting(tmp_path)
    told = page(tmp_path, tmp_path / "other")
    assert told == [Note("command_left", pictures=waits, folder=str(tmp_path / "outputs"))]
    assert places(tmp_path / "other") == {}
    assert run("generate", "b", "--steps", "1").returncode == 0
    assert places(tmp_path / "outputs").total() == before + waits
    assert page(tmp_path, tmp_path / "other") == []
    assert left(tmp_path) == []


@pytest.mark.fault(9)
def test_what_holds_no_picture_is_removed(tmp_path: Path) -> None:
    killed(tmp_path, away=False)
    assert len(left(tmp_path)) == 1
    page(tmp_path, tmp_path / "outputs")
    assert left(tmp_path) == []


def test_a_command_that_runs_is_left_alone_and_leaves_nothing(tmp_path: Path) -> None:
    with command_folder(tmp_path, tmp_path / "outputs") as one, command_folder(tmp_path, tmp_path / "outputs") as two:
        assert one != two
        (one / "waiting").mkdir()
        (one / "waiting" / "picture.png").touch()
        take_pictures(tmp_path, tmp_path / "outputs", two)
        assert (one / "waiting" / "picture.png").exists()
        (one / "waiting" / "picture.png").unlink()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_taken_for_one_left_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another start looks between the making of the folder and its lock."""
    from webui import instances

    make, looks = instances.tempfile.mkdtemp, [1, 2]

    def looked_at(**named: str) -> str:
        folder = make(**named)
        if looks:
            looks.pop()
            take_pictures(tmp_path, tmp_path / "outputs", tmp_path)
        return folder

    monkeypatch.setattr(instances.tempfile, "mkdtemp", looked_at)
    with command_folder(tmp_path, tmp_path / "outputs") as folder:
        assert folder.is_dir()
        assert looks == []
