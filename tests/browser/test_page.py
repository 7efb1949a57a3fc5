"""What a person does on the page, in a real browser, on the fake engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from webui.archive import metadata

from .conftest import Served, Visits

pytestmark = pytest.mark.browser


def live(page: Page, task: str = "txt2img") -> Locator:
    return page.locator(f"#{task}_live .live")


def field(page: Page, name: str) -> Locator:
    """The box of a field, whatever it is made of."""
    return page.locator(f"#{name} textarea, #{name} input[type=number]").first


def fill(page: Page, task: str, **values: Any) -> None:
    for name, value in values.items():
        field(page, f"{task}_{name}").fill(str(value))
        field(page, f"{task}_{name}").blur()


def generate(page: Page, task: str, **values: Any) -> None:
    """Fills in, clicks, waits until it is done."""
    fill(page, task, **values)
    live(page, task).evaluate("one => { one.dataset.state = 'asked' }")  # what the run before left there counts no more
    page.locator(f"#{task}_generate").click()
    expect(live(page, task)).to_have_attribute("data-state", "done")


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def upload_picture(page: Page, task: str, folder: Path) -> Path:
    path = folder / "start.png"
    picture = Image.new("RGB", (160, 128), "blue")
    picture.paste("yellow", (60, 40, 100, 90))
    picture.save(path)
    page.locator(f"#{task}_image input[type=file], #{task}_painter .picture-file").first.set_input_files(path)
    return path


def paint(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """One stroke with the mouse; places as shares of the canvas."""
    canvas = page.locator("#inpaint_painter canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    with page.expect_response(lambda answer: "/upload" in answer.url and answer.request.method == "POST"):
        page.mouse.move(x0, y0)
        page.mouse.down()
        page.mouse.move(x1, y1, steps=10)
        page.mouse.up()


def press(page: Page, name: str) -> None:
    """A painter's button that changes the mask."""
    with page.expect_response(lambda answer: "/upload" in answer.url and answer.request.method == "POST"):
        page.locator(f"#inpaint_painter button.{name}").click()


def kept_mask(served: Served, path: Path) -> Image.Image:
    """The mask that the picture at `path` was made with."""
    record = metadata.read(path).record
    assert record is not None
    mask = Image.open(served.outputs / "inputs" / f"{record.settings['inpaint']['mask']}.png")
    mask.load()
    return mask


def painted_share(mask: Image.Image) -> float:
    return sum(mask.histogram()[128:]) / (mask.width * mask.height)


def test_type_a_prompt_get_pictures(visits: Visits, served: Served) -> None:
    page = visits.open()
    before = len(served.pictures())
    generate(page, "txt2img", prompt="a red star", seed=40, batch_size=3, steps=5)
    labels = page.locator("#txt2img_pictures .thumbs button span")
    expect(labels).to_have_text(["40", "41", "42", "grid"])
    big = page.locator("#txt2img_pictures .stage img")
    expect(big).to_be_visible()
    assert page.evaluate("one => one.naturalWidth", big.element_handle()) == 128
    page.locator("#txt2img_pictures .thumbs button").nth(1).click()
    expect(page.locator("#txt2img_pictures .caption")).to_contain_text("41")
    expect(page.locator("#txt2img_recent button")).to_have_count(3)
    assert len(served.pictures()) == before + 3


def test_control_and_enter_generate(visits: Visits) -> None:
    page = visits.open()
    fill(page, "txt2img", steps=3, batch_size=1)
    field(page, "txt2img_prompt").fill("a blue fish")
    field(page, "txt2img_prompt").press("Control+Enter")
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(page.locator("#txt2img_pictures .caption")).to_contain_text("a blue fish")


def test_a_preview_and_progress_are_shown_then_cancel(visits: Visits, served: Served) -> None:
    page = visits.open()
    before = len(served.pictures())
    fill(page, "txt2img", steps=150, batch_size=1, batches=3)
    page.locator("#txt2img_generate").click()
    expect(live(page).locator(".line")).to_contain_text("of 150")
    expect(live(page).locator(".detail")).to_contain_text("image 1 of 3")
    expect(live(page).locator(".preview")).to_be_visible()
    page.locator("#txt2img_cancel").click()
    expect(live(page)).to_have_attribute("data-state", "cancelled")
    expect(live(page).locator(".line")).to_have_text("Cancelled: 0 of 3 saved")
    assert len(served.pictures()) == before


