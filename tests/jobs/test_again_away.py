"""Pictures are made again while their folder goes away, or the program ends: a picture that cannot be found then is not
called lost, and each is compared once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.types import Batch, GenerationResult, OnProgress
from tests.jobs.test_service import Harness, done, harness, request, until
from webui.jobs import trouble
from webui.jobs.service import GenerationService

__all__ = ["harness"]
pytestmark = pytest.mark.lengthy
PICTURES = 5


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST", 0.01)
    monkeypatch.setattr(trouble, "LONGEST", 0.05)


class Leaving(FakeEngine):
    """The folder goes while the n-th picture is made."""

    def __init__(self, folder: Path, after: int) -> None:
        super().__init__()
        self.folder, self.after = folder, after

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        if len(self.batches) == self.after:
            self.folder.rename(self.folder.with_name("away"))
        return super().generate(batch, on_progress)


def made(harness: Harness) -> list[Path]:
    service = harness.start()
    status = done(service, service.submit(request(seed=7, batches=PICTURES)))
    service.close()
    harness.services.clear()
    return [saved.path for saved in status.saved]


def check(service: GenerationService, job: str, paths: list[Path]) -> None:
    status = done(service, job)
    assert status.state == "done"
    assert sorted(report.path for report in status.reports) == sorted(map(str, paths))
    assert [report.verdict for report in status.reports] == ["identical"] * PICTURES


@pytest.mark.fault(6)
@pytest.mark.parametrize("after", [0, 2, PICTURES - 1])
def test_a_folder_that_goes_is_waited_for(harness: Harness, after: int) -> None:
    paths, outputs = made(harness), harness.folder / "outputs"
    service = harness.start(Leaving(outputs, after))
    job = service.submit_again(*paths)
    status = until(service, job, lambda status: status.held is not None)
    assert status.held is not None
    assert status.held.code == "folder_gone"
    assert [report.verdict for report in status.reports] == ["identical"] * len(status.reports)
    (harness.folder / "away").rename(outputs)
    service.try_again()
    check(service, job, paths)


@pytest.mark.fault(6)
def test_a_picture_that_was_deleted_is_told_and_holds_nothing(harness: Harness) -> None:
    paths = made(harness)
    paths[1].unlink()
    service = harness.start()
    status = done(service, service.submit_again(*paths))
    assert status.state == "done"
    assert sorted(report.verdict for report in status.reports) == ["cannot"] + ["identical"] * (PICTURES - 1)


@pytest.mark.fault(6, 9)
def test_a_program_that_ends_meanwhile_goes_on_with_all_of_them(harness: Harness) -> None:
    paths, outputs = made(harness), harness.folder / "outputs"
    service = harness.start(Leaving(outputs, 2))
    job = service.submit_again(*paths)
    until(service, job, lambda status: status.held is not None)
    service.close()
    harness.services.clear()
    with contextlib.suppress(FileNotFoundError):
        (harness.folder / "away").rename(outputs)
    check(harness.start(), job, paths)
