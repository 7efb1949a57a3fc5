"""Pictures made larger from the page: the one on the canvas, the one that History shows, and several at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import generate, open_tab
from tests.browser.conftest import Visits

pytestmark = pytest.mark.browser


def ask(page: Page, room: str, by: str) -> None:
    """Fills the dialog in and agrees."""
    dialog = page.locator(f"{room} dialog.larger")
    expect(dialog).to_be_visible()
    dialog.locator("input.by").fill(by)
    dialog.locator("select.upscaler").select_option("nearest")
    dialog.locator("button.go").click()


def test_the_picture_on_the_canvas(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", seed=41)
    page.locator("#form_larger").click()
    dialog = page.locator("#canvas dialog.larger")
    expect(dialog.locator(".size")).to_have_text("128 × 128 becomes 256 × 256")
    dialog.locator("input.by").fill("9")
    dialog.locator("button.go").click()
    expect(dialog).to_be_visible()  # the browser says what is allowed
    ask(page, "#canvas", "1.5")
    expect(dialog).to_be_hidden()
    expect(page.locator("#canvas .told")).to_have_text("Made larger.")
    page.wait_for_function("document.querySelector('#canvas .stage img')?.naturalWidth === 192")  # it may be made anew
    page.locator("#form_larger").focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_one_and_several_of_history(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a blue fish", seed=51)
    generate(page, prompt="a green tree", seed=61)
    open_tab(page, "History")
    cells = page.locator("#history_view .cell")
    cells.first.locator("img").click()
    page.locator("#history_view dialog.large .verbs .larger").click()
    ask(page, "#history_view", "2")
    expect(page.locator("#history_view dialog.large .told")).to_contain_text("Made larger.")
    page.keyboard.press("Escape")
    for cell in (cells.nth(0), cells.nth(1)):
        cell.locator(".tick").check(force=True)
    page.locator("#history_view .bar .larger").click()
    ask(page, "#history_view", "1.25")
    expect(page.locator("#history_view .top ~ .told")).to_contain_text("2 pictures are in the queue")
