"""A served page in Chromium. Every request is recorded: one that leaves this machine fails the test, and so does an
error of the page's scripts."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from webui.ui.widgets.sources import EVERY

ROOT = Path(__file__).resolve().parents[2]
STEP = 0.01  # seconds; what is to be seen in the middle of a run is held there
BEGUN = "name => !document.querySelector(`.${name}:not([data-begun], :has([data-begun]))`)"  # all components listen
PATIENCE = 90_000  # milliseconds; busy machines are slow

expect.set_options(timeout=PATIENCE)


@dataclass
class Served:
    link: str  # as the program prints it
    outputs: Path
    data: Path

    @property
    def url(self) -> str:
        """The page's address; ends with a slash."""
        return self.link.partition("?")[0]

    @property
    def hold(self) -> Path:
        """Written with a number, the engine makes so many more batches, and stands still in the middle of the next:
        at step 5 of 10, say. Deleted, it goes on."""
        return self.outputs.parent / "hold"

    def pictures(self) -> list[Path]:
        """What was saved, without grids and inputs."""
        found = self.outputs.glob("*/20*/*.png")
        return sorted(path for path in found if not path.name.startswith("grid"))

    def afresh(self) -> None:
        """As before the first test, but for the pictures: what a test that failed queued is no other's."""


class ServedFake(Served):
    """The page on the engine of `tests.browser.serve`, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__("", folder / "outputs", folder)
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.browser.serve", str(self.data), str(STEP)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.link = self._process.stdout.readline().strip()
        if not self.link.startswith("http://127.0.0.1:"):
            self.end()
            raise AssertionError("the server did not start")

    def end(self) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def afresh(self) -> None:
        self.end()
        for file in self.data.glob("jobs.sqlite*"):
            file.unlink()
        self._start()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = ServedFake(tmp_path_factory.mktemp("served"))
    yield found
    found.end()


class Visits:
    """Opens pages and watches what they ask for."""

    def __init__(self, browser: Browser, served: Served) -> None:
        self._browser, self._served = browser, served
        self.outside: list[str] = []
        self.errors: list[str] = []
        self._contexts: list[Any] = []
        self._asked_for: set[Request] = set()  # what a page told by itself, and is not answered yet

    def open(self, **options: Any) -> Page:
        """A page in a browser profile of its own."""
        context = self._browser.new_context(
            **{"locale": "en-US", "viewport": {"width": 1440, "height": 900}, **options}
        )
        context.set_default_timeout(PATIENCE)
        self._contexts.append(context)
        return self.tab(context.new_page())

    def tab(self, page: Page) -> Page:
        """Watches a page and goes to the program."""
        page.on("request", lambda request: self._asked(request.url))
        page.on("request", lambda request: self._asked_for.add(request) if "/run/" in request.url else None)
        page.on("requestfinished", lambda request: self._asked_for.discard(request))
        page.on("requestfailed", lambda request: self._asked_for.discard(request))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if "js_on_load" in line.text else None)
        page.goto(self._served.link)
        page.wait_for_selector("#form_generate")
        page.wait_for_function(BEGUN, arg=EVERY)
        return page

    def _asked(self, url: str) -> None:
        if not url.startswith((self._served.url, "data:", "blob:")):
            self.outside.append(url)

    def settle(self, quiet: int = 1) -> None:
        """Until all that the pages told by themselves has arrived, and so many looks found nothing new: one answer may
        bring the next question. For ten seconds at most."""
        pages, found = [page for context in self._contexts for page in context.pages], 0
        for _ in range(200 if pages else 0):
            pages[0].wait_for_timeout(50)
            found = 0 if self._asked_for else found + 1
            if found >= quiet:
                break

    def close(self) -> None:
        self.settle()  # the next test's form must not be told of this one's
        for context in self._contexts:
            context.close()


@pytest.fixture
def visits(request: pytest.FixtureRequest, browser: Browser, served: Served) -> Iterator[Visits]:
    if getattr(request.node, "execution_count", 1) > 1:  # the second try of a test that failed
        served.afresh()
    with closing(sqlite3.connect(served.data / "jobs.sqlite", timeout=20)) as database, database:
        database.execute("DELETE FROM forms")  # what the test before typed
    served.hold.unlink(missing_ok=True)  # a test that failed may have left it
    found = Visits(browser, served)
    yield found
    found.close()
    assert found.outside == []
    assert found.errors == []
