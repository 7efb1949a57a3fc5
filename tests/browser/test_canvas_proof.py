"""Whether the picture on the canvas was made again, beside it, and one press that makes it again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page, expect

from .acts import generate, newest, strip
from .conftest import Served, Visits

pytestmark = pytest.mark.browser


def badge(page: Page) -> Locator:
    return page.locator("#canvas .proof .proved")


def check(page: Page) -> Locator:
    return page.locator("#canvas .proof .check")


def altered(path: Path) -> Path:
    """A copy that has other pixels under the same record."""
    other = path.with_name(f"altered-{path.name}")
    with Image.open(path) as image:
        texts = PngInfo()
        for key, value in image.text.items():  # type: ignore[attr-defined]
            texts.add_itxt(key, value)
        image.paste((9, 9, 9), (20, 20, 40, 40))
        image.save(other, pnginfo=texts)
    return other


def test_one_press_makes_the_shown_picture_again(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=2, batch_size=2, seed=210)
    expect(badge(page)).to_have_attribute("data-verdict", "not_yet")
    check(page).click()
    expect(badge(page)).to_have_attribute("data-verdict", "identical")
    expect(badge(page)).to_contain_text(re.compile(r"Made again on 20\d\d-\d\d-\d\d \d\d:\d\d: identical.*fake"))
    strip(page, "run").nth(1).click()  # the other one's is its own
    expect(badge(page)).to_have_attribute("data-verdict", "not_yet")
    page.reload()
    every = page.locator("#canvas .strip button")  # a run of a moment ago is told of again, or is among the recent ones
    every.filter(has_text="210").first.click()
    expect(badge(page)).to_have_attribute("data-verdict", "identical")
    every.filter(has_text="211").first.click()
    expect(badge(page)).to_have_attribute("data-verdict", "not_yet")


def test_what_differs_is_told_with_its_reasons(visits: Visits, served: Served) -> None:
    page = visits.open()
    generate(page, prompt="a lamp", steps=2, batch_size=1, seed=220)
    name = altered(newest(served)).name
    page.wait_for_function(
        "name => fetch('/history/page').then(one => one.text()).then(told => told.includes(name))", arg=name
    )
    page.reload()
    page.locator(f"#canvas .strip button[data-id$='{name}']").click()
    check(page).click()
    expect(badge(page)).to_have_attribute("data-verdict", "differs")
    reasons = page.locator("#canvas .proof .why li")
    expect(reasons.first).to_be_hidden()
    badge(page).click()
    expect(reasons.first).to_be_visible()
    expect(reasons.first).to_be_in_viewport(ratio=1)


def test_a_grid_is_told_to_be_none(visits: Visits) -> None:
    page = visits.open()
    generate(page, steps=2, batch_size=2, seed=230)
    strip(page, "run").nth(2).click()
    expect(badge(page)).to_have_attribute("data-verdict", "cannot")
    expect(check(page)).to_have_count(0)
