"""What holds for every test: no network, no home folder, one thread, no stub files written by gradio."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from webui.server import no_stubs

ROOT = Path(__file__).resolve().parent.parent
QUIET = {
    "OMP_NUM_THREADS": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
}
LOCAL = re.compile(r"127\..*|::1|localhost|0\.0\.0\.0|")
STARTING = 60.0  # seconds until a started program must have told its address; busy machines are slow

# The same examples on every run, so that a red one says what changed; HYPOTHESIS_PROFILE=default explores.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
os.environ.update(QUIET)  # before anything imports torch or gradio
_stubs = no_stubs()


def pytest_configure() -> None:
    _stubs.__enter__()


def pytest_unconfigure() -> None:
    _stubs.__exit__(None, None, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow ones run when they are asked for, by `-m slow` or another choice that names them."""
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow") is not None]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item.get_closest_marker("slow") is None]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA card")


@pytest.fixture(scope="session", autouse=True)
def _alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home folder of its own, and no connection that leaves this machine."""
    home = str(tmp_path_factory.mktemp("home"))
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def checked(address: Any) -> None:
        if isinstance(address, tuple) and not LOCAL.fullmatch(str(address[0])):
            raise AssertionError(f"a test wants to connect to {address[0]}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        checked(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        checked(address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HF_HOME"):
            patch.setenv(name, home)
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """For pytest-playwright: the installed Chromium, which sends nothing home."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.fail("The browser tests need Chromium: `apt-get install chromium` or the like.")
    return {
        "executable_path": browser,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
        ],
    }


@dataclass
class RunningApp:
    """`python app.py …` as a person starts it; `url` ends with a slash."""

    process: subprocess.Popen[str]
    url: str
    folder: Path  # holds `outputs` and `data`
    lines: list[str] = field(default_factory=list)  # what it said so far

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


StartApp = Callable[..., RunningApp]


@pytest.fixture(scope="module")
def start_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApp]:
    """`start_app("--engine", "fake", …)` returns once the page answers; ended after the module's last test."""
    running: list[RunningApp] = []

    def start(*options: str) -> RunningApp:
        app = started(options, tmp_path_factory.mktemp("app"))
        running.append(app)
        return app

    yield start
    for app in running:
        app.end()


def started(options: Sequence[str], folder: Path) -> RunningApp:
    places = ["--output-dir", str(folder / "outputs"), "--models-dir", str(folder), "--data-dir", str(folder / "data")]
    port = () if "--port" in options else ("--port", "0")
    command = [sys.executable, str(ROOT / "app.py"), "--no-bootstrap", "--no-browser", *port, *places, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    app = RunningApp(process=process, url="", folder=folder)
    ready = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            app.lines.append(line.rstrip())
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                app.url = found[0]
                ready.set()
        ready.set()

    threading.Thread(target=listen, daemon=True).start()
    ready.wait(STARTING)
    if not app.url:
        app.end()
        pytest.fail("the program did not start:\n" + "\n".join(app.lines))
    return app
