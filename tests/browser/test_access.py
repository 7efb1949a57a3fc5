"""The page is for everybody: what axe-core finds on it, and what is done by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from webui.ui.widgets.sources import EVERY
from webui.words import WORDS

from .acts import field, fill, generate, live, open_tab, unfold
from .conftest import BEGUN, ROOT, Served, Visits

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"  # served into the page by the test; no part of the program
TABS = ("txt2img", "img2img", "inpaint", "again", "history", "lab", "process", "models", "settings")
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
    window.reached.push(one);
    return {
        name: `${one.tagName} ${one.id} ${one.className}`,
        isBody: one === document.body,
        ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        isSeen: box.width > 0 && box.height > 0,
    };
}"""
# what a person may do something with, in the page's order, and what was reached: named at once, for texts still come
REACHABLE = """() => {
    const named = (all) => all.map((one) =>
        `${one.tagName} ${one.id} ${one.className} ${one.ariaLabel ?? one.textContent.trim().slice(0, 30)}`);
    const parts = "a[href], button, input, select, textarea, summary, [tabindex]";
    const there = [...document.querySelectorAll(parts)]
        .filter((one) => one.tabIndex >= 0 && !one.disabled && !one.closest("[inert]"))
        .filter((one) => one.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }));
    return [named(there), named(window.reached.slice(0, -1))];
}"""


@pytest.fixture
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: `npm ci` gets it.")
    return AXE.read_text(encoding="utf-8")


def found(page: Page, axe: str) -> list[str]:
    page.wait_for_function(BEGUN, arg=EVERY)  # a component says nothing before its script is there
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


def walk(page: Page) -> list[Any]:
    """All that Tab comes to, from the page's top to its end."""
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    page.evaluate("window.reached = []")
    reached: list[Any] = []
    for _ in range(250):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        if reached[-1]["isBody"]:  # behind the last one
            return reached[:-1]
    raise AssertionError(reached)


def test_tab_comes_to_everything_and_is_seen_there(visits: Visits) -> None:
    page = visits.open(reduced_motion="reduce")
    unfold(page)
    for tab in TABS:
        open_tab(page, WORDS[f"tab_{tab}"][0])
        expect(page.locator(f"#tab_{tab}-button")).to_have_attribute("aria-selected", "true")
        visits.settle()
        reached = walk(page)
        there, came = page.evaluate(REACHABLE)
        assert came == there
        assert [one for one in reached if one["ring"] < 2 or not one["isSeen"]] == []


