"""Texts travel compressed, Gradio's own files are asked for once, and nothing else changes."""

from __future__ import annotations

import gzip
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path

import brotli
import gradio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.conftest import RunningApp, StartApp
from webui.http.weight import Compressed

TEXT = "<p>A red star on a blue background.</p>" * 200
ASSETS = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
KEPT = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def app(start_app: StartApp) -> RunningApp:
    return start_app("--engine", "fake")


def ask(app: RunningApp, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def parts() -> Iterator[bytes]:
    for line in ("data: 1\n\n", "data: 2\n\n"):
        yield line.encode() * 200


@pytest.fixture
def small(tmp_path: Path) -> TestClient:
    file = tmp_path / "a.txt"
    file.write_text(TEXT)
    answers = {
        "/html": lambda _: HTMLResponse(TEXT),
        "/json": lambda _: JSONResponse({"items": [TEXT]}),
        "/short": lambda _: HTMLResponse("short"),
        "/fault": lambda _: HTMLResponse(TEXT, 500),
        "/events": lambda _: StreamingResponse(parts(), media_type="text/event-stream"),
        "/stream": lambda _: StreamingResponse(parts(), media_type="text/html"),
        "/file": lambda _: FileResponse(file),
        "/picture": lambda _: Response(TEXT, media_type="image/png"),
        "/done": lambda _: HTMLResponse(gzip.compress(TEXT.encode() * 20), headers={"content-encoding": "gzip"}),
    }
    routes = [Route(path, answer, methods=["GET", "POST"]) for path, answer in answers.items()]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Compressed)]))


@pytest.mark.parametrize("path", ["/html", "/json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, GZIP;q=0.5", "gzip"),
        ("gzip;q=0.0", None),
        ("identity", None),
        ("", None),
    ],
)
def test_a_text_travels_as_the_browser_takes_it(
    small: TestClient, path: str, method: str, accepted: str, coding: str | None
) -> None:
    whole = small.request(method, path, headers={"accept-encoding": "identity"}).content
    with small.stream(method, path, headers={"accept-encoding": accepted}) as answer:
        sent = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(sent)
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[coding]
    assert unpack(sent) == whole
    assert coding is None or len(sent) < len(whole) / 10


@pytest.mark.parametrize("path", ["/short", "/fault", "/events", "/stream", "/file", "/picture", "/done"])
def test_all_else_passes_through(small: TestClient, path: str) -> None:
    with small.stream("GET", path, headers={"accept-encoding": "br, gzip"}) as answer:
        sent = b"".join(answer.iter_raw())
    bare = TestClient(Starlette(routes=small.app.routes))  # type: ignore[attr-defined]
    with bare.stream("GET", path, headers={"accept-encoding": "br, gzip"}) as plain:
        expected = b"".join(plain.iter_raw())
    assert sent == expected
    assert answer.headers == plain.headers


def test_an_answer_to_head_and_a_part_of_a_file_are_as_they_were(small: TestClient) -> None:
    head = small.head("/html", headers={"accept-encoding": "br"})
    assert "content-encoding" not in head.headers
    assert int(head.headers["content-length"]) == len(TEXT)
    for path, status in (("/file", 206), ("/html", 200)):
        part = small.get(path, headers={"accept-encoding": "br", "range": "bytes=3-9"})
        assert part.status_code == status
        assert "content-encoding" not in part.headers
    assert small.get("/file", headers={"range": "bytes=3-9"}).text == TEXT[3:10]


def test_the_page_and_what_it_is_made_of_travel_compressed(app: RunningApp) -> None:
    for path in ("/", "/config"):
        plain, packed = ask(app, path, **app.cookie), ask(app, path, Accept_Encoding="br", **app.cookie)
        assert packed.headers["content-encoding"] == "br"
        assert len(packed.body) < len(plain.body) / 5  # type: ignore[attr-defined]
    assert json.loads(brotli.decompress(packed.body))["components"]  # type: ignore[attr-defined]


def named(page: str) -> list[str]:
    return [f"/{one}" for one in re.findall(r'"(?:\./|/)((?:assets/|theme\.css)[^"]*)"', page)]


def test_a_browser_keeps_what_its_address_tells(app: RunningApp) -> None:
    page = ask(app, "/", **app.cookie).body.decode()  # type: ignore[attr-defined]
    version = re.search(r'"theme_hash":\s*"([0-9a-f]{64})"', page)
    assert version is not None
    paths = [*named(page), f"/theme.css?v={version[1]}", *(f"/assets/{one.name}" for one in list(ASSETS.glob("*.css")))]
    assert len(paths) > 10
    for path in paths:
        answer = ask(app, path, **app.cookie)
        assert (answer.status, answer.headers["cache-control"]) == (200, KEPT), path


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/theme.css?v=" + "0" * 64, "/assets/none-DphvyggB.js", "/static/img/logo.svg"],
)
def test_and_nothing_else(app: RunningApp, path: str) -> None:
    assert "immutable" not in ask(app, path, **app.cookie).headers.get("cache-control", "")


@pytest.mark.parametrize("path", ["/assets/" + next(ASSETS.glob("index-*.js")).name, "/theme.css?v=x"])
def test_who_has_no_token_gets_nothing_that_would_be_kept(app: RunningApp, path: str) -> None:
    answer = ask(app, path)
    assert (answer.status, answer.headers["cache-control"]) == (403, "no-store")
