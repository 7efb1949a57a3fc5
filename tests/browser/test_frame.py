"""The frame of the page: nothing moves or is wiped, everything needed is in sight, and every picture has its verbs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from webui.archive import metadata

from .acts import caption, field, fill, generate, live, newest, open_tab, strip, unfold, upload_picture
from .conftest import Served, Visits

pytestmark = pytest.mark.browser

WATCH = """() => {
    window.seen = new Set();
    const look = () => {
        const box = (place) => Object.values(document.querySelector(place).getBoundingClientRect().toJSON());
        window.seen.add(JSON.stringify(["#bar", "#canvas .frame", "#left"].map(box)));
        window.looking = requestAnimationFrame(look);
    };
    look();
}"""


@contextmanager
def unmoved(page: Page) -> Iterator[None]:
    """In every frame that the browser draws meanwhile, bar, picture and form stand where they stood."""
    page.evaluate(WATCH)
    yield
    seen = page.evaluate("() => { cancelAnimationFrame(window.looking); return [...window.seen] }")
    assert len(seen) == 1, seen


CLIPBOARD = """async () => {
    const [one] = await navigator.clipboard.read();
    const isText = one.types.includes("text/plain");
    return [one.types[0], isText ? await navigator.clipboard.readText() : ""];
}"""


def until(page: Page, script: str, wanted: Any) -> None:
    """Ten seconds at most."""
    for _ in range(100):
        if page.evaluate(script) == wanted:
            return
        page.wait_for_timeout(100)
    assert page.evaluate(script) == wanted


def shown(page: Page) -> list[Any]:
    """What the canvas has: its picture, what is said of it, its strip."""
    pictures = page.locator("#canvas .stage img:visible").evaluate_all("all => all.map(one => one.src)")
    return [pictures, caption(page).text_content(), page.locator("#canvas .strip span").all_text_contents()]


def stage(page: Page) -> Any:
    return page.locator("#canvas .frame .stage")


def test_a_run_moves_nothing_and_its_preview_stands_where_the_result_will(visits: Visits, served: Served) -> None:
    """The very first one, too: there is no picture yet."""
    served.hold.write_text("0")
    page = visits.open()
    expect(page.locator("#canvas .empty .promise")).to_have_text("Your pictures appear here.")
    fill(page, prompt="a red star", steps=10, width=192, height=128, batch_size=1, batches=2, seed=60)
    visits.settle()
    with unmoved(page):
        page.locator("#form_generate").click()
        expect(live(page).locator(".line")).to_have_text("Step 5 of 10")
        expect(live(page).locator(".detail")).to_contain_text("image 1 of 2")
        expect(stage(page)).to_have_class(re.compile(r"\bcoming\b"))
        preview = page.locator("#canvas .stage img:visible")
        expect(preview).to_have_attribute("src", re.compile("^data:image/jpeg"))
        expect(page.locator("#canvas .empty")).to_be_hidden()
        assert page.locator("#form_live img:visible").count() == 0
        place = preview.bounding_box()
        served.hold.unlink()
        expect(live(page)).to_have_attribute("data-state", "done")
        expect(strip(page, "run").locator("span")).to_have_text(["60", "61", "grid"])
        expect(preview).to_have_attribute("src", re.compile("/image/"))
        assert preview.bounding_box() == place
        page.wait_for_timeout(300)


def test_cancelled_the_last_result_is_there_again(visits: Visits, served: Served) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=10, batch_size=1, seed=70)
    expect(page.locator("#canvas .stage img:visible")).to_have_attribute("src", re.compile("/image/"))
    before, saved = shown(page), len(served.pictures())
    served.hold.write_text("0")
    fill(page, batches=3)
    visits.settle()
    with unmoved(page):
        page.locator("#form_generate").click()
        expect(stage(page)).to_have_class(re.compile(r"\bcoming\b"))
        page.locator("#form_cancel").click()
        expect(live(page)).to_have_attribute("data-state", "cancelled")
        expect(live(page).locator(".line")).to_have_text("Cancelled: 0 of 3 saved")
        expect(stage(page)).not_to_have_class(re.compile(r"\bcoming\b"))
    visits.settle()
    assert shown(page) == before
    assert len(served.pictures()) == saved


def test_after_a_skip_it_is_the_second_of_two(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    fill(page, prompt="a red star", steps=10, batch_size=1, batches=2, seed=75)
    page.locator("#form_generate").click()
    expect(live(page).locator(".line")).to_have_text("Step 5 of 10")
    expect(live(page).locator(".detail")).to_contain_text("image 1 of 2")
    page.locator("#form_skip").click()
    expect(live(page).locator(".detail")).to_contain_text("image 2 of 2")
    served.hold.unlink()
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(strip(page, "run").locator("span")).to_have_text(["76"])


def test_on_a_phone_the_tabs_stand_right_below_the_head(visits: Visits) -> None:
    page = visits.open(viewport={"width": 420, "height": 860})
    head, tabs = (page.locator(place).bounding_box() for place in ("#head", "#frame > .tab-wrapper"))
    assert head is not None
    assert tabs is not None
    assert abs(head["y"] + head["height"] - tabs["y"]) < 2


def test_a_recent_picture_is_looked_at_in_mid_run(visits: Visits, served: Served) -> None:
    """The run's strip stays, and neither its previews nor its next picture take the person away."""
    page = visits.open()
    generate(page, steps=10, batch_size=1, seed=80)
    served.hold.write_text("1")  # the first of the three is made
    fill(page, seed=90, batches=3)
    page.locator("#form_generate").click()
    expect(strip(page, "run").locator("span")).to_have_text(["90"])
    expect(live(page).locator(".line")).to_have_text("Step 5 of 10")
    strip(page, "recent").filter(has_text="80").click()
    expect(stage(page)).not_to_have_class(re.compile(r"\bcoming\b"))
    expect(caption(page)).to_have_text(re.compile("^80 ·"))
    expect(strip(page, "run").locator("span")).to_have_text(["90"])
    served.hold.unlink()
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(strip(page, "run").locator("span")).to_have_text(["90", "91", "92", "grid"])
    expect(caption(page)).to_have_text(re.compile("^80 ·"))


