"""Animations of the page: what one will cost, made in the background, stopped, gone on with, and saved as a file."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image, ImageSequence

from pipelines.engines.fake import FakeEngine
from pipelines.types import Batch, GenerationRequest, GenerationResult, OnProgress, Progress
from tests.archive.helpers import results
from webui.animation.making import MADE
from webui.http.animation import PREFIX, animation_routes
from webui.kept.settings import Settings
from webui.parts import Parts, build_parts

WALK = "fps: 10\nwidth: 64\nheight: 64\nsteps: 2\nprompt: {0: a red star, 4: a moon}\nseed: {0: 7, 2: 42}\n"
HELD = 42  # the seed at which the engine stands still


class Held(FakeEngine):
    """Stands still at a seed until it is let go or ended."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        while batch.seeds[0] == HELD and not self.go.wait(0.01):
            on_progress(Progress(stage="denoising", step=1, steps=2))
        return super().generate(batch, on_progress)


@pytest.fixture
def engine() -> Held:
    return Held()


def opened(folder: Path, engine: FakeEngine) -> Any:
    settings = Settings(output_dir=folder / "outputs", models_dirs=(), data_dir=folder / "data", engine="fake")
    settings.data_dir.mkdir(exist_ok=True)
    return build_parts(settings, engine, settings.data_dir)


def asking(parts: Parts) -> TestClient:
    application = FastAPI()
    application.include_router(animation_routes(parts, lambda request, language: f"{request.prompt} fits"))
    return TestClient(application, headers={"accept-language": "en"})


@pytest.fixture
def parts(tmp_path: Path, engine: Held) -> Iterator[Parts]:
    with opened(tmp_path, engine) as built:
        built.service.start()
        yield built


@pytest.fixture
def client(parts: Parts) -> TestClient:
    return asking(parts)


def looked(client: TestClient, identity: str) -> dict[str, Any]:
    told: dict[str, Any] = client.get(f"{PREFIX}/{identity}").json()
    return told


def over(client: TestClient, identity: str) -> dict[str, Any]:
    while (told := looked(client, identity))["state"] == "running":
        pass
    return told


def test_made_shown_and_saved(client: TestClient, parts: Parts) -> None:
    plan = client.post(f"{PREFIX}/plan", json={"text": WALK}).json()["told"]
    assert "5 pictures, 0 of them there already: 10 steps" in plan
    assert plan.endswith('("a red star", "a moon").blend(0.5, 0.5) fits')
    identity = client.post(PREFIX, json={"text": WALK}).json()["id"]
    told = over(client, identity)
    assert (told["state"], told["frames"], told["fps"], told["error"]) == ("done", 5, 10, "")
    found = [parts.find(one) for one in told["pictures"]]
    frames = [Image.open(one.path).convert("RGB").tobytes() for one in found if one is not None]
    assert len(frames) == 5
    for kind, mime in (("webp", "image/webp"), ("apng", "image/png")):
        film = client.get(f"{PREFIX}/{identity}/{kind}")
        assert film.headers["content-type"] == mime
        assert "attachment" in film.headers["content-disposition"]
        with Image.open(io.BytesIO(film.content)) as moving:
            assert [one.convert("RGB").tobytes() for one in ImageSequence.Iterator(moving)] == frames
    assert client.get(PREFIX).json()["items"] == [{"id": identity, "text": WALK, "name": "a red star"}]
    assert client.get(f"{PREFIX}/{identity}/mp4").status_code == 404


def test_stopped_and_gone_on_with_by_the_next_program(
    client: TestClient, parts: Parts, engine: Held, tmp_path: Path
) -> None:
    engine.go.clear()
    identity = client.post(PREFIX, json={"text": WALK}).json()["id"]
    while looked(client, identity)["step"] != 1 or len(looked(client, identity)["pictures"]) < 2:
        pass
    assert client.post(f"{PREFIX}/{identity}/cancel").status_code == 200
    assert over(client, identity)["state"] == "stopped"
    assert not list(tmp_path.rglob("*.going"))
    assert client.get(f"{PREFIX}/{identity}/webp").status_code == 404
    parts.animations.close()
    parts.service.close()
    later = Held()
    with opened(tmp_path, later) as again:
        again.service.start()
        other = asking(again)
        assert (looked(other, identity)["state"], len(looked(other, identity)["pictures"])) == ("stopped", 2)
        assert other.post(PREFIX, json={"text": WALK}).json()["id"] == identity
        assert over(other, identity)["state"] == "done"
        assert len(later.batches) == 3


