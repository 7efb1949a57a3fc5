"""The gate: attack probes over a real server, each beside the same request as our own page would send it."""

from __future__ import annotations

import http.client
import socket
from typing import Any

import pytest

from tests.conftest import RunningApp, StartApp
from webui.http.guard import Gate

EVIL = "http://evil.example"
BOUNDARY = "b0undary"
UPLOAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nx\r\n--{BOUNDARY}--\r\n'
)
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def app(start_app: StartApp) -> RunningApp:
    return start_app("--engine", "fake")


def ask(app: RunningApp, method: str, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    names = (
        {"Host": f"127.0.0.1:{app.port}"}
        | app.cookie
        | {name.replace("_", "-"): value for name, value in headers.items()}
    )
    for name, value in names.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def uploads(app: RunningApp) -> int:
    return len(list((app.folder / "data" / "page").rglob("a.txt")))


def test_our_own_page_may_do_everything(app: RunningApp) -> None:
    own = f"http://127.0.0.1:{app.port}"
    before = uploads(app)
    assert ask(app, "GET", "/").status == 200
    assert ask(app, "GET", "/config", Sec_Fetch_Site="same-origin", Origin=own).status == 200
    assert ask(app, "POST", "/gradio_api/upload", UPLOAD, **MULTIPART, Origin=own).status == 200
    assert uploads(app) == before + 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(app: RunningApp, host: str) -> None:
    assert ask(app, "GET", "/config", Host=f"{host}:{app.port}").status == 200


@pytest.mark.fault(31, 32)
@pytest.mark.attack(1)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "localhost.", "",
                                  "127.0.0.1:{port}@evil.example", "192.168.0.2:{port}"])  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("GET", "/config"), ("POST", "/gradio_api/call/x"), ("GET", "/image/0")])
def test_a_rebound_name_is_refused(app: RunningApp, method: str, path: str, host: str) -> None:
    answer = ask(app, method, path, "{}", Host=host.format(port=app.port))
    assert answer.status == 400
    assert answer.getheader("access-control-allow-origin") is None


@pytest.mark.fault(31)
@pytest.mark.attack(1)
def test_a_request_without_a_host_is_refused(app: RunningApp) -> None:
    with socket.create_connection(("127.0.0.1", app.port), timeout=30) as raw:
        raw.sendall(b"GET /config HTTP/1.0\r\n\r\n")
        assert b" 400 " in raw.recv(200)


@pytest.mark.fault(31)
@pytest.mark.attack(2)
@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1", "https://127.0.0.1:{port}", "http://127.0.0.1"])
def test_a_form_posted_from_elsewhere_writes_nothing(app: RunningApp, origin: str) -> None:
    before = uploads(app)
    answer = ask(app, "POST", "/gradio_api/upload", UPLOAD, **MULTIPART, Origin=origin.format(port=app.port))
    assert answer.status == 403
    assert answer.getheader("access-control-allow-origin") is None
    assert uploads(app) == before


@pytest.mark.fault(31)
@pytest.mark.attack(2)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_loads_nothing_but_by_a_link(app: RunningApp, site: str) -> None:
    assert ask(app, "GET", "/config", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 403
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert ask(app, "GET", "/", **link, **{"Sec-Fetch-Dest": "document"}).status == 200
    assert ask(app, "GET", "/", **link, **{"Sec-Fetch-Dest": "iframe"}).status == 403
    assert ask(app, "POST", "/gradio_api/upload", UPLOAD, **MULTIPART, **link).status == 403


@pytest.mark.fault(31)
@pytest.mark.attack(3)
@pytest.mark.parametrize(
    ("changed", "status"),
    [({"Origin": EVIL}, 403), ({"Host": "evil.example"}, 400), ({"Sec-Fetch-Site": "cross-site"}, 403)],
)
def test_a_websocket_from_elsewhere_is_refused(app: RunningApp, changed: dict[str, str], status: int) -> None:
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # RFC 6455's example
    assert ask(app, "GET", "/queue/join", **{**handshake, **key, **changed}).status == status


@pytest.mark.fault(31)
def test_every_answer_carries_the_security_headers(app: RunningApp) -> None:
    for answer in (ask(app, "GET", "/"), ask(app, "GET", "/nothing-here"), ask(app, "GET", "/", Host="evil.example")):
        policy = answer.getheader("content-security-policy") or ""
        assert "default-src 'self'" in policy or "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http:" not in policy
        assert "*" not in policy
        assert answer.getheader("x-content-type-options") == "nosniff"
        assert answer.getheader("access-control-allow-origin") is None


async def _never(*_: Any) -> None:
    raise AssertionError("a refused request reached the application")


@pytest.mark.fault(31)
@pytest.mark.attack(3)
def test_a_websocket_scope_is_closed_before_it_is_accepted() -> None:
    """uvicorn without a WebSocket library never makes such a scope; with one it does."""
    sent: list[Any] = []
    scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"localhost:7860"), (b"origin", EVIL.encode())]}

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    coroutine = Gate(_never, 7860)(scope, receive, send)
    with pytest.raises(StopIteration):
        coroutine.send(None)  # type: ignore[attr-defined]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_second_host_header_is_refused() -> None:
    """h11 refuses such a request itself; another server need not."""
    sent: list[Any] = []
    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"localhost:7860"), (b"host", b"evil.example")]}

    async def send(message: Any) -> None:
        sent.append(message)

    coroutine = Gate(_never, 7860)(scope, _never, send)
    with pytest.raises(StopIteration):
        coroutine.send(None)  # type: ignore[attr-defined]
    assert sent[0]["status"] == 400
