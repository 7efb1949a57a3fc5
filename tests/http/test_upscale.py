"""Pictures made larger from the page: what is offered, what is queued, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from tests.jobs.test_upscaling import parts
from webui.http.upscale import PREFIX, upscale_routes
from webui.parts import Parts

__all__ = ["parts"]  # a fixture


@pytest.fixture
def client(parts: Parts) -> Iterator[TestClient]:
    application = FastAPI()
    application.include_router(upscale_routes(parts.service, parts.history))
    with TestClient(application, headers={"accept-language": "en"}) as client:
        yield client


def saved(parts: Parts, seed: int) -> str:
    made = parts.store.save(results(GenerationRequest(prompt="a red star", seed=seed, width=64, height=72))[0])
    parts.history.add(made)
    return parts.history.identity(made.path)


def test_what_is_offered(client: TestClient) -> None:
    told = client.get(PREFIX).json()
    assert [one["name"] for one in told["upscalers"]] == ["lanczos", "nearest", "builtin-2x", "mine"]
    assert told["upscalers"][0]["text"] == "Lanczos"
    assert told["by"] == {"low": 1, "high": 8, "begin": 2.0}


def test_several_are_queued_and_each_is_told_of_until_it_is_there(client: TestClient, parts: Parts) -> None:
    ids = [saved(parts, seed) for seed in (7, 8)]
    jobs = client.post(PREFIX, json={"ids": ids, "by": 1.5, "upscaler": "nearest"}).json()["jobs"]
    assert len(jobs) == 2
    end = time.monotonic() + 30
    told = client.get(f"{PREFIX}/{jobs[-1]}").json()
    while told["state"] in ("queued", "running") and time.monotonic() < end:
        told = client.get(f"{PREFIX}/{jobs[-1]}").json()
    assert (told["state"], told["error"]) == ("done", "")
    (entry,) = parts.history.entries(told["ids"])
    assert (entry.saved.width, entry.saved.height, entry.saved.task) == (96, 108, "upscale")


@pytest.mark.parametrize(
    ("wish", "told"),
    [({"by": 9}, "1 to 8"), ({"by": "x"}, "1 to 8"), ({"upscaler": "none"}, "one of"), ({"upscaler": 7}, "a name")],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_queued(
    client: TestClient, parts: Parts, wish: dict[str, object], told: str
) -> None:
    answer = client.post(PREFIX, json={"ids": [saved(parts, 7)], **wish})
    assert answer.status_code == 400
    assert told in answer.json()["detail"]
    assert parts.service.queue(10)[1] == 0


def test_pictures_that_are_not_there(client: TestClient, parts: Parts) -> None:
    answer = client.post(PREFIX, json={"ids": [saved(parts, 7), "0" * 32, "1" * 32]})
    assert answer.status_code == 400
    assert "2 of the chosen pictures" in answer.json()["detail"]
    assert parts.service.queue(10)[1] == 0
    for ids in ([], ["../x"], ["0" * 32] * 1001):
        assert client.post(PREFIX, json={"ids": ids}).status_code == 422
    assert client.get(f"{PREFIX}/{'0' * 32}").status_code == 404
