"""The Models tab, forms that are kept, and the painter's zoom, in a real browser."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.models.files import checkpoint, write_model

from .conftest import PATIENCE, Served, Visits
from .test_page import field, fill, generate, kept_mask, open_tab, paint, upload_picture

pytestmark = pytest.mark.browser


def test_a_model_is_found_looked_into_settled_and_used(visits: Visits, served: Served) -> None:
    models = served.outputs.parent / "models"
    write_model(models / "anime.safetensors", checkpoint())
    page = visits.open()
    open_tab(page, "Models")
    rows = page.locator("#models_list .list button")
    expect(rows.filter(has_text="anime")).to_contain_text("SD 1.x")
    expect(rows.filter(has_text="anime").locator(".facts")).not_to_contain_text("hash …")  # computed meanwhile
    write_model(models / "late.safetensors", checkpoint(2048))
    (models / "cut.safetensors").write_bytes(b"")
    page.locator("#models_list .refresh").click()
    expect(rows.filter(has_text="late")).to_contain_text("SDXL")
    expect(rows.last.locator(".problem")).to_have_text("The file is empty.")
    page.locator("#models_list .search").fill("ani")
    expect(rows).to_have_count(1)
    rows.first.click()
    expect(page.locator("#models_anatomy table.parts")).to_contain_text("Text encoder")
    expect(page.locator("#models_anatomy")).to_contain_text("512 × 512")
    fill(page, "models", steps=33, width=448)
    page.locator("#models_save").click()
    expect(page.locator("#models_told")).to_contain_text("Kept.")
    page.locator("#models_use").click()
    expect(page.locator("#form_model input")).to_have_value("anime")
    expect(field(page, "form_steps")).to_have_value("33")
    expect(field(page, "form_width")).to_have_value("448")
    until_kept(page, served, steps=33, width=448)  # nothing is told late, into the next test's form
    for name in ("anime", "late", "cut"):
        (models / f"{name}.safetensors").unlink()


def until_kept(page: Page, served: Served, **wanted: Any) -> None:
    """The page tells of changes by itself, a moment later."""
    newest = "SELECT fields FROM forms WHERE tab = 'txt2img' ORDER BY number DESC LIMIT 1"
    end = time.monotonic() + PATIENCE / 1000
    with closing(sqlite3.connect(served.data / "jobs.sqlite", timeout=20)) as database:
        while not wanted.items() <= json.loads((database.execute(newest).fetchone() or ["{}"])[0]).items():
            assert time.monotonic() < end, f"never kept: {wanted}"
            page.wait_for_timeout(100)


def test_a_form_outlives_a_reload_and_goes_back_step_by_step(visits: Visits, served: Served) -> None:
    page = visits.open()
    steps, prompt = field(page, "form_steps"), field(page, "form_prompt")
    fill(page, "txt2img", steps=20)  # what the page of the test before told late may be there
    until_kept(page, served, prompt="", steps=20)
    fill(page, "txt2img", prompt="a red star")
    until_kept(page, served, prompt="a red star")
    fill(page, "txt2img", steps=41)
    until_kept(page, served, prompt="a red star", steps=41)
    page.reload()
    expect(prompt).to_have_value("a red star")
    expect(steps).to_have_value("41")
    visits.settle()  # what the page keeps of its own accord when it opens is no step
    page.locator("#form_undo").click()
    expect(steps).to_have_value("20")
    expect(prompt).to_have_value("a red star")
    page.locator("#form_undo").click()
    expect(prompt).to_have_value("")
    fill(page, "txt2img", prompt="kept", guidance=9)
    page.locator("#form_reset").click()
    expect(field(page, "form_guidance")).to_have_value("3")
    expect(prompt).to_have_value("kept")


def test_a_stroke_while_zoomed_lands_where_it_was_drawn(visits: Visits, served: Served, tmp_path: Path) -> None:
    page = visits.open()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    canvas, view = page.locator("#form_painter canvas"), page.locator("#form_painter .view")
    expect(canvas).to_be_visible()
    level = page.locator("#form_painter .level")
    expect(level).to_have_text("100 %")
    page.locator("#form_painter .in").click()
    page.locator("#form_painter .in").click()
    expect(level).to_have_text("200 %")
    view.evaluate("one => { one.scrollLeft = one.scrollWidth; one.scrollTop = one.scrollHeight }")
    view.scroll_into_view_if_needed()
    whole, seen = canvas.bounding_box(), view.bounding_box()
    assert whole is not None
    assert seen is not None
    assert whole["width"] == pytest.approx(2 * seen["width"], rel=0.05)
    # a short stroke in the middle of what is seen: the lower right quarter of the picture
    x, y = seen["x"] + seen["width"] / 2, seen["y"] + seen["height"] / 2
    with page.expect_response(lambda answer: "/upload" in answer.url and answer.request.method == "POST"):
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 1, y)
        page.mouse.up()
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, 5000)
    page.keyboard.up("Control")
    expect(level).to_have_text("100 %")
    generate(page, "inpaint", steps=2, mask_blur=0)
    mask = kept_mask(served, max(served.pictures(), key=lambda path: path.stat().st_mtime_ns))
    box = mask.point(lambda level: 255 * (level > 127)).getbbox()
    assert box is not None
    # where the pointer was, in pixels of the picture (160 × 128)
    at = ((x - whole["x"]) / whole["width"] * 160, (y - whole["y"]) / whole["height"] * 128)
    assert ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) == pytest.approx(at, abs=1.5)
    # 36 pixels of the screen are half as many of the picture when it is shown twice as large
    assert box[3] - box[1] == pytest.approx(36 * 160 / whole["width"], abs=2)
    paint(page, (0.1, 0.1), (0.2, 0.1))
    generate(page, "inpaint")
    mask = kept_mask(served, max(served.pictures(), key=lambda path: path.stat().st_mtime_ns))
    assert mask.getpixel((24, 13)) == 255