def test_a_refused_wish_changes_only_the_message(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="kept", steps=3, batch_size=2, seed=100)
    strip(page, "run").nth(1).click()
    expect(page.locator("#canvas .stage img:visible")).to_have_attribute("alt", re.compile("^101 ·"))
    before = shown(page)
    fill(page, width=513)
    page.locator("#form_generate").click()
    fault = page.locator("#form_width .field-fault")
    expect(fault).to_be_visible()
    fault.evaluate("one => { one.dataset.old = '1' }")
    page.locator("#form_generate").click()  # once more, and refused in the same words
    expect(page.locator("#form_width .field-fault:not([data-old])")).to_be_visible()
    visits.settle()
    assert shown(page) == before
    fill(page, width=128)
    open_tab(page, "img2img")
    page.locator("#form_generate").click()
    fault = page.locator("#form_image .field-fault")
    expect(fault).to_be_visible()
    paper = {"name": "paper.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}
    page.locator("#form_image input[type=file]").set_input_files(paper)  # gradio would refuse it in English
    expect(fault).to_contain_text("paper.pdf is not a picture")
    expect(page.locator(".toast-body")).to_have_count(0)
    visits.settle()
    assert shown(page) == before


def test_all_that_is_needed_is_in_sight(visits: Visits) -> None:
    page = visits.open(viewport={"width": 1440, "height": 900})
    generate(page, prompt="a red star", steps=2, batch_size=1)
    places = ("prompt", "width", "height", "batch_size", "steps", "guidance", "seed", "generate", "cancel", "live")
    named = [f"#form_{name}" for name in places]
    for place in (*named, "#form_model", "#canvas .frame", "#canvas .strip", "#canvas .verbs", "#header .open-queue"):
        expect(page.locator(place)).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    bar, form = page.locator("#bar").bounding_box(), page.locator("#form").bounding_box()
    unfold(page)
    page.locator("#form_vae").scroll_into_view_if_needed()
    assert page.evaluate("document.querySelector('#form').scrollTop") > 0
    assert (page.locator("#bar").bounding_box(), page.locator("#form").bounding_box()) == (bar, form)


def test_typing_goes_on_while_pictures_come(visits: Visits) -> None:
    page = visits.open()
    unfold(page)
    fill(page, prompt="a red star", steps=40, batch_size=1, batches=99)  # over a minute, however slow the page is
    page.locator("#form_generate").click()
    expect(strip(page, "run").first).to_be_visible()
    box = field(page, "form_prompt")
    box.evaluate("""one => { one.closest('#form').scrollTop = 40;
        one.focus({ preventScroll: true }); one.setSelectionRange(5, 5) }""")
    came = strip(page, "run").count()
    for letter in " flag and a blue":
        page.keyboard.type(letter, delay=20)
    expect(strip(page, "run").nth(came + 1)).to_be_visible()  # two more at the least
    page.keyboard.type("!")
    expect(live(page)).to_have_attribute("data-state", "running")
    expect(box).to_be_focused()
    expect(box).to_have_value("a red flag and a blue! star")
    assert box.evaluate("one => [one.selectionStart, one.closest('#form').scrollTop]") == [22, 40]
    page.locator("#form_cancel").click()
    expect(live(page)).to_have_attribute("data-state", "cancelled")


def test_the_task_is_changed_without_the_program(visits: Visits, tmp_path: Any) -> None:
    page = visits.open()
    fill(page, prompt="a red star", steps=33, seed=7, guidance=4)
    open_tab(page, "img2img")
    upload_picture(page, "img2img", tmp_path)
    expect(page.locator("#form_image img")).to_be_visible()
    expect(field(page, "form_width")).to_have_value("160")  # the size follows it, and what depends on that is asked
    visits.settle(quiet=30)
    asked: list[str] = []
    looks = re.compile(r"/(queue|notices)/?(\?|$)")  # how many wait, and what is new, is asked for whatever is open
    page.on("request", lambda one: None if looks.search(one.url) else asked.append(one.url))
    for task, strength in (("Inpaint", True), ("txt2img", False), ("img2img", True)):
        open_tab(page, task)
        expect(page.locator("#form_strength")).to_be_visible(visible=strength)
        for name, value in {"prompt": "a red star", "steps": "33", "seed": "7", "guidance": "4"}.items():
            expect(field(page, f"form_{name}")).to_have_value(value)
    expect(page.locator("#form_image img")).to_be_visible()
    page.wait_for_timeout(300)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == []


def test_details_are_sent_to_where_they_are_set(visits: Visits) -> None:
    """What is folded in comes into view, though it was never opened before."""
    page = visits.open()
    generate(page, prompt="a red star", steps=4, batch_size=1, seed=71)
    expect(page.locator("#form_detail_boxes")).to_have_count(0)
    page.locator("#form_to_detail").click()
    expect(page.locator("#form_detail_boxes")).to_be_in_viewport()
    expect(live(page)).to_contain_text("Ready to refine details")
    expect(page.locator("#form_detail input[type=checkbox]")).to_be_checked()


def test_sizes_chosen_in_haste_come_to_rest(visits: Visits) -> None:
    """What depends on the size was asked for again and again, without end, once two changes of it met."""
    page = visits.open()
    shapes = page.locator("#form .shapes button")
    expect(shapes.nth(3)).to_be_visible()
    shapes.evaluate_all("all => [...all, ...all, ...all].forEach((one) => one.click())")
    field(page, "form_width").fill("192")
    field(page, "form_height").fill("128")
    visits.settle(quiet=20)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if one.method == "POST" else None)
    page.wait_for_timeout(1000)
    assert asked == []


