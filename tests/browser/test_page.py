"""What a person does on the page, in a real browser, on the fake engine: runs, and what is wrong with a form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from webui.archive import metadata
from webui.words import WORDS

from .acts import caption, field, fill, generate, live, open_tab, strip, unfold, upload_picture
from .conftest import Served, Visits

pytestmark = pytest.mark.browser
TASKS = ("txt2img", "img2img", "inpaint")
TABS = (*TASKS, "again", "history", "lab", "process", "models", "settings")


def test_type_a_prompt_get_pictures(visits: Visits, served: Served) -> None:
    page = visits.open()
    before = len(served.pictures())
    generate(page, prompt="a red star", seed=40, batch_size=3, steps=5)
    expect(strip(page, "run").locator("span")).to_have_text(["40", "41", "42", "grid"])
    big = page.locator("#canvas .frame .stage img").first
    expect(big).to_be_visible()
    expect(big).to_have_js_property("naturalWidth", 128)  # once it is loaded
    strip(page, "run").nth(1).click()
    expect(caption(page)).to_have_text(re.compile("^41 ·"))
    assert len(served.pictures()) == before + 3
    generate(page, seed=50, batch_size=1)
    expect(strip(page, "run").locator("span")).to_have_text(["50"])
    recent = strip(page, "recent").locator("span")
    for place, seed in enumerate(("42", "41", "40")):  # before those of a try that failed
        expect(recent.nth(place)).to_have_text(seed)


def test_control_and_enter_generate(visits: Visits) -> None:
    page = visits.open()
    fill(page, steps=3, batch_size=1)
    field(page, "form_prompt").fill("a blue fish")
    field(page, "form_prompt").press("Control+Enter")
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(caption(page)).to_contain_text("a blue fish")


def test_skip_goes_on_with_the_next(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    before = len(served.pictures())
    fill(page, steps=10, batch_size=1, batches=2, seed=900)
    page.locator("#form_generate").click()
    expect(live(page).locator(".line")).to_have_text("Step 5 of 10")
    visits.settle()
    with page.expect_response(lambda answer: "/run/" in answer.url):
        page.locator("#form_skip").click()
    served.hold.unlink()
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(caption(page)).to_have_text(re.compile("^901 ·"))
    assert len(served.pictures()) == before + 1


def test_keep_ends_the_batch_and_saves_its_picture(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    before = {*served.pictures()}
    fill(page, steps=10, batch_size=1, batches=2, seed=950)
    page.locator("#form_generate").click()
    expect(live(page).locator(".line")).to_have_text("Step 5 of 10")
    visits.settle()
    with page.expect_response(lambda answer: "/run/" in answer.url):
        page.locator("#form_keep").click()
    expect(caption(page)).to_have_text(re.compile("^950 ·"))
    served.hold.unlink()
    expect(live(page)).to_have_attribute("data-state", "done")
    made = [metadata.read(path).record for path in {*served.pictures()} - before]
    assert sorted(one.settings["stop_after"] for one in made if one is not None) == [0, 5]


@pytest.mark.fault(15)
def test_reload_in_the_middle_finds_the_run_again(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    fill(page, steps=10, batch_size=1, seed=77)
    page.locator("#form_generate").click()
    expect(live(page).locator(".line")).to_have_text("Step 5 of 10")
    page.route(
        "**/canvas/canvas.js", lambda route: (page.wait_for_timeout(1500), route.continue_())
    )  # there last of all
    page.reload()
    expect(live(page).locator(".line")).to_have_text("Step 5 of 10")
    expect(page.locator("#canvas .stage.coming")).to_be_visible()
    served.hold.unlink()
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(caption(page)).to_have_text(re.compile("^77 ·"))


@pytest.mark.fault(15)
def test_a_closed_page_loses_nothing(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    fill(page, steps=4, batch_size=1, seed=78)
    page.locator("#form_generate").click()
    expect(live(page)).to_have_attribute("data-state", "running")
    context = page.context
    page.close()
    served.hold.unlink()
    page = visits.tab(context.new_page())
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(caption(page)).to_have_text(re.compile("^78 ·"))


@pytest.mark.fault(16)
def test_two_tabs_wait_for_each_other(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    first, second = visits.open(), visits.open()
    fill(first, steps=5, batch_size=1, seed=1)
    fill(second, steps=5, batch_size=1, seed=2)
    first.locator("#form_generate").click()
    expect(live(first)).to_have_attribute("data-state", "running")
    second.locator("#form_generate").click()
    expect(live(second).locator(".detail")).to_contain_text("1 more waiting")  # the run that goes on is shown to both
    served.hold.unlink()
    for page, seed in ((first, "1"), (second, "2")):
        expect(live(page)).to_have_attribute("data-state", "done")
        expect(caption(page)).to_have_text(re.compile(rf"^{seed} ·"))


def test_two_runs_from_one_tab_come_one_after_the_other(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    fill(page, steps=5, batch_size=1, seed=5)
    page.locator("#form_generate").click()
    expect(live(page)).to_have_attribute("data-state", "running")
    fill(page, seed=6)
    page.locator("#form_generate").click()
    expect(live(page).locator(".detail")).to_contain_text("1 more waiting")
    served.hold.unlink()
    expect(caption(page)).to_have_text(re.compile(r"^6 ·"))
    expect(live(page)).to_have_attribute("data-state", "done")


def test_a_fault_stands_beside_its_field_and_goes(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="kept", steps=3, batch_size=1)
    fill(page, width=513)
    page.locator("#form_generate").click()
    fault = page.locator("#form_width .field-fault")
    expect(fault).to_have_text("Width must be a multiple of 8, got 513.")
    expect(fault).to_be_in_viewport()
    expect(live(page).locator(".line")).to_be_empty()  # what was said of the run before is said no more
    expect(field(page, "form_prompt")).to_have_value("kept")
    expect(field(page, "form_width")).to_have_value("513")
    generate(page, width=128)
    expect(fault).to_have_count(0)


def test_img2img(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    expect(page.locator("#form_strength")).to_be_hidden()
    open_tab(page, "img2img")
    page.locator("#form_generate").click()
    fault = page.locator("#form_image .field-fault")
    expect(fault).to_have_text("Choose a picture to start from.")
    upload_picture(page, "img2img", tmp_path)
    expect(page.locator("#form_image img")).to_be_visible()
    expect(page.locator("#form_steps_run")).to_have_text("15 of 20 steps really run.")
    fill(page, steps=8, strength=0.5)
    expect(page.locator("#form_steps_run")).to_have_text("4 of 8 steps really run.")
    generate(page, seed=3)
    expect(caption(page)).to_contain_text("3 · 160 × 128")
    expect(fault).to_have_count(0)


def test_a_dropped_file_is_made_again_and_sent_to_its_tab(visits: Visits, served: Served) -> None:
    page = visits.open()
    generate(page, prompt="a purple fish", seed=21, steps=6, batch_size=2)
    (path,) = (one for one in served.pictures() if "-22_" in one.name)
    open_tab(page, "Make again")
    page.locator("#again_image input[type=file]").set_input_files(path)
    expect(page.locator("#again_settings")).to_contain_text("a purple fish")
    page.locator("#again_make").click()
    expect(page.locator("#again_report b")).to_have_text("identical")
    page.locator("#again_send").click()
    expect(page.locator("#form_generate")).to_be_visible()
    expect(field(page, "form_prompt")).to_have_value("a purple fish")
    expect(field(page, "form_seed")).to_have_value("22")  # this picture's own, not the run's
    open_tab(page, "Make again")
    page.locator("#again_recent button").first.click()
    expect(page.locator("#again_report b")).to_have_count(0)


@pytest.mark.parametrize("elsewhere", ["Make again", "History"])
def test_a_late_answer_does_not_take_a_person_away(visits: Visits, elsewhere: str) -> None:
    """Sent to Inpaint, but the server is slow and the person has opened another tab: the picture still arrives."""
    page = visits.open()
    generate(page, prompt="a slow snail", seed=31, steps=2, batch_size=1)
    field(page, "form_prompt").fill("")
    visits.settle()
    page.evaluate("""() => { const arrive = window.seedprintArrive;
        window.seedprintArrive = to => { document.body.dataset.arrived = to; return arrive(to); }; }""")
    held: list[Route] = []
    slow = True
    page.route("**/gradio_api/**", lambda route: held.append(route) if slow else route.continue_())
    with page.expect_request("**/gradio_api/**"):
        page.locator("#form_to_inpaint").click()
    open_tab(page, elsewhere)
    slow = False
    for one in held:
        one.continue_()
    expect(page.locator("body")).to_have_attribute("data-arrived", "inpaint")
    expect(page.get_by_role("tab", name=elsewhere)).to_have_attribute("aria-selected", "true")
    open_tab(page, "Inpaint")
    expect(field(page, "form_prompt")).to_have_value("a slow snail")
    expect(page.locator("#form_painter canvas")).to_be_visible()


def test_a_preset_fills_the_form(visits: Visits) -> None:
    page = visits.open()
    field(page, "form_prompt").fill("a red star")
    page.locator("#form_preset input").click()
    page.get_by_role("option", name="Built-in model · Pixel art", exact=True).click()
    expect(field(page, "form_prompt")).to_have_value("a red star, pixel art")
    expect(field(page, "form_steps")).to_have_value("24")


def test_only_schedules_that_work_are_offered(visits: Visits) -> None:
    page = visits.open()
    unfold(page)
    page.locator("#form_sampler input").click()
    page.get_by_role("option", name="PLMS").click()
    expect(page.locator("#form_schedule input")).to_be_disabled()
    page.locator("#form_sampler input").click()
    page.get_by_role("option", name="Euler", exact=True).click()
    page.locator("#form_schedule input").click()
    expect(page.locator("#form_schedule").get_by_role("option")).to_have_count(5)


def test_what_only_counts_with_another_choice_is_shown_with_it_and_arrives(visits: Visits, served: Served) -> None:
    page = visits.open()
    page.locator("#form_guiding_fold > button").click()
    expect(page.locator("#form_guiding_start")).to_be_visible()
    named = {
        "projected": "form_guiding_longest",
        "freeu": "form_guiding_inner_1",
        "thresholded": "form_guiding_mimicked",
    }
    for one in named.values():
        expect(page.locator(f"#{one}")).to_be_hidden()
    visits.settle()
    page.locator("#form_guiding_method input").click()
    projected = WORDS["guiding_method_projected"][0]
    page.locator("#form_guiding_method").get_by_role("option", name=projected, exact=True).click()
    page.locator("#form_guiding_freeu input").check()
    expect(page.locator(f"#{named['projected']}")).to_be_visible()
    expect(page.locator(f"#{named['freeu']}")).to_be_visible()
    expect(page.locator(f"#{named['thresholded']}")).to_be_hidden()
    page.locator("#form_guiding input").check()
    generate(page, prompt="a red star", guiding_longest=9, guiding_inner_1=1.2)
    fields = metadata.read(served.pictures()[-1]).fields
    told = {"method": "projected", "longest": 9, "freeu": True, "inner_1": 1.2, "mimicked": 7.0}
    assert {name: fields[f"guiding_{name}"] for name in told} == told


@pytest.mark.parametrize("locale", ["zh-CN", "zh-TW", "zh", "zh-Hans-CN"])
def test_every_chinese_browser_gets_chinese(visits: Visits, locale: str) -> None:
    page = visits.open(locale=locale)
    expect(page.locator("#form_generate")).to_have_text("生成")
    expect(page.locator("#form_prompt")).to_contain_text("提示词")
    expect(page.locator("#canvas .strip")).to_have_attribute("aria-label", "本次与最近的图片")
    fill(page, width=513)
    page.locator("#form_generate").click()
    expect(page.locator("#form_width .field-fault")).to_contain_text("必须是 8 的倍数")


def test_language_and_theme_can_be_chosen_and_stay(visits: Visits) -> None:
    page = visits.open(color_scheme="light")
    page.locator("#header .language").click()
    expect(page.locator("#form_generate")).to_have_text("生成")
    page.locator("#header .theme").click()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    page.reload()
    expect(page.locator("#form_generate")).to_have_text("生成")
    expect(page.locator("body")).to_have_class(re.compile("dark"))


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_small_screen_has_one_column_and_no_sideways_scrolling(visits: Visits, locale: str) -> None:
    page = visits.open(locale=locale, viewport={"width": 420, "height": 860})
    generate(page, steps=2, batch_size=1)
    assert page.locator("#form_generate").bounding_box()["y"] > 700  # type: ignore[index]
    names = [WORDS[f"tab_{name}"][locale == "zh-CN"] for name in TABS]
    assert page.locator("#frame [role=tab]").count() < len(names)  # the others are behind the three dots
    for name, words in zip(TABS, names, strict=True):
        open_tab(page, words)
        expect(page.locator("body")).to_have_attribute("data-page", "workspace" if name in TASKS else name)
        if name in TASKS:
            expect(page.locator("body")).to_have_attribute("data-task", name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
    expect(page.locator("#form_more > button")).not_to_have_class(re.compile("open"))  # nothing there was wrong


def test_the_menu_of_tabs_stays_open_whatever_the_page_asks_meanwhile(visits: Visits) -> None:
    page = visits.open(viewport={"width": 420, "height": 860})
    dots, choices = (page.locator(f"#frame .overflow-menu {part}") for part in ("> button", ".overflow-dropdown"))
    dots.click()
    page.evaluate("document.getElementById('frame_turn').addEventListener('click', () => (window.isPressed = true))")
    page.evaluate("window.seedprintAsk(['frame_turn'])")
    page.wait_for_function("window.isPressed")
    expect(choices).to_be_visible()
    page.locator("#form_prompt").click()  # by a person
    expect(choices).to_be_hidden()
