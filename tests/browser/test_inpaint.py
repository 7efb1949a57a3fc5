"""Inpaint in a real browser: the picture with its mask, the tools, and the way from a picture there and back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from .acts import (
    field,
    fill,
    generate,
    kept_mask,
    newest,
    open_tab,
    paint,
    press,
    show_painter,
    strip,
    upload_picture,
)
from .conftest import Served, Visits

pytestmark = pytest.mark.browser


def painted_share(mask: Image.Image) -> float:
    return sum(mask.histogram()[128:]) / (mask.width * mask.height)


def test_with_the_mouse_then_the_result_stands_in_the_painters_place(
    visits: Visits, served: Served, tmp_path: Path
) -> None:
    page = visits.open()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    painter, result = page.locator("#form_painter canvas"), page.locator("#canvas .frame")
    expect(painter).to_be_visible()
    expect(result).to_be_hidden()
    page.locator("#form_generate").click()
    expect(page.locator("#form_painter .field-fault")).to_contain_text("the mask is empty")
    paint(page, (0.2, 0.5), (0.8, 0.5))
    generate(page, steps=4)
    expect(page.locator("#form_painter .field-fault")).to_have_count(0)
    expect(result).to_be_visible()
    expect(painter).to_be_hidden()
    mask = kept_mask(served, newest(served))
    assert mask.size == (160, 128)
    assert mask.getpixel((80, 64)) == 255
    assert mask.getpixel((80, 10)) == 0
    assert mask.getpixel((80, 118)) == 0
    show_painter(page)
    page.locator("#canvas_mode button[value=result]").click()
    expect(result).to_be_visible()


def test_what_is_missing_is_told_though_the_result_is_looked_at(visits: Visits) -> None:
    page = visits.open()
    open_tab(page, "Inpaint")
    page.locator("#canvas_mode button[value=result]").click()
    page.locator("#form_generate").click()
    expect(page.locator("#form_painter .field-fault")).to_be_visible()
    expect(page.locator("#form_painter .field-fault")).to_have_text("Choose a picture to start from.")


def test_a_picture_given_before_the_painter_is_ready_is_taken(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    held: list[Route] = []
    slow = True
    page.route("**/painter/painter.js", lambda route: held.append(route) if slow else route.continue_())
    with page.expect_request("**/painter/painter.js"):
        page.reload()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    assert held
    slow = False
    for one in held:
        one.continue_()
    expect(page.locator("#form_painter canvas")).to_be_visible()


def test_the_painters_tools(visits: Visits, served: Served, tmp_path: Path) -> None:
    page = visits.open()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    expect(page.locator("#form_painter canvas")).to_be_visible()
    fill(page, steps=2)

    def share() -> float:
        generate(page)
        return painted_share(kept_mask(served, newest(served)))

    paint(page, (0.2, 0.3), (0.8, 0.3))
    one = share()
    paint(page, (0.2, 0.7), (0.8, 0.7))
    assert one < share()
    press(page, "undo")
    assert share() == pytest.approx(one)
    press(page, "invert")
    assert share() == pytest.approx(1 - one, abs=0.03)
    press(page, "invert")
    page.locator("#form_painter button.erase").click()
    paint(page, (0.2, 0.3), (0.5, 0.3))
    assert 0 < share() < one
    file = tmp_path / "mask.png"
    upload = Image.new("L", (80, 64), 0)
    upload.paste(255, (0, 0, 40, 64))
    upload.save(file)
    with page.expect_response(lambda answer: "/upload" in answer.url and answer.request.method == "POST"):
        page.locator("#form_painter .mask-file").set_input_files(file)
    assert share() == pytest.approx(0.5, abs=0.02)
    press(page, "clear")
    page.locator("#form_generate").click()
    expect(page.locator("#form_painter .field-fault")).to_contain_text("the mask is empty")
    page.locator("#form_painter .strength").select_option("50 %")
    expect(page.locator("#form_painter .note")).to_contain_text("Greys of the mask")
    paint(page, (0.2, 0.3), (0.8, 0.3))
    paint(page, (0.8, 0.3), (0.2, 0.3))  # the same grey, however often it passes
    generate(page)
    mask = kept_mask(served, newest(served))
    assert mask.getextrema()[1] == mask.getpixel((80, 38)) == pytest.approx(127.5, abs=1.5)


def test_clicks_paint_what_the_program_finds_each_one_step_of_undo(visits: Visits, tmp_path: Path) -> None:
    page = visits.open()
    open_tab(page, "Inpaint")
    upload_picture(page, "inpaint", tmp_path)
    tool, note = page.locator("#form_painter button.select"), page.locator("#form_painter .note")
    tool.click()
    expect(note).to_contain_text("models/")
    expect(tool).to_have_attribute("aria-pressed", "false")
    asked: list[Any] = []

    def answer(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(json={"missing": ""})
            return
        asked.append(route.request.post_data_json["clicks"])
        mask, written = Image.new("L", (160, 128)), io.BytesIO()
        mask.paste(255, (0, 0, 160 // len(asked[-1]), 128))
        mask.save(written, "PNG")
        route.fulfill(body=written.getvalue(), content_type="image/png")

    page.route("**/select", answer)
    tool.click()
    expect(tool).to_have_attribute("aria-pressed", "true")
    canvas = page.locator("#form_painter canvas")

    def shares(share: float) -> None:
        page.wait_for_function(
            """([mask, share]) => {
              const { data } = mask.getContext("2d").getImageData(0, 0, mask.width, mask.height);
              return data.filter((one, place) => place % 4 === 3 && one).length === share * mask.width * mask.height;
            }""",
            arg=[canvas.element_handle(), share],
        )

    canvas.click()
    shares(1)
    canvas.click(position={"x": 5, "y": 5}, modifiers=["Shift"])
    shares(0.5)
    assert [[adds for *_, adds in clicks] for clicks in asked] == [[True], [True, False]]
    assert asked[1][0][:2] == pytest.approx([80, 64], abs=1)
    page.locator("#form_painter button.undo").click()
    shares(1)
    page.locator("#form_painter button.undo").click()
    shares(0)


def test_from_picture_to_inpaint_to_make_again(visits: Visits) -> None:
    page = visits.open()
    generate(page, prompt="a green house", seed=12, steps=4, batch_size=2)
    strip(page, "run").nth(1).click()
    field(page, "form_prompt").fill("")
    page.locator("#form_to_inpaint").click()
    expect(field(page, "form_prompt")).to_have_value("a green house")
    expect(page.locator("#form_painter canvas")).to_be_visible()
    paint(page, (0.3, 0.3), (0.6, 0.6))
    generate(page, seed=13)
    page.locator("#form_to_again").click()
    expect(page.locator("#again_settings")).to_contain_text("a green house")
    expect(page.locator("#again_settings")).to_contain_text("13")
    page.locator("#again_make").click()
    expect(page.locator("#again_report b")).to_have_text("identical")
    page.locator("#again_send").click()
    expect(page.locator("#form_painter canvas")).to_be_visible()
    expect(field(page, "form_seed")).to_have_value("13")


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
    generate(page, steps=2, mask_blur=0)
    mask = kept_mask(served, newest(served))
    box = mask.point(lambda level: 255 * (level > 127)).getbbox()
    assert box is not None
    # where the pointer was, in pixels of the picture (160 × 128)
    at = ((x - whole["x"]) / whole["width"] * 160, (y - whole["y"]) / whole["height"] * 128)
    assert ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) == pytest.approx(at, abs=1.5)
    # 36 pixels of the screen are half as many of the picture when it is shown twice as large
    assert box[3] - box[1] == pytest.approx(36 * 160 / whole["width"], abs=2)
    paint(page, (0.1, 0.1), (0.2, 0.1))
    generate(page)
    mask = kept_mask(served, newest(served))
    assert mask.getpixel((24, 13)) == 255