def test_skip_goes_on_with_the_next(visits: Visits, served: Served) -> None:
    page = visits.open()
    before = len(served.pictures())
    fill(page, "txt2img", steps=150, batch_size=1, batches=2, seed=900)
    page.locator("#txt2img_generate").click()
    expect(live(page).locator(".line")).to_contain_text("Step")
    page.locator("#txt2img_skip").click()
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(page.locator("#txt2img_pictures .caption")).to_contain_text("901")
    assert len(served.pictures()) == before + 1


@pytest.mark.fault(15)
def test_reload_in_the_middle_finds_the_run_again(visits: Visits) -> None:
    page = visits.open()
    fill(page, "txt2img", steps=150, batch_size=1, seed=77)
    page.locator("#txt2img_generate").click()
    expect(live(page).locator(".line")).to_contain_text("of 150")
    page.reload()
    expect(live(page).locator(".line")).to_contain_text("of 150")
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(page.locator("#txt2img_pictures .caption")).to_contain_text("77")


@pytest.mark.fault(15)
def test_a_closed_page_loses_nothing(visits: Visits) -> None:
    page = visits.open()
    fill(page, "txt2img", steps=40, batch_size=1, seed=78)
    page.locator("#txt2img_generate").click()
    expect(live(page)).to_have_attribute("data-state", "running")
    context = page.context
    page.close()
    page = visits.tab(context.new_page())
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(page.locator("#txt2img_pictures .caption")).to_contain_text("78")


@pytest.mark.fault(16)
def test_two_tabs_wait_for_each_other(visits: Visits) -> None:
    first, second = visits.open(), visits.open()
    fill(first, "txt2img", steps=150, batch_size=1, seed=1)
    fill(second, "txt2img", steps=5, batch_size=1, seed=2)
    first.locator("#txt2img_generate").click()
    expect(live(first)).to_have_attribute("data-state", "running")
    second.locator("#txt2img_generate").click()
    expect(live(second).locator(".detail")).to_contain_text("1 more waiting")  # the run that goes on is shown to both
    for page, seed in ((first, "1"), (second, "2")):
        expect(live(page)).to_have_attribute("data-state", "done")
        expect(page.locator("#txt2img_pictures .caption")).to_have_text(re.compile(rf"^{seed} ·"))


def test_two_runs_from_one_tab_come_one_after_the_other(visits: Visits) -> None:
    page = visits.open()
    fill(page, "txt2img", steps=150, batch_size=1, seed=5)
    page.locator("#txt2img_generate").click()
    expect(live(page)).to_have_attribute("data-state", "running")
    fill(page, "txt2img", seed=6)
    page.locator("#txt2img_generate").click()
    expect(live(page).locator(".detail")).to_contain_text("1 more waiting")
    expect(page.locator("#txt2img_pictures .caption")).to_have_text(re.compile(r"^6 ·"))
    expect(live(page)).to_have_attribute("data-state", "done")


def test_a_fault_stands_beside_its_field_and_goes(visits: Visits) -> None:
    page = visits.open()
    fill(page, "txt2img", prompt="kept", width=513, steps=3, batch_size=1)
    page.locator("#txt2img_generate").click()
    expect(page.locator("#txt2img_width")).to_contain_text("must be a multiple of 8, got 513")
    expect(page.locator("#txt2img_width")).to_be_in_viewport()
    expect(field(page, "txt2img_prompt")).to_have_value("kept")
    expect(field(page, "txt2img_width")).to_have_value("513")
    generate(page, "txt2img", width=128)
    expect(page.locator("#txt2img_width")).not_to_contain_text("must be")


