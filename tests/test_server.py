"""The page's process: up in seconds, without torch, on a free port, ended cleanly."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.errors import StorageError
from pipelines.types import GenerationRequest
from tests.conftest import ROOT, RunningApp, StartApp
from tests.refusals import failing
from webui.archive.store import opaque_id
from webui.instances import claimed
from webui.kept.settings import Settings
from webui.parts import Parts, build_parts
from webui.server import listen, prepare_environment


def get(app: RunningApp, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
    connection.request("GET", path, headers=app.cookie)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


@pytest.mark.lengthy
def test_the_page_process_imports_no_torch(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from webui.parts import build_parts
from webui.server import build_application, make_engine, prepare_environment
from webui.kept.settings import Settings
folder = Path({str(tmp_path)!r})
prepare_environment(folder)
settings = Settings(output_dir=folder / "outputs", models_dirs=(folder,), data_dir=folder, engine="local")
if __name__ == "__main__":
    with build_parts(settings, make_engine(settings), folder) as parts:
        parts.service.start()
        build_application(parts)
        heavy = set(sys.modules) & {{"torch", "diffusers", "transformers", "accelerate", "safetensors"}}
    sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    file = tmp_path / "script.py"
    file.write_text(script, encoding="utf-8")
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_taken_port_gives_way_to_the_next_free_one(start_app: StartApp) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        app = start_app("--engine", "fake", "--port", str(taken))
        assert app.port > taken
        assert app.lines[0] == f"Port {taken} is taken; using {app.port}."
        assert get(app, "/")[0] == 200


@pytest.mark.fault(32)
@pytest.mark.attack(24)
def test_it_listens_on_this_machine_only() -> None:
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_no_free_port_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.server.PORTS_TRIED", 1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with failing(StorageError, "no_port", port=other.getsockname()[1]):
            listen(other.getsockname()[1])


@pytest.mark.lengthy
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal to send to another console program")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(start_app: StartApp, how: signal.Signals) -> None:
    app = start_app("--engine", "fake")
    temporary = app.folder / "data" / "page"
    assert temporary.is_dir()
    # a page that is open holds a connection: it must not keep the program from ending
    with socket.create_connection(("127.0.0.1", app.port)):
        app.process.send_signal(how)
        assert app.process.wait(20) == 0
    assert "Closing …" in app.lines
    assert not [line for line in app.lines if "Traceback" in line]
    assert not temporary.exists()


@pytest.mark.fault(36)
def test_uploads_of_the_run_before_are_gone_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # put back afterwards
    monkeypatch.chdir(tmp_path)  # likewise
    left = tmp_path / "page" / "0123" / "left.png"
    left.parent.mkdir(parents=True)
    left.touch()
    assert list(prepare_environment(tmp_path).iterdir()) == []
    assert Path(os.environ["GRADIO_TEMP_DIR"]).absolute() == left.parent.parent


@pytest.mark.fault(35)
def test_two_programs_never_share_a_job_table(tmp_path: Path) -> None:
    with claimed(tmp_path) as first, claimed(tmp_path) as second:
        assert first == tmp_path
        assert second not in (first, None)
    with claimed(tmp_path) as again:
        assert again == tmp_path


# -- pictures -------------------------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    settings = Settings(output_dir=tmp_path / "outputs", models_dirs=(), data_dir=tmp_path, engine="fake")
    with build_parts(settings, FakeEngine(), tmp_path) as built:
        built.service.start()
        yield built


@pytest.mark.attack(9)
def test_pictures_are_found_by_opaque_ids_only(parts: Parts) -> None:
    job_id = parts.service.submit(GenerationRequest(prompt="a", seed=1, width=64, height=64))
    status, version = None, -1
    while status is None or not status.finished:
        status = parts.service.wait(job_id, version, 1)
        assert status is not None
        version = status.version
    (saved,) = status.saved
    found = parts.find(saved.id)
    assert found is not None
    assert found.path == saved.path
    for stranger in ("", "0" * 32, str(saved.path), "../" + saved.path.name, saved.path.name, saved.id.upper() + "x"):
        assert parts.find(stranger) is None
    saved.path.unlink()
    assert parts.find(saved.id) is None


def test_pictures_are_served_with_their_type_and_kept(start_app: StartApp) -> None:
    app = start_app("--engine", "fake")
    outputs = app.folder / "outputs"
    folder = outputs / "txt2img"
    folder.mkdir()
    Image.new("RGB", (400, 200), "red").save(folder / "a.png")
    identity = opaque_id(outputs, folder / "a.png")
    status, headers, body = get(app, f"/image/{identity}")
    assert (status, headers["content-type"], headers["x-content-type-options"]) == (200, "image/png", "nosniff")
    assert "immutable" in headers["cache-control"]
    assert body == (folder / "a.png").read_bytes()
    status, headers, body = get(app, f"/thumb/{identity}")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert get(app, f"/image/{'0' * 32}")[0] == 404
    assert get(app, "/image/..%2f..%2fdata%2fjobs.sqlite")[0] == 404


@pytest.mark.parametrize(("name", "is_folder"), [("lock", True), ("page", False)])
def test_a_data_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path, name: str, is_folder: bool) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).mkdir() if is_folder else (data / name).touch()
    command = [
        sys.executable,
        str(ROOT / "app.py"),
        "--no-bootstrap",
        "--no-browser",
        "--port",
        "0",
        "--engine",
        "fake",
    ]
    command += ["--output-dir", str(tmp_path / "outputs"), "--data-dir", str(data)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"seedprint: The data folder {data} cannot be used: ")
