"""Whatever lies where the program wants a file of its own in the data folder: it goes on, or says why not."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note, SeedprintError
from pipelines.models.files.hashes import Hashes
from pipelines.models.peaks import Measured, Peaks
from tests.jobs.test_service import request
from tests.jobs.test_shelf import settings_for
from webui.commands import main as cli
from webui.kept.settings import Settings
from webui.parts import Parts, build_parts
from webui.words import say

pytestmark = pytest.mark.lengthy


def folder(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


def loop(path: Path) -> None:
    """What nobody can read or write, whatever their rights."""
    path.symlink_to(path)


WAYS: tuple[Callable[[Path], None], ...] = (folder, loop)
FIRST = [  # written before anything else is; a link that leads nowhere gives way to a file
    ("lock", folder),
    ("lock", loop),
    ("page", loop),
    ("sessions", folder),
    ("link", folder),
    ("open.html", folder),
]


@pytest.mark.fault(12)
@pytest.mark.parametrize(("name", "way"), FIRST)
def test_what_a_start_needs_is_told_in_one_line(
    tmp_path: Path,
    name: str,
    way: Callable[[Path], None],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("GRADIO_ANALYTICS_ENABLED", "GRADIO_TEMP_DIR", "DISABLE_CUSTOM_CODE", "DO_NOT_TRACK"):
        monkeypatch.setenv(variable, "")
    monkeypatch.delenv("WSL_DISTRO_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    way(data / name)
    options = ["--engine", "fake", "--no-browser", "--port", "0", "--output-dir", str(tmp_path / "outputs")]
    assert cli.main(["serve", *options, "--data-dir", str(data)]) == cli.FAILED
    (line,) = capfd.readouterr().err.splitlines()
    assert f"The data folder {data} cannot be used: " in line
    assert str(data / name) in line
    assert not list(data.glob("link")) or name == "link"


def use(parts: Parts, settings: Settings) -> Iterator[Callable[[], object]]:
    """One of everything that is kept."""
    service = parts.service
    yield service.start
    yield lambda: [service.submit(request(seed=7)), _over(parts)]
    yield lambda: parts.thumbnails.get(parts.history.recent(1)[0].path)
    yield lambda: parts.history.rate([one.id for one in parts.history.recent(1)], 3)
    yield lambda: parts.saving.keep(parts.store.saving)
    yield lambda: parts.reading.keep(monthly=False)
    yield lambda: service.shelf.settings.put(service.models()[0], {"steps": 7})
    yield lambda: parts.forms.keep("txt2img", {"steps": 5})
    yield lambda: parts.notices.dismiss(parts.notices()[0].id if parts.notices() else "0" * 16)
    yield parts.rereading.start
    yield parts.rechecking.start
    yield parts.ahead.start


def _over(parts: Parts) -> None:
    while job := next(iter(parts.service.unfinished()), None):
        if parts.service.held is not None:
            return
        parts.service.wait(job.id, job.version, 0.5)


def used(settings: Settings) -> list[Note]:
    """What was told in place of what could not be done."""
    told = []
    try:
        with build_parts(settings, FakeEngine(), settings.data_dir) as parts:
            for act in use(parts, settings):
                try:
                    act()
                except (SeedprintError, IndexError) as error:
                    told += [error.told] if isinstance(error, SeedprintError) else []
    except SeedprintError as error:
        told.append(error.told)
    return told


@pytest.mark.fault(12)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_is_kept_ends_in_a_traceback(
    tmp_path: Path, way: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(tmp_path)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    assert used(settings) == []
    names = {path.name for path in settings.data_dir.iterdir()} | {"unclean.txt", "running", "waiting", "remade"}
    names |= {f"{name}.sqlite" for name in ("jobs", "history", "marks", "thumbs")}
    assert len(names) > 10
    for name in sorted(names):
        caplog.clear()
        shutil.rmtree(settings.data_dir)
        settings.data_dir.mkdir()
        way(settings.data_dir / name)
        for note in used(settings):
            assert str(settings.data_dir) in say(note, "en") or note.values.get("reason"), (name, note)
        assert [record for record in caplog.records if record.exc_info] == [], name


@pytest.mark.parametrize("way", WAYS)
def test_what_the_worker_keeps_costs_no_picture(
    tmp_path: Path, way: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    way(tmp_path / "hashes.sqlite")
    way(tmp_path / "peaks.json")
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"a")
    with contextlib.closing(Hashes(tmp_path / "hashes.sqlite")) as hashes, caplog.at_level(logging.ERROR):
        assert len(hashes.wait(file, 60) or "") == 64
    Peaks(tmp_path / "peaks.json").learn("cpu", "sd", Measured(stage="step", predicted=1e12, taken=1e12))
    assert [record for record in caplog.records if record.exc_info] == []
