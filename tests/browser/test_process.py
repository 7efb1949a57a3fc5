"""The tab Process, on a picture that was just made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from .acts import generate
from .conftest import Visits

pytestmark = pytest.mark.browser

MIDDLE = """canvas => { const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const all = [...data].filter((_, place) => place % 4 !== 3);
    const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
    return Math.sqrt(all.reduce((sum, one) => sum + (one - mean) ** 2, 0) / all.length); }"""


def test_apart_and_together(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=6, batch_size=1)
    page.locator("#form_to_process").click()
    view = page.locator("#process")
    expect(view.locator(".left")).to_contain_text("t = 300")
    expect(view.locator(".strips canvas")).to_have_count(30)
    cells = view.locator(".strips [data-schedule=scaled] canvas")
    expect(cells.nth(9)).to_have_attribute("title", "t = 1000, ᾱ = 4.66e-3")
    wholly = view.locator(".whole")
    before = wholly.evaluate(MIDDLE)
    time = view.locator(".time")
    time.focus()
    page.keyboard.press("End")
    expect(view.locator(".left")).to_contain_text("t = 1000")
    assert wholly.evaluate(MIDDLE) != before
    page.keyboard.press("Home")
    expect(view.locator(".left")).to_contain_text("signal to noise ∞")
    page.keyboard.press("ArrowRight")
    view.get_by_role("button", name="Go step by step").click()
    expect(view.locator(".counted")).to_contain_text("1 single steps")
    view.locator(".within").select_option("latents")
    expect(view.locator(".latent")).to_contain_text("never learned such latents")
    view.get_by_role("button", name="Go step by step").click()
    expect(view.locator(".counted")).to_contain_text("1 single steps")
    page.locator("#process .film-it").click()
    expect(view.locator(".told")).to_contain_text("pixel for pixel")
    rows = view.locator(".rows .strip")
    expect(rows).to_have_count(3)
    expect(page.locator("#process_strip")).to_be_visible()
    rows.nth(0).get_by_role("button").nth(0).click()
    expect(view.locator(".moment")).to_contain_text("Step 1 of 6")
    expect(view.locator(".guided figure")).to_have_count(3)


def test_an_experiment_with_the_settings_of_a_picture(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=6, batch_size=1)
    page.locator("#form_to_process").click()
    card = page.locator("#process_experiments [data-which=prompts]")
    card.get_by_role("button").click()
    expect(card.locator(".told")).to_have_text("A second prompt is needed.")
    card.locator(".other-prompt").fill("a blue fish")
    card.get_by_role("button").click()
    expect(card.locator(".told")).to_have_text("6 pictures.")
    expect(card.locator(".strip")).to_have_count(2)
    expect(card.locator("img")).to_have_count(12)
    expect(card.locator("tbody tr")).to_have_count(2)
    model = page.locator("#process_anatomy")
    model.get_by_role("button").click()
    expect(model.locator("figure")).to_have_count(3)
    expect(model.locator("svg[aria-label^='U-Net'] rect")).to_have_count(7)


def test_an_animation_begun_with_a_picture_is_made_and_played(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=4, batch_size=1)
    page.locator("#form_to_process").click()
    view = page.locator("#process_animation")
    view.get_by_role("button", name="Begin with the picture's settings").click()
    text = view.get_by_label("Settings and keyframes")
    expect(text).to_have_value(re.compile("steps: 4"))  # the example has 12
    text.fill(text.input_value().replace("15:", "3:"))
    view.get_by_role("button", name="What it will cost").click()
    expect(view.locator(".told")).to_contain_text("4 pictures")
    view.get_by_role("button", name="Make it, or go on").click()
    expect(view.locator(".told")).to_have_text("4 frames, 10 a second.")
    view.get_by_role("button", name="Pause").click()
    view.get_by_role("slider").fill("2")
    expect(view.locator(".at-told")).to_have_text("Frame 3 of 4")
    with page.expect_download() as saved:
        view.get_by_role("link", name="Save as WebP").click()
    with Image.open(saved.value.path()) as moving:
        assert moving.n_frames == 4
    text.fill("frames: 1")
    view.get_by_role("button", name="Make it, or go on").click()
    expect(view.locator(".told")).to_contain_text("Frames must be a whole number from 2")


def test_a_file_of_ones_own_is_taken_apart_without_the_program(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    page.locator("#frame").get_by_role("tab", name="Process").click()
    visits.settle(quiet=10)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    wrong = tmp_path / "wrong.png"
    wrong.write_text("no picture")
    page.locator("#process .file").set_input_files(wrong)
    expect(page.locator("#process .fault")).to_contain_text("not a picture")
    good = tmp_path / "good.png"
    Image.new("RGB", (90, 60), "navy").save(good)
    page.locator("#process .file").set_input_files(good)
    expect(page.locator("#process .fault")).to_have_text("")
    expect(page.locator("#process .whole")).to_have_attribute("height", "171")
    short = tmp_path / "short.png"
    short.write_bytes(good.read_bytes()[:-40])
    page.locator("#process .file").set_input_files(short)
    expect(page.locator("#process .fault")).to_contain_text("not a picture")
    assert not [url for url in asked if url.startswith("http") and "/queue" not in url]
