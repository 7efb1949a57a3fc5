"""A file dropped or pasted anywhere on the page, from whatever program it comes, and pasted texts of settings."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from tests.browser.acts import field, fill, generate, live, open_tab
from tests.browser.conftest import Visits

pytestmark = pytest.mark.browser

FOREIGN = (
    "a lighthouse <lora:seaside:0.8>\nNegative prompt: fog\n"
    "Steps: 9, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 256x192, Model: lighthouse-v3, "
    "FaceFixer model: face_yolo"
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


PASTE = """([data, text]) => {
    const given = new DataTransfer();
    if (text) given.setData("text/plain", text);
    const bytes = Uint8Array.from(atob(data), one => one.charCodeAt(0));
    if (data) given.items.add(new File([bytes], "p.png", {type: "image/png"}));
    const how = {clipboardData: given, bubbles: true, cancelable: true};
    return !document.activeElement.dispatchEvent(new ClipboardEvent("paste", how));
}"""


def paste(page: Page, text: str = "", path: Path | None = None) -> bool:
    """Where the focus is. Whether the page took it, so that the browser does not."""
    data = "" if path is None else base64.b64encode(path.read_bytes()).decode()
    return bool(page.evaluate(PASTE, [data, text]))


def choose(page: Page, way: str) -> None:
    page.locator(f"#drop_anywhere dialog button[value={way}]").click()


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    texts = PngInfo()
    texts.add_text("parameters", FOREIGN)
    Image.new("RGB", (256, 192), "teal").save(tmp_path / "other.png", pnginfo=texts)
    return tmp_path / "other.png"


def test_a_picture_of_another_program_shows_its_settings_and_goes_to_its_tab(visits: Visits, foreign: Path) -> None:
    page = visits.open()
    drop(page, foreign)
    choose(page, "again")
    expect(page.get_by_role("tab", name="Make again")).to_have_attribute("aria-selected", "true")
    settings = page.locator("#again_settings")
    expect(settings).to_contain_text("a lighthouse")
    for named in ("model lighthouse-v3", "LoRA seaside", "FaceFixer model: face_yolo"):
        expect(settings).to_contain_text(named)
    page.locator("#again_send").click()
    expect(page.locator("#form_generate")).to_be_visible()
    expect(page.locator("#form_prompt textarea")).to_have_value(re.compile("a lighthouse"))
    expect(page.locator("#form_steps input[type=number]")).to_have_value("9")


def test_dropped_from_any_tab_and_a_second_one_takes_its_place(visits: Visits, foreign: Path, tmp_path: Path) -> None:
    page = visits.open()
    drop(page, foreign)
    choose(page, "again")
    expect(page.locator("#again_settings")).to_contain_text("a lighthouse")
    page.get_by_role("tab", name="History").click()
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    drop(page, tmp_path / "plain.png", "#history_view")
    choose(page, "again")
    expect(page.locator("#again_settings")).to_contain_text("does not hold settings")
    expect(page.get_by_role("tab", name="Make again")).to_have_attribute("aria-selected", "true")


def test_a_file_dropped_before_the_page_is_ready_does_not_take_it_away(visits: Visits, foreign: Path) -> None:
    page = visits.open()
    data = base64.b64encode(foreign.read_bytes()).decode()
    page.evaluate("document.querySelector('#drop_anywhere').remove()")  # nothing listens
    for event in ("dragover", "drop"):
        assert page.evaluate(
            """([event, data]) => { const found = new DataTransfer();
            found.items.add(new File([data], "p.png", {type: "image/png"}));
            return !document.body.dispatchEvent(
                new DragEvent(event, {dataTransfer: found, bubbles: true, cancelable: true})); }""",
            [event, data],
        )


def test_a_place_that_takes_files_itself_keeps_them(visits: Visits, foreign: Path) -> None:
    page = visits.open()
    page.get_by_role("tab", name="Inpaint").click()
    expect(page.locator("#form_painter")).to_contain_text("Drop a picture here")  # its script is there
    drop(page, foreign, "#form_painter .painter")
    expect(page.locator("#form_painter canvas")).to_be_visible()
    expect(page.get_by_role("tab", name="Inpaint")).to_have_attribute("aria-selected", "true")


def test_a_pasted_text_of_settings_is_read_and_taken_back(visits: Visits) -> None:
    page = visits.open()
    fill(page, prompt="mine", steps=5, seed=3)
    box = field(page, "form_prompt")
    box.focus()
    assert paste(page, FOREIGN)
    expect(box).to_have_value(re.compile("^a lighthouse"))
    expect(field(page, "form_negative_prompt")).to_have_value("fog")
    for name, value in {"steps": "9", "seed": "77", "width": "256", "height": "192"}.items():
        expect(field(page, f"form_{name}")).to_have_value(value)
    expect(live(page)).to_contain_text("lighthouse-v3")  # which is not here
    told = page.locator("#drop_anywhere .told")
    expect(told).to_contain_text("The pasted text's settings are in the form.")
    told.locator(".undo").click()
    expect(box).to_have_value("mine")
    for name, value in {"negative_prompt": "", "steps": "5", "seed": "3"}.items():
        expect(field(page, f"form_{name}")).to_have_value(value)
    expect(told).to_be_hidden()


def test_other_texts_are_pasted_as_they_are(visits: Visits) -> None:
    page = visits.open(permissions=["clipboard-read", "clipboard-write"])
    box = field(page, "form_prompt")
    page.evaluate("navigator.clipboard.writeText('Steps: I count them, one by one')")
    box.focus()
    page.keyboard.press("Control+v")
    expect(box).to_have_value("Steps: I count them, one by one")


def test_a_pasted_picture_asks_what_it_is_for(visits: Visits, foreign: Path) -> None:
    """By keyboard alone."""
    page = visits.open()
    page.locator("#form_generate").focus()
    assert paste(page, path=foreign)
    dialog = page.locator("#drop_anywhere dialog")
    expect(dialog.get_by_role("button")).to_have_text(
        [
            "Use its settings",
            "Start from it (img2img)",
            "Paint a mask on it (Inpaint)",
            "See its settings, make it again",
            "Cancel",
        ]
    )
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#form_generate")).to_be_focused()

    assert paste(page, path=foreign)
    page.keyboard.press("Enter")  # the first
    expect(field(page, "form_prompt")).to_have_value(re.compile("^a lighthouse"))
    expect(field(page, "form_seed")).to_have_value("77")
    for way, tab, picture in (
        ("img2img", "img2img", "#form_image img"),
        ("inpaint", "Inpaint", "#form_painter canvas"),
    ):
        page.evaluate("document.activeElement.blur()")
        assert paste(page, path=foreign)
        choose(page, way)
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        expect(page.locator(picture).first).to_be_visible()


def test_words_copied_with_their_picture_are_words_where_one_writes(visits: Visits, foreign: Path) -> None:
    page = visits.open()
    field(page, "form_prompt").focus()
    assert not paste(page, "a bird", foreign)
    expect(page.locator("#drop_anywhere dialog")).to_be_hidden()


def test_what_was_told_of_a_pasted_text_goes_with_the_next_run(visits: Visits) -> None:
    page = visits.open()
    field(page, "form_prompt").focus()
    assert paste(page, FOREIGN)
    told = page.locator("#drop_anywhere .told")
    expect(told).to_contain_text("The pasted text's settings are in the form.")
    generate(page, prompt="a cat", steps=2, width=64, height=64)
    expect(told).to_be_hidden()


def test_a_damaged_picture_starts_nothing(visits: Visits, foreign: Path, tmp_path: Path) -> None:
    whole = foreign.read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    page = visits.open()
    drop(page, tmp_path / "cut.png")
    choose(page, "img2img")
    expect(page.locator("#drop_anywhere .told")).to_contain_text("damaged")
    expect(page.get_by_role("tab", name="txt2img")).to_have_attribute("aria-selected", "true")


def test_of_several_pictures_and_one_those_given_last_count(visits: Visits, tmp_path: Path) -> None:
    files = []
    for colour in ("teal", "navy", "olive"):
        files.append(tmp_path / f"{colour}.png")
        Image.new("RGB", (64, 64), colour).save(files[-1])
    page = visits.open()
    open_tab(page, "img2img")
    page.locator("#form_many_fold > .label-wrap").click()
    several = page.locator("#form_many_pictures")
    several.locator("input[type=file]").set_input_files(files[:2])
    expect(several).to_contain_text("navy")
    page.locator("#form_image input[type=file]").set_input_files(files[2])
    expect(page.locator("#form_image img")).to_be_visible()
    expect(several).not_to_contain_text("navy")
