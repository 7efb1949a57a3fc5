"""Attacks on the page itself that other programs of this kind have suffered; each is tried."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.ui.conftest import Page

CODE = ("app.py", "bootstrap.py", "webui", "pipelines")
ADDRESS = "https://evil.example/model.safetensors"
INSTALLERS = [  # as the managers and installers of other programs have them
    *("/customnode/install", "/customnode/install/git_url", "/customnode/install/pip", "/manager/queue/install"),
    *("/api/v2/models/install", "/api/v1/model/import", "/externalmodel/install", "/run/install_extension_from_url"),
    *("/sdapi/v1/reload-checkpoint", "/userdata/config.ini", "/settings", "/sdapi/v1/options", "/upload/image"),
    *("/api/install", "/free", "/reboot", "/manager/reboot", "/gradio_api/install"),
]
OTHER_FILES = ["/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "C:\\Windows\\win.ini", "a\0b"]
DOORS = ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/assets/", "/static/", "/custom_component/", "/page/x/"]


@pytest.fixture
def untouched() -> Iterator[None]:
    """The program's own files are the same afterwards."""

    def digest() -> dict[Path, str]:
        files = (file for name in CODE for file in (ROOT / name, *(ROOT / name).rglob("*.py")) if file.is_file())
        return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    before = digest()
    yield
    assert digest() == before


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Programs that were started meanwhile."""
    found: list[Any] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *given: Any, **named: Any) -> None:
            found.append(given)
            super().__init__(*given, **named)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return found


@pytest.mark.attack(10, 13)
@pytest.mark.parametrize("path", INSTALLERS)
def test_nothing_is_installed_over_the_page(ui: Page, path: str, untouched: None, started: list[Any]) -> None:
    models = len(ui.parts.service.models())
    for body in ({"url": ADDRESS, "source": ADDRESS, "data": [ADDRESS]}, {"security_level": "weak\r\nlisten = 1"}):
        assert ui.client.post(path, json=body).status_code in (403, 404, 405)
        assert ui.client.get(path, params={"source": ADDRESS}).status_code in (403, 404, 405)
    assert started == []
    assert len(ui.parts.service.models()) == models


@pytest.mark.attack(11)
@pytest.mark.parametrize(
    "name", ["../../../webui/server.py", "/webui/server.py", "..\\..\\app.py", "../" * 12 + "app.py", "app.py", "x.pkl"]
)
def test_an_upload_stays_where_uploads_are(ui: Page, name: str, untouched: None) -> None:
    answer = ui.client.post("/gradio_api/upload", files={"files": (name, b"raise SystemExit('0wned')")})
    assert answer.status_code in (200, 400, 403, 422)
    pages = ui.parts.store.root.parent / "page"
    written = [file for file in ui.parts.store.root.parent.rglob("*") if file.is_file() and _holds(file)]
    assert all(file.is_relative_to(pages) for file in written)


def _holds(file: Path) -> bool:
    with file.open("rb") as opened:
        return b"0wned" in opened.read(64)


@pytest.mark.attack(16)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", OTHER_FILES)
def test_no_file_of_the_machine_is_read(ui: Page, door: str, path: str) -> None:
    answer = ui.client.get(door + path.replace("\0", "%00"), follow_redirects=False)
    assert answer.status_code >= 400
    assert b"root:" not in answer.content


@pytest.mark.attack(15, 17)
@pytest.mark.parametrize("event", ["again_show", "form_submit", "history_send", "form_send"])
def test_no_address_is_opened_for_a_page(ui: Page, event: str) -> None:
    """A file of gradio's may name an address in place of a path."""
    called: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                called.append(connection.recv(200))
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.png"
        file = {"path": address, "url": address, "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}
        known = ui.events[event]
        for data in ([file] * len(known["inputs"]), [[file]] * len(known["inputs"])):
            for route in ("run", "call"):
                ui.client.post(f"/gradio_api/{route}/{event}", json={"data": data})
        ended.set()
        thread.join()
    assert called == []
