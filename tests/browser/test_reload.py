"""A page that loads again is as it was left: its tab, its pictures, what it told; and what the program fills in is one
step back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from .acts import field, fill, generate, kept_mask, live, newest, open_tab, paint, strip, upload_picture
from .conftest import Served, Visits

pytestmark = pytest.mark.browser


def again(page: Page) -> None:
    page.reload()
    page.wait_for_selector("#form_generate", state="attached")


def test_the_tab_that_was_open_is_open(visits: Visits) -> None:
    page = visits.open()
    open_tab(page, "History")
    expect(page.locator("body")).to_have_attribute("data-page", "history")
    again(page)
    expect(page.locator("body")).to_have_attribute("data-page", "history")
    expect(page.locator("#history_view .count")).to_be_visible()  # and it is filled in
    open_tab(page, "Inpaint")
    again(page)
    expect(page.locator("body")).to_have_attribute("data-task", "inpaint")
    page.go_back()
    expect(page.locator("body")).to_have_attribute("data-page", "history")
    page.go_forward()
    expect(page.locator("body")).to_have_attribute("data-task", "inpaint")
    for _ in range(2):
        page.go_back()
    expect(page.locator("body")).to_have_attribute("data-task", "txt2img")
    expect(page.locator("body")).to_have_attribute("data-page", "workspace")
    page.go_forward()  # the plain address of the first tab leaves what comes after it
    expect(page.locator("body")).to_have_attribute("data-page", "history")
    page.set_viewport_size({"width": 420, "height": 860})
    page.evaluate("location.hash = '#process'")  # it stands behind the three dots
    expect(page.locator("body")).to_have_attribute("data-page", "process")
    page.go_back()
    expect(page.locator("body")).to_have_attribute("data-page", "history")
    address = page.url.partition("#")[0]
    page.goto("about:blank")
    page.goto(f"{address}#nosuch")
    expect(page.locator("body")).to_have_attribute("data-task", "txt2img")


def test_the_pictures_that_were_given_are_there_and_the_mask_counts(
    visits: Visits, served: Served, tmp_path: Path
) -> None:
    page = visits.open()
    open_tab(page, "img2img")
    upload_picture(page, "img2img", tmp_path)
    start = page.locator("#form_image img")
    expect(start).to_be_visible()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    expect(page.locator("#form_painter canvas")).to_be_visible()
    paint(page, (0.3, 0.5), (0.7, 0.5))
    generate(page, prompt="a red star", steps=2)
    before = kept_mask(served, newest(served))
    assert before.getextrema() == (0, 255)
    again(page)
    expect(page.locator("#form_painter canvas")).to_be_visible()
    visits.settle(quiet=10)  # the mask is sent once more
    generate(page, prompt="a blue star", steps=2)
    assert kept_mask(served, newest(served)).tobytes() == before.tobytes()
    open_tab(page, "img2img")
    expect(start).to_be_visible()


def test_a_picture_that_the_program_has_put_away_is_not_shown_broken(
    visits: Visits, served: Served, tmp_path: Path
) -> None:
    page = visits.open()
    open_tab(page, "img2img")
    upload_picture(page, "img2img", tmp_path)
    expect(page.locator("#form_image img")).to_be_visible()
    visits.settle()
    for file in served.data.rglob("start.png"):
        file.unlink()
    again(page)
    expect(page.locator("#form_image input[type=file]")).to_be_attached()
    visits.settle(quiet=10)
    expect(page.locator("#form_image img")).to_have_count(0)


def test_what_is_told_of_the_form_is_not_taken_away_by_the_last_run(visits: Visits, served: Served) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=2)
    visits.settle(quiet=10)
    with closing(sqlite3.connect(served.data / "jobs.sqlite", timeout=20)) as database, database:
        # as a program wrote it that took more
        database.execute("INSERT INTO forms (tab, fields, kept) VALUES ('form', '{\"steps\": 99999}', 1)")
    page.reload()
    expect(strip(page, "run")).to_have_count(5)  # the run is told again, with its grid
    visits.settle(quiet=10)
    expect(live(page)).to_contain_text("Steps")
    generate(page)  # a new run is told as ever


def test_a_wish_that_is_refused_leaves_the_sentences_of_other_fields(visits: Visits) -> None:
    page = visits.open()
    fill(page, width=5000)
    told = page.locator(".field-fault")
    expect(told).to_have_count(1)
    fill(page, height=3)
    expect(told).to_have_count(2)
    page.locator("#form_generate").click()
    expect(live(page)).to_have_attribute("data-state", "refused")
    expect(told).to_have_count(2)
    fill(page, width=128)
    expect(told).to_have_count(1)
    expect(told).to_contain_text("Height")


def test_what_a_pasted_text_fills_in_is_one_step_back(visits: Visits) -> None:
    page = visits.open()
    fill(page, prompt="first words", steps=11)
    visits.settle(quiet=10)
    page.evaluate(
        """text => { const given = new DataTransfer(); given.setData("text/plain", text);
        const how = {clipboardData: given, bubbles: true, cancelable: true};
        document.querySelector("#form_prompt textarea").dispatchEvent(new ClipboardEvent("paste", how)); }""",
        "a circle\nNegative prompt: fog\nSteps: 7, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 128x160, "
        "Hires upscale: 1.5, Hires steps: 3, Denoising strength: 0.5",
    )
    expect(field(page, "form_steps")).to_have_value("7")
    visits.settle(quiet=10)
    page.locator("#form_undo").click()
    expect(field(page, "form_prompt")).to_have_value("first words")
    for name, value in (("steps", "11"), ("negative_prompt", ""), ("seed", "-1")):
        expect(field(page, f"form_{name}")).to_have_value(value)


def test_pictures_of_one_seed_are_told_apart(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=2, batch_size=1, seed=4242)
    page.locator("#form_verbs button, #canvas .verbs button").filter(has_text="Vary").click()
    expect(live(page)).to_have_attribute("data-state", "told")
    generate(page)
    labels = strip(page, "run").locator("span").all_text_contents()
    assert len([*labels]) == len({*labels}), labels


def test_a_wish_that_the_program_never_heard_is_told_so_also_when_it_is_there_again(visits: Visits) -> None:
    page = visits.open()
    fill(page, prompt="a red star", steps=2)
    visits.settle(quiet=10)
    for address in ("**/gradio_api/run/**", "**/queue"):
        page.route(address, lambda route: route.abort())
    page.locator("#form_generate").click()
    expect(live(page)).to_contain_text("nothing was queued")
    expect(page.locator("#header .state")).to_have_attribute("data-state", "gone")
    for address in ("**/gradio_api/run/**", "**/queue"):
        page.unroute(address)
    page.reload()  # as gradio does when the program was started again
    expect(live(page)).to_contain_text("nothing was queued")
    expect(page.locator("#header .state")).to_have_attribute("data-state", "ready")
    generate(page)
    page.reload()
    expect(live(page)).to_have_attribute("data-state", "done")
    expect(live(page)).not_to_contain_text("nothing was queued")


def test_the_address_leads_to_a_tab_and_make_again_and_process_keep_their_picture(
    visits: Visits, tmp_path: Path
) -> None:
    page = visits.open()
    generate(page, prompt="a red star", steps=2, batch_size=1)
    page.evaluate("location.hash = '#lab'")
    expect(page.locator("body")).to_have_attribute("data-page", "lab")
    page.evaluate("location.hash = '#txt2img'")
    page.locator("#form_to_process").click()
    expect(page.locator("#process .film-it")).to_have_attribute("aria-disabled", "false")
    open_tab(page, "txt2img")
    page.locator("#form_to_again").click()
    expect(page.locator("#again_settings")).to_contain_text("a red star")
    again(page)
    expect(page.locator("#again_settings")).to_contain_text("a red star")
    open_tab(page, "Process")
    expect(page.locator("#process .film-it")).to_have_attribute("aria-disabled", "false")


def test_what_is_typed_while_the_defaults_are_on_their_way_stays(visits: Visits) -> None:
    page = visits.open()
    fill(page, steps=14, guidance=5)
    visits.settle()
    held: list[Route] = []
    number = page.evaluate("gradio_config.dependencies.find((one) => one.api_name === 'form_reset').id")

    def hold(route: Route) -> None:
        if json.loads(route.request.post_data or "{}").get("fn_index") == number:
            held.append(route)
        else:
            route.continue_()

    page.route("**/gradio_api/run/predict*", hold)
    with page.expect_request(lambda asked: f'"fn_index":{number},' in (asked.post_data or "")):
        page.locator("#form_reset").click()
    fill(page, guidance=9.5)
    held[0].continue_()
    expect(field(page, "form_steps")).to_have_value("20")
    visits.settle()
    expect(field(page, "form_guidance")).to_have_value("9.5")
    page.locator("#form_undo").click()
    expect(field(page, "form_guidance")).not_to_have_value("9.5")
