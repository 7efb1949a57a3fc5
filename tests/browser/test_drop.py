"""A file dropped anywhere on the page, from whatever program it comes."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visits

pytestmark = pytest.mark.browser

FOREIGN = (
    "a lighthouse <lora:seaside:0.8>\nNegative prompt: fog\n"
    "Steps: 9, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 256x192, Model: lighthouse-v3, "
    "ADetailer model: face_yolo"
)


def drop(page: Page, path: Path, onto: str = "body") -> None:
    """What the browser sends when a person lets go of a file over an element."""
    data = base64.b64encode(path.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([data, name]) => { const bytes = Uint8Array.from(atob(data), one => one.charCodeAt(0));
        const found = new DataTransfer(); found.items.add(new File([bytes], name, {type: 'image/png'}));
        return found; }""",
        [data, path.name],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(onto, event, {"dataTransfer": transfer})


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    texts = PngInfo()
    texts.add_text("parameters", FOREIGN)
    Image.new("RGB", (256, 192), "teal").save(tmp_path / "other.png", pnginfo=texts)
    return tmp_path / "other.png"


def test_a_picture_of_another_program_shows_its_settings_and_goes_to_its_tab(visits: Visits, foreign: Path) -> None:
    page = visits.open()
    drop(page, foreign)
    expect(page.get_by_role("tab", name="Make again")).to_have_attribute("aria-selected", "true")
    settings = page.locator("#again_settings")
    expect(settings).to_contain_text("a lighthouse")
    for named in ("model lighthouse-v3", "LoRA seaside", "ADetailer model: face_yolo"):
        expect(settings).to_contain_text(named)
    page.locator("#again_send").click()
    expect(page.locator("#form_generate")).to_be_visible()
    expect(page.locator("#form_prompt textarea")).to_have_value(re.compile("a lighthouse"))
    expect(page.locator("#form_steps input[type=number]")).to_have_value("9")


def test_dropped_from_any_tab_and_a_second_one_takes_its_place(visits: Visits, foreign: Path, tmp_path: Path) -> None:
    page = visits.open()
    drop(page, foreign)
    expect(page.locator("#again_settings")).to_contain_text("a lighthouse")
    page.get_by_role("tab", name="History").click()
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    drop(page, tmp_path / "plain.png", "#history_view")
    expect(page.locator("#again_settings")).to_contain_text("does not hold settings")
    expect(page.get_by_role("tab", name="Make again")).to_have_attribute("aria-selected", "true")


def test_a_place_that_takes_files_itself_keeps_them(visits: Visits, foreign: Path) -> None:
    page = visits.open()
    page.get_by_role("tab", name="Inpaint").click()
    expect(page.locator("#form_painter")).to_contain_text("Drop a picture here")  # its script is there
    drop(page, foreign, "#form_painter .painter")
    expect(page.locator("#form_painter canvas")).to_be_visible()
    expect(page.get_by_role("tab", name="Inpaint")).to_have_attribute("aria-selected", "true")
