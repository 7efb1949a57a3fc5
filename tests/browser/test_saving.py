"""How pictures are saved, set in a real browser: typed, pasted, refused, kept, used, and still there after a reload."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.acts import generate
from tests.browser.conftest import Served, Visits

pytestmark = pytest.mark.browser


def open_form(page: Page) -> tuple[Locator, Locator]:
    """The box of the pattern, and the line that tells."""
    page.get_by_role("tab", name=re.compile("Settings|设置")).click()
    box, told = page.locator("#saving_pattern input"), page.locator("#saving_example")
    expect(told.locator("code")).not_to_be_empty()
    return box, told


def test_a_pattern_is_typed_kept_used_and_found_after_a_reload(visits: Visits, served: Served) -> None:
    page = visits.open()
    box, told = open_form(page)
    name = told.locator("code")
    expect(box).to_have_value("[number]-[seed]_[prompt]")
    expect(name).to_have_text("00042-450910884_a_red_star_on_a_blue_field.png")
    box.press("End")
    box.press_sequentially(" v2", delay=20)
    expect(name).to_have_text("00042-450910884_a_red_star_on_a_blue_field v2.png")
    box.press("Backspace")  # no letter: Gradio's `input` event does not tell of it
    expect(name).to_have_text("00042-450910884_a_red_star_on_a_blue_field v.png")
    box.fill("[seed] [number]")  # nor of a paste
    expect(name).to_have_text("450910884 00042.png")
    expect(told).to_contain_text("Not kept yet.")
    page.locator("#saving_format input").click()
    page.get_by_role("option", name="WebP").click()
    expect(name).to_have_text("450910884 00042.webp")
    page.locator("#saving_save").click()
    expect(told).to_contain_text("Kept:")

    page.get_by_role("tab", name="txt2img").click()
    generate(page, prompt="a red star", seed=77, batch_size=1, steps=2)
    assert [path.name for path in served.outputs.glob("txt2img/*/*.webp")] == ["77 00001.webp"]

    page.reload()
    box, told = open_form(page)
    expect(box).to_have_value("[seed] [number]")
    expect(page.locator("#saving_format input")).to_have_value("WebP")
    expect(told.locator("code")).to_have_text("450910884 00042.webp")


def test_a_wrong_pattern_is_one_sentence_and_stays_as_it_was_typed(visits: Visits) -> None:
    page = visits.open(locale="zh-CN")
    box, told = open_form(page)
    kept = box.input_value()
    box.fill("[seed]")
    expect(told).to_have_text("文件名必须包含 [number] 以区分文件，现为 [seed]。")
    page.locator("#saving_save").click()
    expect(told.locator(".error-line")).to_have_count(1)
    expect(box).to_have_value("[seed]")
    page.reload()
    box, _ = open_form(page)
    expect(box).to_have_value(kept)
