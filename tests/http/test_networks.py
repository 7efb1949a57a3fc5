"""The networks as the page asks for them, and the picture that is made of one."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.errors import ModelError, StorageError
from tests.jobs.test_service import request
from tests.models.files import checkpoint, write_model
from tests.networks.files import write_control, write_lora
from webui.http.networks import network_routes
from webui.kept.settings import Settings
from webui.networks.previews import SEED
from webui.parts import Parts, build_parts

NAMES = {"anime", "builtin", "builtin-tokens", "builtin-outlines", "edges", "Hat", "sketch"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_model(folder / "anime.safetensors", checkpoint())
    write_lora(folder / "Hat.safetensors")
    write_lora(folder / "sketch.safetensors", 2048)
    write_control(folder / "edges.safetensors")
    return folder


@pytest.fixture
def parts(tmp_path: Path, models: Path) -> Iterator[Parts]:
    settings = Settings(output_dir=tmp_path / "outputs", models_dirs=(models,), data_dir=tmp_path, engine="fake")
    with build_parts(settings, FakeEngine(folders=(models,)), tmp_path) as parts:
        parts.service.start()
        yield parts


@pytest.fixture
def client(parts: Parts) -> Iterator[TestClient]:
    application = FastAPI()
    application.include_router(network_routes(parts))
    with TestClient(application, headers={"accept-language": "en"}) as client:
        yield client


def cards(client: TestClient, language: str = "en") -> dict[str, dict[str, Any]]:
    answer = client.get("/networks", headers={"accept-language": language})
    assert answer.headers["cache-control"] == "no-store"
    return {card["model"]: card for card in answer.json()["cards"]}


def made(client: TestClient, parts: Parts, card: dict[str, Any]) -> dict[str, Any]:
    """What is told once its picture's job has ended."""
    job = client.post(f"/networks/{card['id']}/picture", json={"model": "anime"}).json()["job"]
    status = parts.service.status(job)
    while status is not None and not status.finished:
        status = parts.service.wait(job, status.version, 5)
    told: dict[str, Any] = client.get(f"/networks/{card['id']}/picture/{job}").json()
    return told


def test_what_there_is_in_the_visitors_language(client: TestClient, models: Path) -> None:
    (models / "Hat.civitai.info").write_text(json.dumps({"trainedWords": ["straw\ud800 hat"]}))
    found = cards(client)
    assert found.keys() == NAMES
    assert (found["Hat"]["tag"], found["Hat"]["words"], found["Hat"]["title"]) == (
        "<lora:Hat:1>",
        ["straw hat"],
        "SD 1.x",
    )
    assert (found["Hat"]["fits"], found["sketch"]["fits"]) == (["sd1"], [])
    assert "It follows a picture or a map" in found["edges"]["problem"]
    assert "它需要图片或控制图" in cards(client, "zh-CN")["edges"]["problem"]
    assert str(models) not in client.get("/networks").text


def test_a_picture_is_made_small_and_named_by_no_path(client: TestClient, models: Path) -> None:
    assert cards(client)["Hat"]["picture"] == ""
    Image.new("RGB", (900, 300), "red").save(models / "Hat.preview.png")
    address = cards(client)["Hat"]["picture"]
    answer = client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(answer.content)).size == (256, 85)
    (models / "Hat.preview.png").write_bytes(b"<script>alert(1)</script>")
    assert cards(client)["Hat"]["picture"] != address
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("path", ["/networks/x/picture", f"/networks/{'0' * 16}/picture", "/networks/..%2F/picture"])
def test_nothing_else_is_given_out(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 422)


def test_a_picture_is_made_and_kept_in_the_data_folder(client: TestClient, parts: Parts, models: Path) -> None:
    before = sorted(path.name for path in models.iterdir())
    card = cards(client)["Hat"]
    told = made(client, parts, card)
    assert (told["state"], told["error"]) == ("done", "")
    assert told["picture"] == cards(client)["Hat"]["picture"] != ""
    assert client.get(told["picture"]).status_code == 200
    assert sorted(path.name for path in models.iterdir()) == before
    assert parts.service.recent(5) == []  # it is no picture of the archive
    assert parts.service.current() is None
    batch = parts.service._engine.batches[-1]  # type: ignore[attr-defined]
    assert batch.seeds == (SEED,)
    assert "<lora:Hat:1>" in batch.request.prompt


def test_a_picture_that_failed_says_why_and_is_none(client: TestClient, parts: Parts) -> None:
    parts.service._engine._fail_on[SEED] = ModelError("file_gone", path="anime")  # type: ignore[attr-defined]
    told = made(client, parts, cards(client)["Hat"])
    assert told == {"state": "failed", "error": "The file is gone: anime.", "picture": ""}


def test_the_queue_says_what_is_made(parts: Parts, client: TestClient) -> None:
    parts.service._board.hold("disk", StorageError("folder_gone", folder="out").note)
    card = cards(client)["Hat"]
    client.post(f"/networks/{card['id']}/picture", json={})
    (row,), total = parts.service.queue(5)
    assert (row.kind, row.about, total) == ("preview", "Hat", 1)


def test_why_none_can_be_made_is_told(client: TestClient) -> None:
    found = cards(client)
    answer = client.post(f"/networks/{found['sketch']['id']}/picture", json={"model": "anime"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "There is no model of SDXL to make its picture with."
    assert client.post(f"/networks/{found['edges']['id']}/picture", json={}).status_code == 400
    assert client.post(f"/networks/{'0' * 16}/picture", json={}).status_code == 404
    assert client.post(f"/networks/{found['Hat']['id']}/picture", json={"model": 3}).status_code == 422


def test_only_the_job_of_a_picture_is_told(client: TestClient, parts: Parts) -> None:
    card = cards(client)["Hat"]
    job = parts.service.submit(request(model="builtin"))
    assert client.get(f"/networks/{card['id']}/picture/{job}").status_code == 404
    assert client.get(f"/networks/{card['id']}/picture/{'0' * 32}").status_code == 404
