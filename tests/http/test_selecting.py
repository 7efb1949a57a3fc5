"""Things selected by clicks on the page: the mask, and what is refused."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from pipelines.types import ModelInfo, Progress
from tests.jobs.test_upscaling import parts
from webui.http.selecting import PREFIX, selecting_routes
from webui.parts import Parts

__all__ = ["parts"]  # a fixture

NETWORK = ModelInfo(name="sam", family="unknown", path="x", kind="segmenter")


@pytest.fixture
def client(parts: Parts) -> Iterator[TestClient]:
    application = FastAPI()
    application.include_router(selecting_routes(parts.service, parts.store.inputs))
    with TestClient(application, headers={"accept-language": "en"}) as client:
        yield client


@pytest.fixture
def source(parts: Parts) -> str:
    return parts.store.inputs.put(Image.new("RGB", (80, 64), "red"))


def test_without_a_network_it_is_said_where_to_put_one(client: TestClient, source: str) -> None:
    missing = client.get(PREFIX).json()["missing"]
    assert "models/" in missing
    answer = client.post(PREFIX, json={"source": source, "clicks": [[1, 2, True]]})
    assert (answer.status_code, answer.json()["detail"]) == (409, missing)


def test_a_click_gives_a_mask_of_the_pictures_size(
    client: TestClient, parts: Parts, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts.service._engine, "segmenters", lambda: (NETWORK,))
    assert client.get(PREFIX).json() == {"missing": ""}
    answer = client.post(PREFIX, json={"source": source, "clicks": [[40, 32, True]]})
    assert answer.headers["content-type"] == "image/png"
    mask = Image.open(io.BytesIO(answer.content))
    assert (mask.mode, mask.size) == ("L", (80, 64))
    assert (mask.getpixel((40, 32)), mask.getpixel((1, 1))) == (255, 0)
    outside = client.post(PREFIX, json={"source": source, "clicks": [[81, 1, True]]})
    assert outside.status_code == 400
    assert "80 × 64" in outside.json()["detail"]
    assert client.post(PREFIX, json={"source": "0" * 64, "clicks": [[1, 1, True]]}).status_code == 409
    assert client.post(PREFIX, json={"source": source, "clicks": []}).status_code == 422


def test_who_waits_gives_way_to_the_next_click(
    client: TestClient, parts: Parts, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, answers = threading.Event(), list[Any]()

    def selected(image: Image.Image, clicks: Any, on_progress: Any) -> Image.Image:
        while len(clicks) == 1:  # as long as a picture is being made
            on_progress(Progress(stage="waiting"))
            waits.set()
        return Image.new("L", image.size)

    monkeypatch.setattr(parts.service, "selected", selected)

    def click() -> None:
        answers.append(client.post(PREFIX, json={"source": source, "clicks": [[1, 2, True]]}))

    thread = threading.Thread(target=click)
    thread.start()
    assert waits.wait(30)
    assert client.post(PREFIX, json={"source": source, "clicks": [[1, 2, True], [3, 4, False]]}).status_code == 200
    thread.join(30)
    assert answers[0].status_code == 409
