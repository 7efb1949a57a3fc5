"""The page is for everybody: what axe-core finds on it, and what is done by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from webui.words import WORDS

from .acts import generate, open_tab, unfold
from .conftest import ROOT, Visits

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"  # served into the page by the test; no part of the program
TABS = ("txt2img", "img2img", "inpaint", "again", "history", "lab", "models", "settings")
# a decoration behind a text is no reason not to judge the text
FIND = """async () => {
    axe.configure({ checks: [{ id: "color-contrast", options: { ignorePseudo: true } }] });
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.filter((one) => ["serious", "critical"].includes(one.impact)).flatMap((one) =>
        one.nodes.map((node) => [one.id, node.target.join(" "), node.failureSummary].join(" | ")));
}"""
FOCUSED = """() => {
    const one = document.activeElement;
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    return {
        name: `${one.tagName} ${one.id} ${one.getAttribute("aria-label") ?? one.textContent.trim().slice(0, 40)}`,
        isBody: one === document.body,
        ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        isSeen: box.width > 0 && box.height > 0,
    };
}"""


@pytest.fixture
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `npm ci` gets it.")
    return AXE.read_text(encoding="utf-8")


def found(page: Page, axe: str) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    wrong: list[str] = page.evaluate(FIND)
    return wrong


def states(page: Page, language: int) -> Iterator[str]:
    """Every tab, and what is opened over them."""
    for tab in TABS:
        open_tab(page, WORDS[f"tab_{tab}"][language])
        expect(page.locator(f"#tab_{tab}-button")).to_have_attribute("aria-selected", "true")
        yield tab
    open_tab(page, WORDS["tab_txt2img"][language])
    unfold(page)
    yield "more settings"
    for drawer in ("composer", "networks", "map"):
        page.locator(f"#form details.{drawer} summary").click()
        expect(page.locator(f"#form details.{drawer} .drawer")).to_be_visible()
        yield drawer
        page.keyboard.press("Escape")
    page.locator("#header .open-queue").click()
    yield "the queue"
    page.locator("#header .open-queue").click()
    open_tab(page, WORDS["tab_history"][language])
    page.locator(".history .more-filters").click()
    page.locator(".history .sheet .tick").first.click()
    yield "filters and a selection"
    page.locator(".history .sheet button").first.click()
    expect(page.locator(".history dialog.large")).to_be_visible()
    yield "a picture of the history"


@pytest.mark.parametrize(("language", "theme"), [("en-US", "light"), ("en-US", "dark"), ("zh-CN", "light")])
def test_axe_finds_nothing_serious(visits: Visits, axe: str, theme: Any, language: str) -> None:
    page = visits.open(color_scheme=theme, reduced_motion="reduce", locale=language)
    generate(page, prompt="a red star", steps=2, batch_size=2)
    visits.settle()
    wrong = {state: faults for state in states(page, int(language == "zh-CN")) if (faults := found(page, axe))}
    assert wrong == {}
