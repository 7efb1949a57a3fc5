"""The Models tab and the form that is kept, in a real browser."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.models.files import checkpoint, write_model

from .acts import field, fill, open_tab
from .conftest import PATIENCE, Served, Visits

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
    newest = "SELECT fields FROM forms WHERE tab = 'form' ORDER BY number DESC LIMIT 1"
    end = time.monotonic() + PATIENCE / 1000
    with closing(sqlite3.connect(served.data / "jobs.sqlite", timeout=20)) as database:
        while not wanted.items() <= json.loads((database.execute(newest).fetchone() or ["{}"])[0]).items():
            assert time.monotonic() < end, f"never kept: {wanted}"
            page.wait_for_timeout(100)


def test_a_form_outlives_a_reload_and_goes_back_step_by_step(visits: Visits, served: Served) -> None:
    page = visits.open()
    steps, prompt = field(page, "form_steps"), field(page, "form_prompt")
    fill(page, steps=20)  # what the page of the test before told late may be there
    until_kept(page, served, prompt="", steps=20)
    fill(page, prompt="a red star")
    until_kept(page, served, prompt="a red star")
    fill(page, steps=41)
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
    fill(page, prompt="kept", guidance=9)
    page.locator("#form_reset").click()
    expect(field(page, "form_guidance")).to_have_value("3")
    expect(prompt).to_have_value("kept")
