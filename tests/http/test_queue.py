"""The list of the queue, as the page asks for it, and what its buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.errors import Note, Unavailable
from tests.jobs.test_dealing import pool
from tests.jobs.test_service import Harness, done, harness, request, until
from webui.http.queue import ABOUT, SHOWN, queue_routes
from webui.jobs.service import GenerationService
from webui.ui import jobs

__all__ = ["harness"]  # a fixture
FULL = Note("database_full", file="jobs.sqlite", reason="full")


@pytest.fixture
def service(harness: Harness) -> GenerationService:
    """One that takes jobs and runs none."""
    return harness.start(run=False)


@pytest.fixture
def client(service: GenerationService) -> Iterator[TestClient]:
    application = FastAPI()
    application.include_router(queue_routes(service, tuple))
    with TestClient(application, headers={"accept-language": "en"}) as client:
        yield client


def away(*_: Any, **__: Any) -> Any:
    raise Unavailable(FULL.code, **FULL.values)


def test_a_page_of_the_queue_and_how_many_more(client: TestClient, service: GenerationService) -> None:
    service.submit_many([request(prompt="x" * 300, seed=number, batches=3) for number in range(SHOWN + 7)])
    told = client.get("/queue").json()
    assert (len(told["items"]), told["total"], told["held"]) == (SHOWN, SHOWN + 7, "")
    row = told["items"][0]
    assert (row["kind"], row["state"], row["done"]) == ("txt2img", "waiting", "0 / 3")
    assert row["about"] == "x" * ABOUT + " …"
    chinese = client.get("/queue", headers={"accept-language": "zh-CN"}).json()["items"][0]
    assert (chinese["kind"], chinese["state"]) == ("文生图", "等待中")


def test_one_is_cancelled_and_all_are(client: TestClient, service: GenerationService) -> None:
    ids = service.submit_many([request(seed=number) for number in range(30)])
    assert client.post(f"/queue/{ids[3]}/cancel").status_code == 200
    assert [one["id"] for one in client.get("/queue").json()["items"]] == ids[:3] + ids[4:]
    assert client.post("/queue/cancel").json() == {"count": 29}
    left = client.get("/queue").json()
    assert (left["items"], left["total"], left["held"]) == ([], 0, "")
    assert client.post("/queue/no-such/cancel").status_code == 422
    assert client.post(f"/queue/{'0' * 32}/cancel").status_code == 200


def test_why_it_is_held_is_told_and_a_person_has_it_tried_again(client: TestClient, service: GenerationService) -> None:
    service._board.hold("disk", Note("folder_gone", folder="D:/out"))
    assert "D:/out" in client.get("/queue").json()["held"]
    before = service._board.tries
    assert client.post("/queue/again").status_code == 200
    assert service._board.tries == before + 1


def test_a_database_that_is_away_is_told_and_no_fault_of_the_server(
    client: TestClient, service: GenerationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.submit(request(seed=1))
    monkeypatch.setattr(service._jobs, "queue", away)
    told = client.get("/queue").json()
    assert (told["items"], told["total"]) == ([], 0)
    assert "jobs.sqlite" in told["held"]
    monkeypatch.setattr(service._jobs, "cancel_all_queued", away)
    assert client.post("/queue/cancel").status_code == 409


def test_who_watches_is_told_that_the_database_is_away_and_goes_on(
    service: GenerationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "WAIT", 0.01)
    monkeypatch.setattr(jobs, "PAUSE", 0.0)
    job = service.submit(request(seed=1))

    class House:
        pass

    house: Any = House()
    house.service = service
    seen = jobs.watch(house, service.current, [job])
    original = service._jobs.get, service._jobs.first
    first = next(seen)
    assert not isinstance(first, Note)
    assert first.id == job
    monkeypatch.setattr(service._jobs, "get", away)
    monkeypatch.setattr(service._jobs, "first", away)
    assert next(seen) == FULL
    assert next(seen) == FULL
    monkeypatch.setattr(service._jobs, "get", original[0])
    monkeypatch.setattr(service._jobs, "first", original[1])
    again = next(seen)
    assert not isinstance(again, Note)
    assert again.state == "queued"
    service.cancel(job)
    assert [one.state for one in seen if not isinstance(one, Note)][-1] == "cancelled"
    monkeypatch.setattr(service._jobs, "first", away)  # away from the beginning
    assert next(jobs.watch(house, service.current, [job])) == FULL


def test_each_of_several_devices_is_told_with_its_model_and_its_job(harness: Harness) -> None:
    engine, first, second = pool()
    service = harness.start(engine)
    application = FastAPI()
    application.include_router(queue_routes(service, tuple))
    jobs = service.submit_many([request(seed=1), request(seed=2), request(seed=3)])
    try:
        for job in jobs[:2]:
            until(service, job, lambda status: status.step > 0)
        with TestClient(application, headers={"accept-language": "en"}) as client:
            told = client.get("/queue").json()
            assert [one["name"] for one in told["devices"]] == ["one", "two"]
            assert {one["text"] for one in told["devices"]} == {"Built-in (simple scenes)"}
            assert {one["work"] for one in told["devices"]} == {"a red star"}
            states = [one["state"] for one in told["items"]]
            assert sorted(states) == ["running · one", "running · two", "waiting"]
            first.go_on.set(), second.go_on.set()
            assert [done(service, job).state for job in jobs] == ["done"] * 3
            assert {one["work"] for one in client.get("/queue").json()["devices"]} == {"free"}
    finally:
        first.go_on.set(), second.go_on.set()


def test_one_device_is_not_told_apart(client: TestClient) -> None:
    assert client.get("/queue").json()["devices"] == []
