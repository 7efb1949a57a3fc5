"""Files that would run, by every route that gives out files: a browser gets nothing from any of them to run."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.conftest import RunningApp, StartApp
from tests.http.test_guard import ask
from webui.archive.store import opaque_id

MARK = "0wned"
HTML = f"<!doctype html><script>document.title='{MARK}'</script>"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='{MARK}'</script></svg>"
EVIL = {"evil.html": HTML, "evil.svg": SVG, "evil.xhtml": HTML, "evil": HTML, ".hidden.png": HTML, "x.png": HTML}
KINDS = {".png": "png", ".JPG": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".gif": "gif"}
PATIENCE = 60.0  # seconds
SHOWN = {"image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "image/bmp"}
ROUTES = (
    *("/gradio_api/file={path}", "/gradio_api/file/{path}", "/file={path}", "/file/{path}", "/gradio_api/proxy={path}"),
    *("/static/{path}", "/assets/{path}", "/static/{up}{path}", "/assets/{up}{path}", "/svelte/{path}"),
    *("/image/{id}", "/image/{name}", "/thumb/{id}", "/thumb/{name}", "/input/{name}", "/input/{path}"),
    *("/page/x/{path}", "/history/picture/{name}", "/history/export/{name}", "/history/verify/a/0/{name}", "/{name}"),
    *("/custom_component/a/client/component/{path}", "/gradio_api/deep_link?session_hash={name}"),
)


@pytest.fixture(scope="module")
def app(start_app: StartApp) -> RunningApp:
    started = start_app("--engine", "fake")
    for folder in ("outputs", "outputs/txt2img", "outputs/.secret", "outputs/inputs", "outputs/.trash", "data"):
        (started.folder / folder).mkdir(exist_ok=True)
        for name, text in EVIL.items():
            (started.folder / folder / name).write_text(text, encoding="utf-8")
    outputs = started.folder / "outputs"
    for suffix in KINDS:
        Image.new("RGB", (8, 8)).save(outputs / "txt2img" / f"mine{suffix}")
    wanted = [*outputs.glob("txt2img/mine.*"), outputs / "x.png", outputs / "txt2img" / "x.png"]
    until = time.monotonic() + PATIENCE
    while any(ask(started, "GET", f"/image/{opaque_id(outputs, one)}").status == 404 for one in wanted):
        assert time.monotonic() < until, "the index does not see what came"
        time.sleep(0.2)
    return started


def answers(app: RunningApp, file: Path) -> Iterator[tuple[str, http.client.HTTPResponse]]:
    """What every route says of a file."""
    outputs = app.folder / "outputs"
    identity = opaque_id(outputs, file) if file.is_relative_to(outputs) else "0" * 32
    path, name = quote(file.as_posix()), quote(file.name)
    for route in ROUTES:
        address = route.format(path=path, name=name, id=identity, up=quote("../" * 12, safe=""))
        for method in ("GET", "HEAD"):
            yield f"{method} {address}", ask(app, method, address)


def runs(answer: http.client.HTTPResponse) -> bool:
    """Whether a browser would do what the file says, or look into it for what it might be."""
    policy = answer.getheader("content-security-policy") or ""
    return answer.getheader("x-content-type-options") != "nosniff" or "sandbox" not in policy or "script" in policy


@pytest.mark.attack(9, 16)
@pytest.mark.parametrize("folder", ["", "txt2img", ".secret", "inputs", ".trash"])
@pytest.mark.parametrize("name", EVIL)
def test_the_output_folder_gives_out_pictures_only(app: RunningApp, folder: str, name: str) -> None:
    file = app.folder / "outputs" / folder / name
    listed = opaque_id(app.folder / "outputs", file) if name == "x.png" and folder in ("", "txt2img") else ""
    for address, answer in answers(app, file):
        text = answer.body.decode(errors="replace")  # type: ignore[attr-defined]
        if address == f"GET /image/{listed}":
            assert answer.getheader("content-type") == "image/png"  # HTML by another name: a broken picture
        else:
            assert MARK not in text, address
            assert answer.status >= 400 or "deep_link" in address or address == f"HEAD /image/{listed}", address
        assert not runs(answer), address


@pytest.mark.attack(16)
@pytest.mark.parametrize("name", [*EVIL, "jobs.sqlite", "history.sqlite", "lock"])
def test_the_data_folder_gives_out_nothing(app: RunningApp, name: str) -> None:
    file = app.folder / "data" / name
    assert file.is_file()
    for address, answer in answers(app, file):
        assert answer.status >= 400 or "deep_link" in address, address
        assert not runs(answer), address


def uploaded(app: RunningApp, name: str, data: bytes) -> str:
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head + data.decode("latin-1") + "\r\n--b--\r\n"
    answer = ask(app, "POST", "/gradio_api/upload", body, Content_Type="multipart/form-data; boundary=b")
    (path,) = json.loads(answer.body)  # type: ignore[attr-defined]
    return str(path)


@pytest.mark.attack(9, 11)
@pytest.mark.parametrize("name", EVIL)
def test_an_upload_is_given_back_and_does_not_run(app: RunningApp, name: str) -> None:
    path = uploaded(app, name, EVIL[name].encode())
    answer = ask(app, "GET", f"/gradio_api/file={quote(path)}")
    assert not runs(answer)
    if answer.status == 200 and answer.getheader("content-type") not in SHOWN:
        assert answer.getheader("content-type") == "application/octet-stream"
        assert (answer.getheader("content-disposition") or "").startswith("attachment")
    else:
        assert name.endswith(".png")


@pytest.mark.attack(4, 15)
def test_nothing_is_fetched_from_elsewhere(app: RunningApp) -> None:
    for address in ("http://example.com/a.png", "https://127.0.0.1:1/a.png", f"{app.url}config"):
        for route in ("/gradio_api/file=", "/gradio_api/file/", "/gradio_api/proxy="):
            for method in ("GET", "HEAD"):
                assert ask(app, method, route + address).status == 403


def test_pictures_are_given_out_as_what_they_are(app: RunningApp) -> None:
    outputs = app.folder / "outputs"
    for suffix, kind in KINDS.items():
        file = outputs / "txt2img" / f"mine{suffix}"
        answer = ask(app, "GET", f"/image/{opaque_id(outputs, file)}")
        assert (answer.status, answer.getheader("content-type")) == (200, f"image/{kind}")
        assert answer.body == file.read_bytes()  # type: ignore[attr-defined]
        assert not runs(answer)


@pytest.mark.fault(30)
@pytest.mark.attack(9)
def test_an_input_is_found_by_its_hash_only(app: RunningApp) -> None:
    sha256 = "ab" * 32
    kept = app.folder / "outputs" / "inputs" / f"{sha256}.png"
    Image.new("RGB", (8, 8)).save(kept)
    answer = ask(app, "GET", f"/input/{sha256}")
    assert (answer.status, answer.getheader("content-type")) == (200, "image/png")
    assert not runs(answer)
    kept.unlink()
    kept.symlink_to(app.folder / "data" / "jobs.sqlite")
    assert ask(app, "GET", f"/input/{sha256}").status == 404
    assert ask(app, "GET", f"/input/{'cd' * 32}").status == 404


def test_only_the_page_itself_may_run(app: RunningApp) -> None:
    page = ask(app, "GET", "/")
    assert page.status == 200
    assert runs(page)
    for address in ("/config", "/theme.css", "/history/page", "/gradio_api/info", "/nothing", "/gradio_api/docs"):
        assert not runs(ask(app, "GET", address)), address
