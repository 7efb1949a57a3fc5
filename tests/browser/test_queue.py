"""Thirty jobs: Cancel ends the one that runs, the list shows every one of them, and ends each or all."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from .acts import fill, live
from .conftest import Served, Visits

pytestmark = pytest.mark.browser
JOBS = 30


def rows(page: Page) -> Locator:
    return page.locator("#queue .jobs li")


def open_queue(page: Page) -> None:
    page.locator("#header .open-queue").click()
    expect(page.locator("#queue")).to_be_visible()


def test_of_thirty_jobs_the_one_that_runs_is_shown_and_cancelled(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    expect(page.locator("#queue")).to_be_hidden()
    open_queue(page)
    expect(page.locator("#queue .none")).to_have_text("Nothing waits.")
    expect(page.locator("#queue .head")).to_be_hidden()
    fill(page, steps=3, batch_size=1)
    for number in range(JOBS):
        fill(page, prompt=f"a star {number}")
        with page.expect_response(lambda answer: "/run/" in answer.url) as answered:
            page.locator("#form_generate").click()
        assert answered.value.ok
    expect(page.locator("#queue .title")).to_have_text(f"Queue: {JOBS}")
    expect(rows(page)).to_have_count(JOBS)
    expect(rows(page).first.locator(".about")).to_have_text("a star 0")
    expect(rows(page).first.locator(".state")).to_have_text("running")
    expect(live(page)).to_have_attribute("data-state", "running")
    expect(live(page).locator(".detail")).to_contain_text(f"{JOBS - 1} more waiting")

    page.locator("#form_cancel").click()  # job 1, and then job 2 runs
    expect(page.locator("#queue .title")).to_have_text(f"Queue: {JOBS - 1}")
    expect(rows(page).first.locator(".about")).to_have_text("a star 1")
    expect(rows(page).first.locator(".state")).to_have_text("running")
    expect(live(page)).to_have_attribute("data-state", "running")

    rows(page).nth(4).locator("button").click()
    expect(page.locator("#queue .title")).to_have_text(f"Queue: {JOBS - 2}")
    expect(rows(page).filter(has_text=re.compile(r"a star 5\b"))).to_have_count(0)

    another = visits.open()  # a browser that asked for nothing knows them all
    expect(another.locator("#header .open-queue")).to_have_text(f"Queue ({JOBS - 2})")
    open_queue(another)
    expect(rows(another)).to_have_count(JOBS - 2)
    expect(live(another)).to_have_attribute("data-state", "running")

    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#queue .all").click()
    expect(page.locator("#queue .none")).to_be_visible()
    expect(page.locator("#header .open-queue")).to_have_text("Queue (0)")
    expect(live(page)).to_have_attribute("data-state", "cancelled")
    expect(another.locator("#queue .none")).to_be_visible()
    expect(rows(another)).to_have_count(0)
    another.keyboard.press("Escape")
    expect(another.locator("#queue")).to_be_hidden()
    assert served.pictures() == []


def test_what_a_test_that_failed_has_queued_is_not_there_for_its_second_try(visits: Visits, served: Served) -> None:
    served.hold.write_text("0")
    page = visits.open()
    page.locator("#form_generate").click()
    expect(page.locator("#header .open-queue")).to_have_text("Queue (1)")
    visits.close()
    served.afresh()
    expect(visits.open().locator("#header .open-queue")).to_have_text("Queue (0)")
