"""What helps a person along: the list of keys, three lines at first, and a size that keeps its shape."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .acts import field, fill, generate
from .conftest import Visits

pytestmark = pytest.mark.browser


def test_a_question_mark_lists_the_keys(visits: Visits) -> None:
    page = visits.open()
    keys = page.locator("#shortcuts dialog")
    box = field(page, "form_prompt")
    box.focus()
    page.keyboard.type("what?")
    expect(box).to_have_value("what?")
    expect(keys).to_be_hidden()
    page.locator("#form_generate").focus()
    page.keyboard.press("?")
    expect(keys).to_be_visible()
    for told in ("Generate", "Full screen", "Weigh the words at the caret more or less"):
        expect(keys.get_by_text(told, exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(page.locator("#form_generate")).to_be_focused()
    chinese = visits.open(locale="zh-CN", viewport={"width": 420, "height": 860})
    chinese.keyboard.press("?")
    expect(chinese.locator("#shortcuts dialog")).to_contain_text("提高或降低光标处词语的权重")
    assert chinese.evaluate("document.documentElement.scrollWidth") <= 420


def test_the_first_lines_go_for_good(visits: Visits) -> None:
    page = visits.open()
    first = page.locator("#canvas .first")
    expect(first.locator("li")).to_have_count(3)
    first.get_by_role("button").click()
    expect(first).to_be_hidden()
    page.reload()
    expect(page.locator("#canvas .promise")).to_be_visible()
    expect(first).to_be_hidden()


def test_a_locked_size_keeps_its_shape(visits: Visits) -> None:
    page = visits.open()
    fill(page, width=192, height=128)
    lock = page.locator("#form_lock button")
    lock.click()
    expect(lock).to_have_attribute("aria-pressed", "true")
    width, height = field(page, "form_width"), field(page, "form_height")
    width.fill("384")
    expect(height).to_have_value("256")
    height.fill("64")
    expect(width).to_have_value("96")
    page.locator("#form_swap").click()  # another shape is kept from then on
    expect(height).to_have_value("96")
    width.fill("128")
    expect(height).to_have_value("192")
    lock.click()
    width.fill("256")
    visits.settle()
    expect(height).to_have_value("192")


def test_whoever_has_pictures_is_told_nothing(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=2, batch_size=1)
    expect(page.locator("#canvas .first")).to_be_hidden()