def test_stars_and_a_deletion_that_is_undone(visits: Visits, served: Served) -> None:
    page = visits.open()
    generate(page, steps=2, batch_size=2, seed=110)
    file = newest(served).with_name(next(one.name for one in served.pictures() if "-110" in one.name))
    expect(caption(page)).to_have_text(re.compile("^110 ·"))
    page.locator("#canvas .verbs .five button").nth(2).click()
    expect(page.locator("#canvas .verbs .five button.on")).to_have_count(3)
    strip(page, "run").nth(1).click()
    expect(page.locator("#canvas .verbs .five button.on")).to_have_count(0)
    strip(page, "run").first.click()
    expect(page.locator("#canvas .verbs .five button.on")).to_have_count(3)

    page.locator("#form_delete").click()
    expect(page.locator("#canvas .told")).to_contain_text("Moved to the trash.")
    expect(caption(page)).to_have_text(re.compile("^111 ·"))
    expect(strip(page, "run").filter(has_text="110")).to_have_count(0)
    assert not file.exists()
    page.locator("#canvas .undo").click()
    expect(caption(page)).to_have_text(re.compile("^110 ·"))
    expect(page.locator("#canvas .strip button", has_text="110")).to_have_count(1)
    expect(page.locator("#canvas .verbs .five button.on")).to_have_count(3)
    assert file.exists()


def test_copied_compared_and_used_again(visits: Visits, served: Served) -> None:
    page = visits.open(permissions=["clipboard-read", "clipboard-write"])
    generate(page, prompt="a lamp", steps=2, batch_size=2, seed=120)
    strip(page, "run").nth(1).click()
    copy, told = page.locator("#canvas .verbs select"), page.locator("#canvas .told")
    copy.select_option("copy_seed")
    expect(told).to_have_text("Copied.")
    assert page.evaluate(CLIPBOARD) == ["text/plain", "121"]
    copy.select_option("copy_settings")
    path = next(one for one in served.pictures() if "-121" in one.name)
    until(page, CLIPBOARD, ["text/plain", metadata.read(path).text])
    copy.select_option("copy_picture")
    until(page, CLIPBOARD, ["image/png", ""])
    assert page.locator("#canvas a.verb").get_attribute("download") == path.name

    page.locator("#form_compare").click()
    pictures = page.locator("#canvas .stage.comparing img:visible")
    expect(pictures).to_have_count(2)
    expect(pictures.first).to_have_attribute("alt", re.compile("^120 ·"))
    expect(pictures.nth(1)).to_have_attribute("alt", re.compile("^121 ·"))
    cut = "one => getComputedStyle(one).clipPath"
    for key, clip in (("Home", r"inset\(0px 0px 0px 0%\)"), ("End", r"inset\(0px 0px 0px 100%\)")):
        page.locator("#canvas .split").press(key)
        assert re.fullmatch(clip, pictures.nth(1).evaluate(cut))

    fill(page, seed=5, prompt="another")
    page.locator("#form_reuse_seed").click()
    expect(field(page, "form_seed")).to_have_value("121")
    expect(field(page, "form_prompt")).to_have_value("another")
    fill(page, seed=5)
    page.locator("#form_reuse_all").click()
    expect(field(page, "form_seed")).to_have_value("121")  # the picture's own, not the run's first
    expect(field(page, "form_prompt")).to_have_value("a lamp")
    expect(field(page, "form_batch_size")).to_have_value("1")