def test_what_was_asked_for_goes_on_in_the_next_program(
    client: TestClient, parts: Parts, engine: Held, tmp_path: Path
) -> None:
    engine.go.clear()
    first, second = (client.post(PREFIX, json={"text": text}).json()["id"] for text in (WALK, f"name: b\n{WALK}"))
    while len(looked(client, first)["pictures"]) < 2:
        pass
    parts.animations.close()
    parts.service.close()
    later = Held()
    with opened(tmp_path, later) as again:
        again.service.start()
        again.animations.start()
        other = asking(again)
        for identity in (first, second):  # the second had not begun
            while looked(other, identity)["state"] != "done":
                pass
        assert len(later.batches) == 3
        again.animations.close()
    with opened(tmp_path, later) as last:
        last.service.start()
        last.animations.start()
        assert not list((tmp_path / "data").rglob("*.going"))  # nothing is left to go on with


def test_stopped_and_at_once_gone_on_with(client: TestClient, engine: Held) -> None:
    engine.go.clear()
    identity = client.post(PREFIX, json={"text": WALK}).json()["id"]
    while looked(client, identity)["step"] != 1:
        pass
    client.post(f"{PREFIX}/{identity}/cancel")
    client.post(PREFIX, json={"text": WALK})
    engine.go.set()
    assert over(client, identity)["state"] == "done"


def test_a_frame_that_a_crash_left_in_the_queue_is_not_made_twice(
    client: TestClient, parts: Parts, engine: Held, tmp_path: Path
) -> None:
    identity = client.post(PREFIX, json={"text": WALK}).json()["id"]
    assert over(client, identity)["state"] == "done"
    for file in (tmp_path / "data").glob(f"{MADE}*"):  # its job ended after the program had: nothing is noted
        file.unlink()
    assert client.post(PREFIX, json={"text": WALK}).status_code == 200
    assert over(client, identity)["state"] == "done"
    assert len(engine.batches) == 5


def test_a_frame_that_fails_is_told(client: TestClient, engine: Held) -> None:
    from pipelines.errors import OutOfMemory

    engine._fail_on[HELD] = OutOfMemory("out_of_memory_anywhere")
    told = over(client, client.post(PREFIX, json={"text": WALK}).json()["id"])
    assert (told["state"], len(told["pictures"])) == ("failed", 2)
    assert told["error"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prompt: [", "animation.yaml:2: is not YAML"),
        ("", "Animation must be settings"),
        ("frames: 3\nsteps: 0", "Steps must be a whole number"),
        ("frames: 3\ninit_image: /etc/passwd", "no setting init_image"),
        ("frames: 3\nmodel: none", "There is no model none"),
    ],
)
@pytest.mark.parametrize("path", ["", "/plan"])
def test_what_cannot_be_is_one_sentence_and_nothing_is_kept(
    client: TestClient, text: str, told: str, path: str
) -> None:
    answer = client.post(f"{PREFIX}{path}", json={"text": text})
    assert answer.status_code in {400, 409}
    assert told in answer.json()["detail"]
    assert client.get(PREFIX).json() == {"items": []}


def test_it_begins_with_the_settings_of_a_picture(client: TestClient, parts: Parts) -> None:
    request = GenerationRequest(prompt='红星, "a: b"', seed=2**32 - 1, width=64, height=72, steps=3, clip_skip=2)
    saved = parts.store.save(results(request)[0])
    parts.history.add(saved)
    text = client.get(f"{PREFIX}/of/{saved.id}").json()["text"]
    data = yaml.safe_load(text)
    assert data["prompt"] == {0: request.prompt, 15: request.prompt}
    assert data["seed"] == {0: 2**32 - 1, 15: 0}
    assert (data["width"], data["height"], data["steps"], data["clip_skip"]) == (64, 72, 3, 2)
    assert client.post(f"{PREFIX}/plan", json={"text": text}).status_code == 200


def test_what_is_not_there(client: TestClient) -> None:
    nothing = "0" * 32
    for path in (nothing, f"{nothing}/webp", f"of/{nothing}"):
        assert client.get(f"{PREFIX}/{path}").status_code == 404
    assert client.post(f"{PREFIX}/{nothing}/cancel").status_code == 200
    assert client.get(f"{PREFIX}/..%2Fx").status_code in {404, 422}