def test_img2img(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    open_tab(page, "img2img")
    page.locator("#img2img_generate").click()
    expect(page.locator("#img2img_source_error")).to_contain_text("Choose a picture to start from.")
    upload_picture(page, "img2img", tmp_path)
    expect(page.locator("#img2img_image img")).to_be_visible()
    expect(page.locator("#img2img_steps_run")).to_have_text("15 of 20 steps really run.")
    fill(page, "img2img", steps=8, strength=0.5)
    expect(page.locator("#img2img_steps_run")).to_have_text("4 of 8 steps really run.")
    generate(page, "img2img", seed=3)
    expect(page.locator("#img2img_pictures .caption")).to_contain_text("3 · 128 × 128")
    expect(page.locator("#img2img_source_error")).to_have_count(0)


def test_inpaint_with_the_mouse(visits: Visits, served: Served, tmp_path: Path) -> None:
    page = visits.open()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    expect(page.locator("#inpaint_painter canvas")).to_be_visible()
    page.locator("#inpaint_generate").click()
    expect(page.locator("#inpaint_source_error")).to_contain_text("the mask is empty")
    paint(page, (0.2, 0.5), (0.8, 0.5))
    generate(page, "inpaint", steps=4)
    mask = kept_mask(served, max(served.pictures(), key=lambda path: path.stat().st_mtime_ns))
    assert mask.size == (160, 128)
    assert mask.getpixel((80, 64)) == 255
    assert mask.getpixel((80, 10)) == 0
    assert mask.getpixel((80, 118)) == 0


def test_a_picture_given_before_the_painter_is_ready_is_taken(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    held: list[Route] = []
    slow = True
    page.route("**/painter/painter.js", lambda route: held.append(route) if slow else route.continue_())
    with page.expect_request("**/painter/painter.js"):
        open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    assert held
    slow = False
    for one in held:
        one.continue_()
    expect(page.locator("#inpaint_painter canvas")).to_be_visible()


def test_the_painters_tools(visits: Visits, served: Served, tmp_path: Path) -> None:
    page = visits.open()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    fill(page, "inpaint", steps=2)
    shares = []

    def share() -> float:
        generate(page, "inpaint")
        newest = max(served.pictures(), key=lambda path: path.stat().st_mtime_ns)
        return painted_share(kept_mask(served, newest))

    paint(page, (0.2, 0.3), (0.8, 0.3))
    shares.append(one := share())
    paint(page, (0.2, 0.7), (0.8, 0.7))
    two = share()
    assert one < two
    press(page, "undo")
    assert share() == pytest.approx(one)
    press(page, "invert")
    assert share() == pytest.approx(1 - one, abs=0.03)
    press(page, "invert")
    page.locator("#inpaint_painter button.erase").click()
    paint(page, (0.2, 0.3), (0.5, 0.3))
    assert 0 < share() < one
    file = tmp_path / "mask.png"
    upload = Image.new("L", (80, 64), 0)
    upload.paste(255, (0, 0, 40, 64))
    upload.save(file)
    with page.expect_response(lambda answer: "/upload" in answer.url and answer.request.method == "POST"):
        page.locator("#inpaint_painter .mask-file").set_input_files(file)
    assert share() == pytest.approx(0.5, abs=0.02)
    press(page, "clear")
    page.locator("#inpaint_generate").click()
    expect(page.locator("#inpaint_source_error")).to_contain_text("the mask is empty")


def test_from_picture_to_inpaint_to_make_again(visits: Visits) -> None:
    page = visits.open()
    generate(page, "txt2img", prompt="a green house", seed=12, steps=4, batch_size=2)
    page.locator("#txt2img_pictures .thumbs button").nth(1).click()
    page.locator("#txt2img_to_inpaint").click()
    expect(field(page, "inpaint_prompt")).to_have_value("a green house")
    expect(page.locator("#inpaint_painter canvas")).to_be_visible()
    paint(page, (0.3, 0.3), (0.6, 0.6))
    generate(page, "inpaint", seed=13)
    page.locator("#inpaint_to_again").click()
    expect(page.locator("#again_settings")).to_contain_text("a green house")
    expect(page.locator("#again_settings")).to_contain_text("13")
    page.locator("#again_make").click()
    expect(page.locator("#again_report b")).to_have_text("identical")
    page.locator("#again_send").click()
    expect(page.locator("#inpaint_painter canvas")).to_be_visible()
    expect(field(page, "inpaint_seed")).to_have_value("13")


def test_a_dropped_file_is_made_again_and_sent_to_its_tab(visits: Visits, served: Served) -> None:
    page = visits.open()
    generate(page, "txt2img", prompt="a purple fish", seed=21, steps=6, batch_size=2)
    (path,) = (one for one in served.pictures() if "-22_" in one.name)
    open_tab(page, "Make again")
    page.locator("#again_image input[type=file]").set_input_files(path)
    expect(page.locator("#again_settings")).to_contain_text("a purple fish")
    page.locator("#again_make").click()
    expect(page.locator("#again_report b")).to_have_text("identical")
    page.locator("#again_send").click()
    expect(page.locator("#txt2img_generate")).to_be_visible()
    expect(field(page, "txt2img_prompt")).to_have_value("a purple fish")
    expect(field(page, "txt2img_seed")).to_have_value("21")
    open_tab(page, "Make again")
    page.locator("#again_recent button").first.click()
    expect(page.locator("#again_report b")).to_have_count(0)


@pytest.mark.parametrize("elsewhere", ["Make again", "History"])
def test_a_late_answer_does_not_take_a_person_away(visits: Visits, elsewhere: str) -> None:
    """Sent to Inpaint, but the server is slow and the person has opened another tab: the picture still arrives."""
    page = visits.open()
    generate(page, "txt2img", prompt="a slow snail", seed=31, steps=2, batch_size=1)
    page.evaluate("""() => { const arrive = window.seedprintArrive;
        window.seedprintArrive = to => { document.body.dataset.arrived = to; return arrive(to); }; }""")
    held: list[Route] = []
    slow = True
    page.route("**/gradio_api/**", lambda route: held.append(route) if slow else route.continue_())
    with page.expect_request("**/gradio_api/**"):
        page.locator("#txt2img_to_inpaint").click()
    open_tab(page, elsewhere)
    slow = False
    for one in held:
        one.continue_()
    expect(page.locator("body")).to_have_attribute("data-arrived", "inpaint")
    expect(page.get_by_role("tab", name=elsewhere)).to_have_attribute("aria-selected", "true")
    open_tab(page, "Inpaint")
    expect(field(page, "inpaint_prompt")).to_have_value("a slow snail")
    expect(page.locator("#inpaint_painter canvas")).to_be_visible()


def test_a_preset_fills_the_form(visits: Visits) -> None:
    page = visits.open()
    field(page, "txt2img_prompt").fill("a red star")
    page.locator("#txt2img_preset input").click()
    page.get_by_role("option", name="Built-in model · Pixel art", exact=True).click()
    expect(field(page, "txt2img_prompt")).to_have_value("a red star, pixel art")
    expect(field(page, "txt2img_steps")).to_have_value("24")


def test_only_schedules_that_work_are_offered(visits: Visits) -> None:
    page = visits.open()
    page.locator("#txt2img_sampler input").click()
    page.get_by_role("option", name="PLMS").click()
    expect(page.locator("#txt2img_schedule input")).to_be_disabled()
    page.locator("#txt2img_sampler input").click()
    page.get_by_role("option", name="Euler", exact=True).click()
    page.locator("#txt2img_schedule input").click()
    expect(page.locator("#txt2img_schedule").get_by_role("option")).to_have_count(5)


@pytest.mark.parametrize("locale", ["zh-CN", "zh-TW", "zh", "zh-Hans-CN"])
def test_every_chinese_browser_gets_chinese(visits: Visits, locale: str) -> None:
    page = visits.open(locale=locale)
    expect(page.locator("#txt2img_generate")).to_have_text("生成")
    expect(page.locator("#txt2img_prompt")).to_contain_text("提示词")
    expect(page.locator("#txt2img_recent")).to_be_visible()
    fill(page, "txt2img", width=513)
    page.locator("#txt2img_generate").click()
    expect(page.locator("#txt2img_width")).to_contain_text("必须是 8 的倍数")


def test_language_and_theme_can_be_chosen_and_stay(visits: Visits) -> None:
    page = visits.open(color_scheme="light")
    page.locator("#header .language").click()
    expect(page.locator("#txt2img_generate")).to_have_text("生成")
    page.locator("#header .theme").click()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    page.reload()
    expect(page.locator("#txt2img_generate")).to_have_text("生成")
    expect(page.locator("body")).to_have_class(re.compile("dark"))


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_small_screen_has_one_column_and_no_sideways_scrolling(visits: Visits, locale: str) -> None:
    page = visits.open(locale=locale, viewport={"width": 420, "height": 860})
    generate(page, "txt2img", steps=2, batch_size=1)
    tabs, menu = page.get_by_role("tab"), page.locator(".overflow-menu")
    beside = tabs.count()  # the others are behind the three dots
    for place in range(6):
        if place < beside:
            tabs.nth(place).click()
        else:
            menu.locator("> button").click()
            menu.locator(".overflow-dropdown button").last.click()
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
