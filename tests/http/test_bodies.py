"""Bodies are counted as they come, uploads make room for each other, and no answer repeats what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tests.conftest import RunningApp, StartApp
from tests.http.test_guard import MULTIPART, UPLOAD, ask
from webui.archive.store import opaque_id
from webui.http import bodies
from webui.http.bodies import MB, UPLOADS, Bodies, UploadRoom

JSON = {"Content_Type": "application/json"}
LONG = "Zq" * 350_000
PATIENCE = 60.0  # seconds


@pytest.fixture(scope="module")
def app(start_app: StartApp) -> RunningApp:
    return start_app("--engine", "fake")


def streamed(app: RunningApp, path: str, size: int, **headers: str) -> http.client.HTTPResponse:
    """Sends at most `size` bytes without saying how many, until there is an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    connection.putrequest("POST", path)
    connection.putheader("Transfer-Encoding", "chunked")
    for name, value in (app.cookie | headers).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    try:
        for _ in range(size // 65_536):
            connection.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        connection.send(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has answered and hung up
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def announced(app: RunningApp, path: str, size: int, **headers: str) -> http.client.HTTPResponse:
    """Says how many bytes come, and waits for the answer before it sends any."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    connection.putrequest("POST", path)
    for name, value in ({"Content_Length": str(size)} | app.cookie | headers).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


PLACES = (
    "/history/act",
    "/history/export",
    "/gradio_api/run/form_submit",
    "/gradio_api/queue/join",
    "/nothing",
    "/",
)


@pytest.mark.parametrize("path", PLACES)
def test_more_than_two_megabytes_are_announced_in_vain(app: RunningApp, path: str) -> None:
    for size in (2 * MB + 1, 10**15):
        answer = announced(app, path, size, **JSON, Accept_Language="zh")
        assert answer.status == 413
        assert answer.body.decode() == "一次最多接收 2 MB。"  # type: ignore[attr-defined]


@pytest.mark.fault(22)
@pytest.mark.parametrize("path", ["/history/act", "/gradio_api/run/form_submit"])
def test_more_than_two_megabytes_are_refused_as_they_come(app: RunningApp, path: str) -> None:
    answer = streamed(app, path, 3 * MB, **JSON)
    assert (answer.status, answer.body) == (413, b"At most 2 MB are taken at once.")  # type: ignore[attr-defined]
    assert streamed(app, path, 1 * MB, **JSON).status in (400, 422)  # read, and no JSON


def test_uploads_may_have_sixty_four_megabytes(app: RunningApp) -> None:
    many = UPLOAD.replace("\r\nx\r\n", "\r\n" + "x" * (10 * MB) + "\r\n")
    assert ask(app, "POST", UPLOADS, many, **MULTIPART).status == 200
    answer = announced(app, UPLOADS, 64 * MB + 1, **MULTIPART)
    assert (answer.status, answer.body) == (413, b"At most 64 MB are taken at once.")  # type: ignore[attr-defined]


def through(size: int, path: str) -> tuple[int, int]:
    """(status, bytes read) of a body of that size that says nothing of it, for a reader that takes it all."""
    left, read, status = size, 0, 0

    async def reader(scope: Any, receive: Any, send: Any) -> None:
        try:
            data = await Request(scope, receive).body()
        except bodies._TooLarge:  # as those do that take the end of a body for a mistake of theirs
            await PlainTextResponse("?", 400)(scope, receive, send)
        else:
            await PlainTextResponse(str(len(data)))(scope, receive, send)

    async def receive() -> Any:
        nonlocal left, read
        piece = min(left, MB // 2)
        left, read = left - piece, read + piece
        return {"type": "http.request", "body": bytes(piece), "more_body": left > 0}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    with ThreadPoolExecutor(1) as thread:  # the browser's tests leave a loop running on this one
        thread.submit(lambda: asyncio.run(Bodies(reader)(scope, receive, send))).result()
    return status, read


def test_no_more_is_read_than_the_limit() -> None:
    assert through(2 * MB, "/a") == (200, 2 * MB)
    assert through(50 * MB, "/a") == (413, 2 * MB + MB // 2)
    assert through(64 * MB, UPLOADS) == (200, 64 * MB)
    assert through(900 * MB, UPLOADS) == (413, 64 * MB + MB // 2)


# -- all uploads together -------------------------------------------------------------------------------------------


def uploads(folder: Path, count: int, size: int = 10) -> list[Path]:
    files = []
    for number in range(count):
        (folder / f"{number}").mkdir()
        files.append(folder / f"{number}" / "a.png")
        files[-1].write_bytes(bytes(size))
        os.utime(files[-1])
    return files


def taking(folder: Path) -> TestClient:
    async def upload(_: Request) -> PlainTextResponse:
        return PlainTextResponse("taken")

    route = Route(UPLOADS, upload, methods=["POST"])
    return TestClient(Starlette(routes=[route], middleware=[Middleware(UploadRoom, folder=folder)]))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "CACHE_LIMIT", 100)
    monkeypatch.setattr(bodies, "UPLOAD_LIMIT", 30)


@pytest.mark.fault(36)
@pytest.mark.usefixtures("small")
def test_the_oldest_uploads_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = uploads(tmp_path, 10)  # 100 bytes, and 30 may come
    later = time.time() + bodies.YOUNG + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert taking(tmp_path).post(UPLOADS).text == "taken"
    assert [file.exists() for file in files] == [False] * 3 + [True] * 7
    assert len(list(tmp_path.iterdir())) == 7


@pytest.mark.fault(36)
@pytest.mark.usefixtures("small")
def test_uploads_in_use_stay_and_a_new_one_waits(tmp_path: Path) -> None:
    files = uploads(tmp_path, 8)
    answer = taking(tmp_path).post(UPLOADS, headers={"accept-language": "en"})
    assert (answer.status_code, answer.text) == (
        507,
        "Too much was uploaded in the last 10 minutes. Try again later.",
    )
    assert all(file.exists() for file in files)


@pytest.mark.usefixtures("small")
def test_with_room_nothing_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = uploads(tmp_path, 7)
    later = time.time() + bodies.YOUNG + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert taking(tmp_path).post(UPLOADS).status_code == 200
    assert all(file.exists() for file in files)


@pytest.mark.fault(36)
def test_all_uploads_together_are_bounded() -> None:
    assert bodies.UPLOAD_LIMIT < bodies.CACHE_LIMIT <= 2048 * MB
    assert 60 <= bodies.YOUNG <= 3600


def multipart(size: int) -> Iterator[bytes]:
    """A file of `size` bytes, in chunks as HTTP has them; nothing says how many come."""
    head, _, tail = UPLOAD.partition("\r\nx\r\n")
    for piece in (head.encode() + b"\r\n", *[b"x" * MB] * (size // MB), b"\r\n" + tail.encode()):
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def uploading(app: RunningApp) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    connection.putrequest("POST", UPLOADS)
    for name, value in ({"Transfer-Encoding": "chunked"} | app.cookie | MULTIPART).items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection


def lying(app: RunningApp) -> list[str]:
    return sorted(file.name for file in (app.folder / "data" / "page").rglob("*") if file.is_file())


def soon(met: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < until
        time.sleep(0.05)


def refused(app: RunningApp) -> None:
    connection = uploading(app)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for piece in multipart(70 * MB):
            connection.send(piece)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.fault(36)
def test_what_an_upload_leaves_that_is_refused_or_breaks_off_goes_at_once(start_app: StartApp) -> None:
    app = start_app("--engine", "fake")
    refused(app)
    soon(lambda: not lying(app))
    other = uploading(app)
    pieces = list(multipart(8 * MB))
    for piece in pieces[:6]:
        other.send(piece)
    soon(lambda: len(lying(app)) == 1)
    other.close()  # the browser leaves
    soon(lambda: not lying(app))


@pytest.mark.fault(36)
def test_what_comes_beside_a_refused_upload_arrives_whole(start_app: StartApp) -> None:
    app = start_app("--engine", "fake")
    other = uploading(app)
    pieces = [*multipart(8 * MB), b"0\r\n\r\n"]
    for piece in pieces[:6]:
        other.send(piece)
    soon(lambda: len(lying(app)) == 1)
    refused(app)
    for piece in pieces[6:]:
        other.send(piece)
    answer = other.getresponse()
    assert answer.status == 200
    (path,) = json.loads(answer.read())
    other.close()
    soon(lambda: lying(app) == [Path(path).name])
    assert (app.folder / "data" / path).stat().st_size == 8 * MB


# -- what is wrong is told, and not repeated ------------------------------------------------------------------------

WRONG = [
    ("/history/act", {"action": "rate", "ids": [LONG], "value": "1"}),
    ("/history/act", {"action": LONG, "ids": [], "value": "1"}),
    ("/history/act", {"action": "tag", "ids": [], "value": LONG}),
    ("/history/act", {LONG: 1}),
    ("/history/act", LONG),
    ("/history/export", {"kind": LONG, "ids": LONG}),
    ("/history/verify", {"ids": LONG}),
    ("/gradio_api/run/form_submit", {"data": LONG}),
    ("/gradio_api/queue/join", {"data": LONG, "fn_index": LONG}),
    ("/gradio_api/run/form_submit", LONG),
]


@pytest.mark.parametrize("place", range(len(WRONG)))
def test_no_answer_repeats_what_was_sent(app: RunningApp, place: int) -> None:
    path, body = WRONG[place]
    answer = ask(app, "POST", path, json.dumps(body), **JSON)
    assert 400 <= answer.status < 500
    assert len(answer.body) < 1_500  # type: ignore[attr-defined]
    if answer.status == 422:
        assert "is not understood" in json.loads(answer.body)["detail"]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def picture(app: RunningApp) -> str:
    """The id of a picture that is listed."""
    outputs = app.folder / "outputs"
    Image.new("RGB", (8, 8)).save(outputs / "mine.png")
    identity = opaque_id(outputs, outputs / "mine.png")
    until = time.monotonic() + PATIENCE
    while ask(app, "GET", f"/history/picture/{identity}").status != 200:
        assert time.monotonic() < until
        time.sleep(0.2)
    return identity


ODD = ["\ud800", "a\ud800", "\udfff" * 100, "\0", "x" * 400, "../" * 20, "", "💥", "NaN"]


@pytest.mark.fault(19)
@pytest.mark.attack(25)
@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("action", ["rate", "tag", "untag", "move", "delete", "restore"])
def test_no_text_is_a_fault_of_the_server(app: RunningApp, picture: str, action: str, value: str) -> None:
    answer = ask(app, "POST", "/history/act", json.dumps({"action": action, "ids": [picture], "value": value}), **JSON)
    assert answer.status < 500, answer.body  # type: ignore[attr-defined]
    if answer.status >= 400:
        assert json.loads(answer.body)["detail"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["words", "model", "tag", "sort", "seed", "since", "size", "after", "limit", "kind"])
@pytest.mark.parametrize("value", ["%ED%A0%80", "%00", "%ff", "9" * 400, "-1", "%F0%9F%92%A5"])
def test_no_address_is_a_fault_of_the_server(app: RunningApp, name: str, value: str) -> None:
    assert ask(app, "GET", f"/history/page?count=1&{name}={value}").status < 500
