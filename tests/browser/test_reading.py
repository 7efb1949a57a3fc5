"""Under the prompt: tokens as they are typed, and Chinese offered in English."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from .acts import unfold
from .conftest import Visits

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("place", ["form", "lab"])
def test_tokens_follow_the_text(visits: Visits, place: str, tmp_path: Path) -> None:
    page = visits.open()
    if place == "lab":
        page.get_by_role("tab", name="Lab").click()
    box, reading = page.locator(f"#{place}_prompt textarea"), page.locator(f"#{place}_reading")
    box.fill("a (red:1.5) star")
    expect(reading.locator(".counts")).to_contain_text("3/75")
    reading.locator("summary").click()
    expect(reading.locator(".word")).to_have_count(3)
    expect(reading.locator(".word").nth(1)).to_contain_text("×1.5")
    box.press("End")
    box.press_sequentially(" BREAK blue 星", delay=5)
    expect(reading.locator(".chunk")).to_have_count(2)
    expect(reading.locator(".chunk").nth(1).locator(".label")).to_have_text("Chunk 2: 4 of 75")
    expect(reading.locator(".chunk").nth(1).locator(".pieces .token")).to_have_count(3)
    page.screenshot(path=tmp_path / "tokens.png", full_page=True)


def test_clip_skip_is_told(visits: Visits) -> None:
    page = visits.open()
    page.locator("#form_prompt textarea").fill("a star")
    page.locator("#form_reading summary").click()
    expect(page.locator("#form_reading .word")).to_have_count(2)
    unfold(page)
    number = page.locator("#form_clip_skip input[type=number]")
    number.fill("2")
    number.blur()
    expect(page.locator("#form_reading .notes")).to_contain_text("CLIP skip 2: every word below")


def test_compels_language_has_its_map_too(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    box, reading = page.locator("#form_prompt textarea"), page.locator("#form_reading")
    box.fill("a red++ star")
    reading.locator("summary").click()
    expect(reading.locator(".counts")).to_have_text("5/75 · 0/75")  # to A1111 the signs are a word
    unfold(page)
    page.locator("#form_dialect input").first.click()
    page.get_by_role("option", name="Compel").click()
    expect(reading.locator(".counts")).to_have_text("3/75 · 0/75")
    expect(reading.locator(".word").nth(1)).to_contain_text("×1.21")
    box.fill('("a red++ star", "a boat").blend(0.7, 0.3)')
    expect(reading.locator(".label").nth(1)).to_have_text("Part 2, weight 0.3 · Chunk 2: 2 of 75")
    expect(reading.locator(".notes")).to_contain_text("those of .blend() are mixed")
    page.screenshot(path=tmp_path / "compel.png", full_page=True)
    box.fill('"cat".swap("dog")')
    expect(reading.locator(".counts")).to_contain_text("must not use .swap()")


def test_chinese_is_turned_only_when_asked(visits: Visits) -> None:
    page = visits.open(locale="zh-CN")
    box, reading = page.locator("#form_prompt textarea"), page.locator("#form_reading")
    box.fill("红色的星星，魑魅")
    expect(reading.locator(".becomes code")).to_have_text("red star, 魑魅")
    expect(reading.locator(".unknown code")).to_have_text("魑魅")
    expect(box).to_have_value("红色的星星，魑魅")
    reading.get_by_role("button", name="采用").click()
    expect(box).to_have_value("red star, 魑魅")
    expect(reading.locator(".becomes")).to_have_count(0)
    expect(reading.locator(".unknown code")).to_have_text("魑魅")
    box.fill("a red star")
    expect(reading.locator(".chinese")).to_be_hidden()
