"""What holds for every test: no network, no home folder, one thread, no stub files written by gradio."""

from __future__ import annotations

import gc
import http.client
import os
import re
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

from tests import browsers, faults
from tests.selection import HEAVY, marks_of
from webui.server import no_stubs

ROOT = Path(__file__).resolve().parent.parent
QUIET = {
    "OMP_NUM_THREADS": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
}
LOCAL = re.compile(r"127\..*|::1|localhost|0\.0\.0\.0|")
BROWSER = pytest.StashKey[str | None]()
LEFT_OUT = pytest.StashKey[int]()  # tests that want a browser
STARTING = 60.0  # seconds until a started program must have told its address; busy machines are slow

# The same examples on every run, so that a red one says what changed; HYPOTHESIS_PROFILE=default explores.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
os.environ.update(QUIET)  # before anything imports torch or gradio
_stubs = no_stubs()


def pytest_configure(config: pytest.Config) -> None:
    _stubs.__enter__()
    if config.option.faults:
        config.pluginmanager.register(faults.Table())


def pytest_unconfigure() -> None:
    _stubs.__exit__(None, None, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="no torch, not even imported, and no browser")
    parser.addoption("--faults", action="store_true", help="what is on the list of faults, and a table of what holds")
    parser.addoption("--get-browser", action="store_true", help="install a browser where the tests find none")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that `--fast` leaves out are not even imported."""
    name = collection_path.name
    if config.option.fast and name.startswith("test_") and name.endswith(".py"):
        of_the_page = collection_path.parent == ROOT / "tests" / "ui"  # gradio, and a page for each file
        return of_the_page or bool(marks_of(collection_path) & HEAVY) or None
    return None


@pytest.hookimpl(trylast=True)  # after `-m` and `-k`
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow ones run when they are asked for, by `-m slow` or another choice that names them; those of the page where
    there is a browser."""
    for item in items:
        if "start_app" in getattr(item, "fixturenames", ()):  # seconds for the program to start
            item.add_marker("lengthy")
    if config.option.faults:
        _keep(config, items, [one for one in items if any(map(one.get_closest_marker, faults.KINDS))])
    away = set(HEAVY) if config.option.fast else set()
    if "slow" not in config.option.markexpr:
        away.add("slow")
    _leave_out(config, items, away)
    for item in items:
        if item.get_closest_marker("browser"):  # a browser on a busy machine; `-rR` names those that needed it
            item.add_marker(pytest.mark.flaky(reruns=1))
    if not config.option.collectonly and any(item.get_closest_marker("browser") for item in items):
        browser = browsers.usable(obtain=config.option.get_browser)
        config.stash[BROWSER] = browser
        if browser is None:
            config.stash[LEFT_OUT] = _leave_out(config, items, {"browser"})


def _leave_out(config: pytest.Config, items: list[pytest.Item], marks: set[str]) -> int:
    """How many it were."""
    return _keep(config, items, [item for item in items if not any(map(item.get_closest_marker, marks))])


def _keep(config: pytest.Config, items: list[pytest.Item], kept: list[pytest.Item]) -> int:
    """How many are left out."""
    gone = [item for item in items if item not in set(kept)]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = kept
    return len(gone)


def pytest_collection_finish() -> None:
    """Fourteen thousand tests and what they import are never garbage: to look through them at each collection took
    minutes of a run."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Nothing but tests of the page were asked for, and there is no browser: that is no failure."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.stash.get(LEFT_OUT, 0):
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for report in terminalreporter.stats.get("rerun", []):  # what a second try mends is still to be understood
        terminalreporter.section(f"first try of {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
    if count := config.stash.get(LEFT_OUT, 0):
        why = "no Chromium, Chrome or Edge starts here, and none could be got" if config.option.get_browser else ""
        why = why or "no Chromium, Chrome or Edge starts here (`python -m tests` gets one)"
        terminalreporter.write_line(f"Left out: {count} tests of the page in a browser, as {why}.")


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
def browser_type_launch_args(pytestconfig: pytest.Config) -> dict[str, Any]:
    """For pytest-playwright."""
    return {"executable_path": pytestconfig.stash[BROWSER], "args": browsers.OPTIONS}


@dataclass
class RunningApp:
    """`python app.py …` as a person starts it."""

    process: subprocess.Popen[str]
    link: str  # as it is printed
    folder: Path  # holds `outputs` and `data`
    lines: list[str] = field(default_factory=list)  # what it said so far
    _cookie: str = ""

    @property
    def url(self) -> str:
        """The page's address; ends with a slash."""
        return self.link.partition("?")[0]

    @property
    def token(self) -> str:
        return self.link.partition("?token=")[2]

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    @property
    def cookie(self) -> dict[str, str]:
        """What a browser that has opened the link sends."""
        if not self._cookie:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.request("GET", f"/?token={self.token}")
            given = connection.getresponse().getheader("set-cookie") or ""
            connection.close()
            self._cookie = given.partition(";")[0]
        return {"Cookie": self._cookie}

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
    app = RunningApp(process=process, link="", folder=folder)
    ready = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            app.lines.append(line.rstrip())
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S*", line):
                app.link = found[0]
                ready.set()
        ready.set()

    threading.Thread(target=listen, daemon=True).start()
    ready.wait(STARTING)
    if not app.link:
        app.end()
        pytest.fail("the program did not start:\n" + "\n".join(app.lines))
    return app
