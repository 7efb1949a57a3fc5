"""When model files are read again: after an end that was no close, and once a month; never beside a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from tests.models.files import checkpoint, write_model
from tests.models.test_rot import flip
from webui.kept.reading import FILE, ReadingSettings
from webui.proof import rereading
from webui.proof.rereading import Rereading

NEVER = 10_000.0  # seconds: a period that no test waits for


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in "abc":
        write_model(tmp_path / "models" / f"{name}.safetensors", checkpoint(), {"name": name})
    return tmp_path / "models"


@pytest.fixture
def engine(models: Path) -> Iterator[FakeEngine]:
    found = FakeEngine(folders=(models,))
    until = time.monotonic() + 60
    while any(info.sha256 is None for info in found.shelf()):
        assert time.monotonic() < until
        time.sleep(0.01)
    yield found
    found.close()


def altered(engine: FakeEngine) -> set[str]:
    return {info.name for info in engine.shelf() if info.altered is not None}


@contextmanager
def running(engine: FakeEngine, folder: Path, *, monthly: bool = False, idle: object = None) -> Iterator[Rereading]:
    found = Rereading(engine, folder, idle or (lambda: True), lambda: monthly, period=NEVER)  # type: ignore[arg-type]
    found.start()
    try:
        yield found
    finally:
        found.close()


def killed(engine: FakeEngine, folder: Path) -> None:
    """Started, and never closed."""
    with running(engine, folder):
        marker = (folder / rereading.RUNNING).read_bytes()
    (folder / rereading.RUNNING).write_bytes(marker)


@pytest.mark.fault(12)
def test_after_an_unclean_end_every_file_is_read_again(engine: FakeEngine, models: Path, tmp_path: Path) -> None:
    killed(engine, tmp_path)
    flip(models / "b.safetensors")
    with running(engine, tmp_path) as program:
        program.look()
        assert altered(engine) == {"b"}
        flip(models / "c.safetensors")
        program.look()
        assert altered(engine) == {"b"}  # each was read once
    with running(engine, tmp_path) as program:
        program.look()
        assert altered(engine) == {"b"}


def test_after_a_clean_one_nothing_is_read(engine: FakeEngine, models: Path, tmp_path: Path) -> None:
    with running(engine, tmp_path):
        pass
    flip(models / "b.safetensors")
    with running(engine, tmp_path) as program:
        program.look()
    assert altered(engine) == set()


def test_it_goes_on_where_it_stopped(engine: FakeEngine, models: Path, tmp_path: Path) -> None:
    """Stopped by a run, and by the end of the program."""
    killed(engine, tmp_path)
    for name in "abc":
        flip(models / f"{name}.safetensors")
    left = [3]  # looks at whether something runs: one before a file, one in it, one before the next

    def idle() -> bool:
        left[0] -= 1
        return left[0] >= 0

    with running(engine, tmp_path, idle=idle) as program:
        program.look()
        first = altered(engine)
        assert len(first) == 1
        program.look()
        assert altered(engine) == first  # something runs
    with running(engine, tmp_path) as program:
        program.look()
    assert altered(engine) == {"a", "b", "c"}
    assert not (tmp_path / rereading.UNCLEAN).exists()


@pytest.mark.fault(12)
def test_once_a_month_by_choice(
    engine: FakeEngine, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(models / "a.safetensors")
    for monthly in (False, True):
        with running(engine, tmp_path, monthly=monthly) as program:
            program.look()
            assert altered(engine) == set()  # it was read a moment ago
    later = time.time() + rereading.MONTH + 60
    monkeypatch.setattr(rereading.time, "time", lambda: later)
    with running(engine, tmp_path) as program:
        program.look()
        assert altered(engine) == set()
    with running(engine, tmp_path, monthly=True) as program:
        program.look()
        assert altered(engine) == {"a"}


def test_the_choice_is_kept_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    settings = ReadingSettings(tmp_path / FILE)
    assert settings.monthly()
    settings.keep(monthly=False)
    assert not ReadingSettings(tmp_path / FILE).monthly()
    (tmp_path / FILE).write_text("{")
    assert settings.monthly()