def test_the_tabs_by_keyboard(visits: Visits) -> None:
    page = visits.open()
    tabs = page.locator("#frame [role=tab]")
    expect(tabs).to_have_count(9)
    tabs.first.focus()
    for key, name in (("ArrowRight", "img2img"), ("ArrowLeft", "txt2img"), ("ArrowLeft", "settings")):
        page.keyboard.press(key)
        expect(page.locator(f"#tab_{name}-button")).to_be_focused()
        expect(page.locator(f"#tab_{name}-button")).to_have_attribute("aria-selected", "true")
        expect(page.locator("#frame [role=tab][tabindex='0']")).to_have_count(1)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('[role=tablist]')") is None
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#tab_settings-button")).to_be_focused()


def test_settings_of_this_browser_hold_and_can_be_left_to_it_again(visits: Visits) -> None:
    page = visits.open(color_scheme="light")
    open_tab(page, "Settings")
    chosen = page.locator("#preferences")
    chosen.locator(".theme").select_option("dark")
    expect(page.locator("body")).to_have_class(re.compile(r"\bdark\b"))
    with page.expect_navigation():
        chosen.locator(".language").select_option("zh")
    open_tab(page, "设置")
    expect(chosen.locator(".theme")).to_have_value("dark")
    expect(chosen.locator(".language")).to_have_value("zh")
    with page.expect_navigation():
        chosen.locator(".language").select_option("")
    open_tab(page, "Settings")
    with page.expect_navigation():
        chosen.locator(".theme").select_option("")
    expect(chosen.locator(".theme")).to_have_value("")  # the tab is open still
    expect(page.locator("body")).not_to_have_class(re.compile(r"\bdark\b"))


def test_a_run_that_ends_while_nobody_looks_is_told_by_the_system(visits: Visits) -> None:
    page = visits.open(permissions=["notifications"])
    page.evaluate(
        """() => { window.told = []; window.Notification = class { static permission = "granted";
        static requestPermission = async () => "granted";
        constructor(title, { body }) { window.told.push(`${title}: ${body}`); } }; }"""
    )
    open_tab(page, "Settings")
    page.locator("#preferences .notify").check()
    open_tab(page, "txt2img")
    generate(page, prompt="a red star", steps=2, batch_size=1)
    assert page.evaluate("window.told") == []
    page.evaluate("Document.prototype.hasFocus = () => false")
    generate(page, prompt="a red star", steps=2, batch_size=1)
    assert len(page.evaluate("window.told")) == 1


def test_tab_comes_to_the_strip_once(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=2, batch_size=3, seed=20)
    cells = page.locator("#canvas .strip button.run")
    expect(cells).to_have_count(4)  # with the grid
    expect(page.locator("#canvas .strip button[tabindex='0']")).to_have_count(1)
    cells.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    expect(cells.nth(1)).to_have_attribute("tabindex", "0")


def test_a_prompt_that_the_program_was_not_told_of_stands_there_after_a_reload(visits: Visits) -> None:
    page = visits.open()
    page.route("**/gradio_api/run/**", lambda route: route.abort())  # as while the program is started again
    field(page, "form_prompt").fill("a long text that nobody kept")
    page.wait_for_timeout(300)
    page.unroute("**/gradio_api/run/**")
    page.reload()
    expect(field(page, "form_prompt")).to_have_value("a long text that nobody kept")
    visits.settle()
    other = visits.open()  # a page of its own: the text was kept by now
    expect(field(other, "form_prompt")).to_have_value("a long text that nobody kept")


def test_a_deleted_picture_does_not_come_back_with_a_reload(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=2, batch_size=2, seed=31)
    expect(strip(page, "run")).to_have_count(3)  # with the grid
    strip(page, "run").filter(has_text="32").click()
    page.locator("#form_delete").click()
    expect(strip(page, "run")).to_have_count(2)
    page.reload()
    expect(strip(page, "run")).to_have_count(2)
