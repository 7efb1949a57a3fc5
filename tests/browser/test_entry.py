"""The link that lets a browser in, in a real one: only there is seen which cookies it brings along."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.conftest import Served
from tests.browser.serve import TOKEN

pytestmark = pytest.mark.browser


@pytest.fixture
def stranger(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has not opened the link."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def elsewhere(served: Served) -> Iterator[str]:
    """The address of a page of another site, with the links "front" and "link"."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f"<a href='{served.url}'>front</a> <a href='{served.link}'>link</a>".encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_the_link_there_is_one_sentence(stranger: BrowserContext, served: Served) -> None:
    page = stranger.new_page()
    answer = page.goto(served.url)
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("body")).to_contain_text("python app.py link")


def test_the_link_opens_the_page_at_its_clean_address_from_then_on(stranger: BrowserContext, served: Served) -> None:
    page = stranger.new_page()
    page.goto(served.link)
    page.wait_for_selector("#form_generate")
    assert page.url == served.url
    assert TOKEN not in page.evaluate("document.cookie")
    page.close()
    again = stranger.new_page()
    again.goto(served.url)
    again.wait_for_selector("#form_generate")


@pytest.mark.parametrize("known", [False, True])
def test_a_link_on_another_site_opens_the_page_too(
    stranger: BrowserContext, served: Served, elsewhere: str, known: bool
) -> None:
    page = stranger.new_page()
    if known:
        page.goto(served.link)
    page.goto(elsewhere)
    page.get_by_text("front" if known else "link", exact=True).click()
    page.wait_for_selector("#form_generate")
    assert page.url == served.url