def test_a_list_is_chosen_from_and_left_by_keyboard(visits: Visits) -> None:
    """Gradio's script fails on a list that is open, or still fading out, while its choices become fewer. Tab opened it;
    what is left are the few milliseconds between a choice and the page's hearing of it, in which no person is so quick
    as to press two keys: the next list is not opened here by a key before it is held."""
    page = visits.open()
    unfold(page)
    sampler, schedule = (page.locator(f"#form_{name} input") for name in ("sampler", "schedule"))
    page.locator("#form_more > button").focus()
    page.keyboard.press("Tab")
    expect(sampler).to_be_focused()
    expect(page.locator("#form_sampler [role=option]")).to_have_count(0)  # it is not opened by coming past
    page.keyboard.type("UniPC")
    expect(page.locator("#form_sampler [role=option]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(sampler).to_be_focused()
    expect(sampler).to_have_value("UniPC")
    visits.settle()
    page.keyboard.type("DEIS")  # it has one schedule less
    for key in ("Enter", "Tab", "Tab"):
        page.keyboard.press(key)
    expect(page.locator("#form_clip_skip input").first).to_be_focused()
    expect(page.locator("#form [role=option]:visible")).to_have_count(0)
    page.keyboard.press("Shift+Tab")
    expect(schedule).to_be_focused()
    page.keyboard.type("kar")
    expect(page.locator("#form_schedule [role=option]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(schedule).to_have_value("Karras")
    expect(schedule).to_be_focused()
    schedule.click()
    expect(page.locator("#form_schedule [role=option]").first).to_be_visible()


def test_coming_past_the_preset_changes_nothing(visits: Visits) -> None:
    page = visits.open()
    page.locator("#form_preset input").click()
    page.locator("#form_preset").get_by_role("option").nth(1).click()
    visits.settle()
    fill(page, steps=33)
    visits.settle()
    page.locator("#form_undo").focus()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#form_preset input")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#form_undo")).to_be_focused()
    page.wait_for_timeout(300)
    visits.settle()
    expect(field(page, "form_steps")).to_have_value("33")


def test_tabs_that_a_narrow_window_hides_are_opened_by_keyboard(visits: Visits) -> None:
    page = visits.open(viewport={"width": 420, "height": 900})
    expect(page.locator("#frame .overflow-menu > button")).to_be_visible()
    page.locator("#frame [role=tab]").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    expect(page.locator("#frame .overflow-menu > button")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    name = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Enter")
    expect(page.locator("h2.unseen:visible")).to_have_text(name)
    expect(page.locator("#frame [role=tab][tabindex='0']")).to_have_count(1)


MOVING = "document.getAnimations().filter((one) => one.playState === 'running').length"


@pytest.mark.parametrize(("wish", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_those_who_wish_that(visits: Visits, wish: Any, moves: bool) -> None:
    page = visits.open(reduced_motion=wish)
    page.evaluate(f"""() => {{
        window.moved = 0;
        const look = () => {{ window.moved += {MOVING}; requestAnimationFrame(look); }};
        look();
    }}""")
    page.locator("#form_preset input").click()
    expect(page.locator("#form_preset").get_by_role("option").first).to_be_visible()
    page.keyboard.press("Escape")
    open_tab(page, "img2img")
    expect(page.locator("#form_preset").get_by_role("option")).to_have_count(0)
    assert (page.evaluate("window.moved") > 0) is moves


def test_a_number_that_cannot_be_is_told_and_stays(visits: Visits, served: Served) -> None:
    """One behaviour for what is slid and what is typed."""
    page = visits.open()
    visits.settle()
    made = len(served.pictures())
    for name, value, rule in (("steps", "999", "150"), ("width", "5000", "4,096"), ("guidance", "-7", "0")):
        before = field(page, f"form_{name}").input_value()
        fill(page, **{name: value})
        told = page.locator(f"#form_{name} .field-fault")
        expect(told).to_contain_text(value.replace("-", ""))
        expect(told).to_contain_text(rule)
        page.locator("#form_generate").click()
        expect(live(page)).to_have_attribute("data-state", "refused")
        expect(field(page, f"form_{name}")).to_have_value(value)
        fill(page, **{name: before})
        expect(told).to_have_count(0)
    assert len(served.pictures()) == made


def test_buttons_that_can_do_nothing_rest(visits: Visits, served: Served) -> None:
    """They look it and a press does nothing, but the focus stays where it is."""
    page = visits.open()
    visits.settle()
    cancel, skip, keep, undo = (page.locator(f"#form_{name}") for name in ("cancel", "skip", "keep", "undo"))
    for button in (cancel, skip, keep, undo):
        expect(button).to_have_attribute("aria-disabled", "true")
    fill(page, prompt="a red star", steps=10, batches=2, batch_size=1)
    expect(undo).to_have_attribute("aria-disabled", "false")
    visits.settle()
    served.hold.write_text("0")
    page.locator("#form_generate").click()
    expect(skip).to_have_attribute("aria-disabled", "false")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(live(page)).to_have_attribute("data-state", "cancelled")
    expect(cancel).to_have_attribute("aria-disabled", "true")
    expect(cancel).to_be_focused()
    for _ in range(10):
        if undo.get_attribute("aria-disabled") == "true":
            break
        undo.click()
        visits.settle()
    expect(undo).to_have_attribute("aria-disabled", "true")
    expect(field(page, "form_prompt")).to_have_value("")
