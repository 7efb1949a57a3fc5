"""What a visit costs: bytes and requests as Chromium's own network log counts them. Seconds are for the bench."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.acts import field, fill, generate, live
from tests.browser.conftest import PATIENCE, Served, Visits
from tools.page_weight import Meter, watch_box

pytestmark = pytest.mark.browser

FIRST = 600_000  # bytes
RELOAD = 100_000  # bytes
LOOKED_AT = ("/queue", "/history/page")  # what is new, as long as the page is open
FOLLOWED = ("/gradio_api/queue/join", "/gradio_api/queue/data")  # the run that this browser saw last


def test_a_first_visit_is_light_and_a_reload_asks_for_no_file_again(browser: Browser, served: Served) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    watch_box(page, "#form_prompt textarea")
    meter = Meter(page)
    try:
        first = meter.visit(lambda: page.goto(served.link))
        generate(page, prompt="a red star", steps=2)
        page.wait_for_timeout(1000)  # what was typed is kept by then
        again = meter.visit(page.reload)
        expect(field(page, "form_prompt")).to_have_value("a red star")
        expect(live(page)).to_have_attribute("data-state", "done")
        assert page.evaluate("gradio_config.dependencies.constructor !== Array"), "svelte watches each event"
    finally:
        context.close()
    for visit in (first, again):
        assert all(one.startswith(served.url) for one in visit.asked.values())
    assert len(first.real()) > 50, "nothing was cached yet"
    assert 100_000 < first.bytes <= FIRST
    assert again.bytes <= RELOAD
    paths = [urlsplit(one).path for one in again.real()]
    pictures = [one for one in paths if one.startswith(("/image/", "/thumb/", "/history/picture/"))]
    assert {*paths} - {*pictures} == {"/", *LOOKED_AT, *FOLLOWED}  # the page itself and four more
    assert all(paths.count(one) == 1 for one in ("/", *FOLLOWED))


def test_a_warm_engine_is_told_and_what_fits_with_it(visits: Visits, served: Served) -> None:
    page = visits.open()
    state = page.locator("#header .state")
    expect(state).to_have_attribute("data-state", "ready")

    def warming(route: Route) -> None:
        told = route.fetch().json()
        route.fulfill(json={**told, "engine": {"state": "warming", "text": "Warming up"}})

    page.route("**/queue", warming)
    expect(state).to_have_text("Warming up")
    with page.expect_request(lambda asked: "/run/" in asked.url and "gradio_api" in asked.url) as memory:
        page.unroute("**/queue")
        expect(state).to_have_attribute("data-state", "ready")
    assert memory.value.post_data_json["data"][0] == "txt2img"


def test_a_press_on_generate_is_seen_before_the_program_has_answered(visits: Visits) -> None:
    page, held = visits.open(), list[Route]()
    fill(page, prompt="a red star", steps=2)
    visits.settle()
    page.route("**/gradio_api/run/**", lambda route: held.append(route))
    with page.expect_request(lambda request: "/run/" in request.url):
        page.locator("#form_generate").click()
    expect(live(page).locator(".line")).to_have_text("Sent …")
    assert held, "nothing was answered"
    page.unroute("**/gradio_api/run/**")  # which lets go what was held
    expect(live(page)).to_have_attribute("data-state", "done")
