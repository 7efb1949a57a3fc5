"""Who may use the program: what another account of this machine could send, beside what the person's browser sends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import stat
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import StorageError
from tests.conftest import RunningApp, StartApp, started
from tests.refusals import failing
from webui.commands import main as cli
from webui.http.entry import Entry
from webui.kept import private, sessions
from webui.kept.sessions import Sessions

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes of files")
UPLOAD = '--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nx\r\n--b--\r\n'
EVERYWHERE = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/config"),
    ("GET", "/image/" + "0" * 32),
    ("GET", "/page/x/page/head.js"),
    ("GET", "/gradio_api/heartbeat/x"),
    ("POST", "/gradio_api/run/form_submit"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/history/act"),
    ("GET", "/nothing-here"),
]


@pytest.fixture(scope="module")
def app(start_app: StartApp) -> RunningApp:
    return start_app("--engine", "fake")


def ask(
    app: RunningApp, method: str, path: str, headers: Mapping[str, str] | None = None
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
    body = UPLOAD if path.endswith("upload") else None
    kind = {"Content-Type": "multipart/form-data; boundary=b"} if body else {}
    connection.request(method, path, body, {**kind, **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer, text


def entered(app: RunningApp) -> str:
    """The cookie that a browser gets for the link."""
    answer, _ = ask(app, "GET", f"/?token={app.token}")
    return (answer.getheader("set-cookie") or "").partition(";")[0].partition("=")[2]


@pytest.mark.fault(31, 32)
@pytest.mark.attack(2, 24)
@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
@pytest.mark.parametrize(
    "cookie", ["", "seedprint-{port}=", "seedprint-{port}=guess", "seedprint-1={token}", "seedprint-{port}={token}"]
)
def test_nothing_is_answered_without_the_cookie(app: RunningApp, method: str, path: str, cookie: str) -> None:
    told = cookie.format(port=app.port, token=app.token)
    answer, text = ask(app, method, path, {"Cookie": told} if told else None)
    assert answer.status == 403
    assert answer.getheader("content-security-policy") is not None
    assert answer.getheader("set-cookie") is None
    if method != "HEAD":
        assert "link" in text
        assert "链接" in text
    assert not list((app.folder / "data" / "page").rglob("a.txt"))


def test_the_link_becomes_a_cookie_and_the_clean_address(app: RunningApp) -> None:
    answer, _ = ask(app, "GET", f"/?__theme=dark&token={app.token}")
    assert (answer.status, answer.getheader("location")) == (303, "/?__theme=dark")
    cookie, *attributes = (answer.getheader("set-cookie") or "").split("; ")
    assert cookie.startswith(f"seedprint-{app.port}=")
    assert {one.lower() for one in attributes} >= {"httponly", "samesite=strict", "path=/"}
    assert ask(app, "GET", "/", {"Cookie": f"other=1; {cookie}"})[0].status == 200
    assert ask(app, "GET", f"/?token={app.token}", {"Cookie": cookie})[0].getheader("location") == "/"


def test_another_token_and_another_place_lead_nowhere(app: RunningApp) -> None:
    for path in ("/?token=", "/?token=guess", f"/?token={app.token[:-1]}", f"/config?token={app.token}"):
        answer, _ = ask(app, "GET", path)
        assert (answer.status, answer.getheader("set-cookie")) == (403, None), path


def test_a_link_followed_from_elsewhere_is_followed_once_more_from_here(app: RunningApp) -> None:
    """There the browser keeps the cookie back, and would do so after a redirect too."""
    from_elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer, text = ask(app, "GET", '/?token="><script>', from_elsewhere)
    assert (answer.status, answer.getheader("set-cookie")) == (200, None)
    assert 'url=/?token=%22%3E%3Cscript%3E"' in text


@pytest.mark.fault(31)
@pytest.mark.attack(3)
def test_a_websocket_without_the_cookie_never_reaches_the_application() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("a refused request reached the application")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "query_string": b"token=secret", "headers": [(b"host", b"localhost:1")]}
    coroutine = Entry(never, 1, "secret")(scope, receive, send)
    with pytest.raises(StopIteration):
        coroutine.send(None)  # type: ignore[attr-defined]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_without_a_token_every_account_may_use_it(start_app: StartApp) -> None:
    app = start_app("--engine", "fake", "--no-token")
    assert app.link == app.url
    assert ask(app, "GET", "/")[0].status == 200


@POSIX
@pytest.mark.lengthy
def test_who_closed_the_page_comes_back_and_nobody_else_reads_how(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    (data / "old").mkdir(parents=True)
    (data / "old" / "kept").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    (data / "way").symlink_to(elsewhere)
    for path, mode in ((data, 0o755), (data / "old", 0o775), (data / "old" / "kept", 0o666), (elsewhere, 0o644)):
        path.chmod(mode)
    options = ["link", "--data-dir", str(data)]
    assert cli.main(options) == cli.FAILED
    app = started(["--engine", "fake"], tmp_path)
    try:
        assert cli.main(options) == 0
        assert capsys.readouterr().out == f"{app.link}\n"
        assert ask(app, "POST", "/gradio_api/upload", app.cookie)[0].status == 200
        open_to_others = [path for path in data.rglob("*.sqlite*") if path.stat().st_mode & private.OTHERS]
        assert open_to_others == []
        for path in (data, data / "old", data / "old" / "kept", data / "page", data / "link", data / "sessions"):
            assert not path.stat().st_mode & private.OTHERS, path
        assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644
        app.process.send_signal(signal.SIGTERM)
        app.process.wait(30)
    finally:
        app.end()
    assert cli.main(options) == cli.FAILED
    assert not (data / "link").exists()


@pytest.mark.fault(31)
@pytest.mark.attack(24)
def test_a_cookie_is_random_and_known_by_its_digest_alone(app: RunningApp) -> None:
    cookies = {entered(app) for _ in range(5)}
    assert len(cookies) == 5
    kept = (app.folder / "data" / sessions.FILE).read_text()
    for cookie in cookies:
        assert app.token not in cookie
        assert cookie not in kept
        assert sha256(cookie.encode()).hexdigest() in kept
        assert ask(app, "GET", "/", {"Cookie": f"seedprint-{app.port}={cookie}"})[0].status == 200
    assert ask(app, "GET", "/", {"Cookie": f"seedprint-{app.port}={app.token}"})[0].status == 403


@pytest.mark.parametrize("order", [1, -1])
def test_a_second_cookie_of_the_name_takes_nothing_from_the_right_one(app: RunningApp, order: int) -> None:
    name = f"seedprint-{app.port}"
    told = "; ".join([f"{name}={entered(app)}", f"{name}=of-another-program"][::order])
    assert ask(app, "GET", "/", {"Cookie": told})[0].status == 200


def test_an_old_link_in_a_browser_that_was_let_in_leads_to_the_page(app: RunningApp) -> None:
    answer, _ = ask(app, "GET", "/?token=of-yesterday&__theme=dark", app.cookie)
    assert (answer.status, answer.getheader("location"), answer.getheader("set-cookie")) == (
        303,
        "/?__theme=dark",
        None,
    )


@pytest.mark.fault(31)
def test_an_open_page_goes_on_after_the_next_start_until_all_are_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = started(["--engine", "fake"], tmp_path)
    cookie, port = first.cookie, first.port
    first.end()
    second = started(["--engine", "fake", "--port", str(port)], tmp_path)
    options = ["link", "--data-dir", str(tmp_path / "data")]
    try:
        assert (second.port, second.token != first.token) == (port, True)
        assert ask(second, "GET", "/", cookie)[0].status == 200
        assert ask(second, "GET", f"/?token={first.token}")[0].status == 403
        assert cli.main(options) == 0
        assert capsys.readouterr().out == f"{second.link}\n"
        assert ask(second, "GET", "/", cookie)[0].status == 200
        assert cli.main([*options, "--end-all"]) == 0
        answer, text = ask(second, "GET", "/", cookie)
        assert (answer.status, "python app.py link" in text) == (403, True)
        assert ask(second, "GET", "/", second.cookie)[0].status == 200
    finally:
        second.end()
    assert cli.main([*options, "--end-all"]) == 0
    assert not (tmp_path / "data" / sessions.FILE).exists()


def test_sessions_end_after_thirty_days_and_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Sessions(tmp_path)
    first, now = known.begin(), time.time()
    assert Sessions(tmp_path).knows(first)
    monkeypatch.setattr(time, "time", lambda: now - 3600)  # a clock set back
    assert known.knows(first)
    monkeypatch.setattr(time, "time", lambda: now + 29 * 86_400)
    assert known.knows(first)
    second = known.begin()
    monkeypatch.setattr(time, "time", lambda: now + 31 * 86_400)
    assert [known.knows(one) for one in (first, second)] == [False, True]
    many = [known.begin() for _ in range(sessions.MOST + 1)]
    assert [known.knows(one) for one in (second, many[0], many[-1])] == [False, False, True]
    assert len(json.loads((tmp_path / sessions.FILE).read_text())) == sessions.MOST
    if os.name != "nt":
        assert not (tmp_path / sessions.FILE).stat().st_mode & private.OTHERS


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "b"}', "\ud83d"])
def test_a_damaged_file_of_sessions_lets_nobody_in_and_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / sessions.FILE).write_text(text, errors="replace")
    known = Sessions(tmp_path)
    assert not known.knows("a")
    assert known.knows(known.begin())


def test_a_full_disk_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Sessions(tmp_path)

    def full(*_: object) -> None:
        raise StorageError("file_not_written", file="sessions", reason="No space left on device")

    monkeypatch.setattr(sessions, "write_private", full)
    assert known.knows(known.begin())


@POSIX
def test_the_command_line_of_a_browser_tells_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSL_DISTRO_NAME", raising=False)
    secret = private.link(7860, "secret")
    address = private.keep_link(tmp_path, secret)
    assert "secret" not in address
    page = Path(address.removeprefix("file://"))
    assert secret in page.read_text()
    assert not page.stat().st_mode & private.OTHERS
    private.forget_link(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert private.keep_link(tmp_path, private.link(7860, None)) == "http://127.0.0.1:7860/"


def test_a_data_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with failing(StorageError, "folder_gone", folder=str(tmp_path / "file" / "data")):
        private.make_private(tmp_path / "file" / "data")


@POSIX
def test_the_folders_of_pictures_and_models_stay_as_they_are(tmp_path: Path) -> None:
    shared = tmp_path / "data" / "outputs"
    shared.mkdir(parents=True)
    shared.chmod(0o755)
    private.make_private(tmp_path / "data", (shared,))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
