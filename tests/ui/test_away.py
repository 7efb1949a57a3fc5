"""A person presses Cancel or Skip while the job database fails: one sentence, and the queue goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Note, Unavailable
from pipelines.shared_database import Database
from tests.jobs.test_service import until
from tests.ui.conftest import Page, is_skipped, opened
from webui.jobs import trouble
from webui.ui.again.proof import ROUTE
from webui.words import say

WHY = Note("database_busy", file="jobs.sqlite")
PRESSED = ("form_cancel", "form_skip", "again_cancel", "lab_cancel", "lab_go_on")


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setattr(trouble, "FIRST", 0.01)
    monkeypatch.setattr(trouble, "LONGEST", 0.05)
    with opened(tmp_path, tmp_path / "outputs") as shown:
        shown.engine._pause = 0.02
        yield shown


@contextmanager
def failing() -> Iterator[None]:
    """No statement of any database is done, whoever asks."""

    @contextmanager
    def away(self: Database, *_: Any) -> Iterator[Any]:
        raise Unavailable(WHY.code, **WHY.values)
        yield

    with pytest.MonkeyPatch.context() as patch:
        for name in ("reading", "transaction"):
            patch.setattr(Database, name, away)
        yield


def two_jobs(shown: Page) -> list[str]:
    """One runs, the other waits."""
    jobs = []
    for prompt in ("a red star", "a blue heart"):
        values = {"task": "txt2img", "form_prompt": prompt, "form_batches": 2, "form_batch_size": 1}
        jobs.append(shown.call("form_submit", values)["seedprint-jobs"][-1])
    until(shown.parts.service, jobs[0], lambda status: status.step > 0)
    return jobs


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("event", PRESSED)
def test_a_press_is_answered_by_one_sentence_and_the_queue_goes_on(shown: Page, event: str, language: Any) -> None:
    jobs = two_jobs(shown)
    values: dict[str, Any] = {}
    if event.startswith("again"):
        values = {"seedprint-jobs-again": jobs[1:]}  # one that waits, as the database must be told of that
    if event.startswith("lab"):
        values = {"seedprint-lab": "0" * 32}
    with failing():
        (told,) = shown.call(event, values, language).values()
        assert told["error"] == say(WHY, language)
    assert [shown.finished(job).state for job in jobs] == ["done", "done"]
    assert [len(shown.finished(job).saved) for job in jobs] == [2, 2]
    (told,) = shown.call(event, values, language).values()
    assert is_skipped(told)


def test_the_routes_of_the_queue_answer_likewise(shown: Page) -> None:
    jobs = two_jobs(shown)
    with failing():
        for path in (f"/queue/{jobs[1]}/cancel", f"{ROUTE}/{jobs[1]}/cancel"):
            answer = shown.client.post(path)
            assert (answer.status_code, answer.json()["detail"]) == (409, say(WHY, "en"))
        assert shown.client.get("/queue").json()["held"] == say(WHY, "en")
    assert [shown.finished(job).state for job in jobs] == ["done", "done"]


def test_what_runs_is_cancelled_from_the_queue_whatever_the_database_says(shown: Page) -> None:
    jobs = two_jobs(shown)
    with failing():
        assert shown.client.post(f"/queue/{jobs[0]}/cancel").status_code == 200
    assert [shown.finished(job).state for job in jobs] == ["cancelled", "done"]


def test_who_watches_an_experiment_is_told_and_sees_it_go_on(shown: Page) -> None:
    lab, looked = shown.parts.lab, threading.Event()
    status = lab.status

    def away_at_first(identity: str) -> Any:
        if not looked.is_set():
            looked.set()
            raise Unavailable(WHY.code, **WHY.values)
        return status(identity)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "status", away_at_first)
        shown.watch("lab_watch", {"seedprint-lab": "0" * 32})
    assert looked.is_set()
