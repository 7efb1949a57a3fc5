"""A small order experiment by hand: told what it costs, run, read, saved, found again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .acts import field, generate, strip
from .conftest import Served, Visits

pytestmark = pytest.mark.browser


def fill(page: Page, **values: Any) -> None:
    for name, value in values.items():
        box = page.locator(f"#lab_{name} textarea, #lab_{name} input[type=number], #lab_{name} input").first
        box.fill(str(value))
        box.blur()


def choose(page: Page, name: str, text: str) -> None:
    page.locator(f"#lab_{name} input").click()
    page.get_by_role("option", name=text).click()


def test_an_order_experiment(visits: Visits, served: Served, tmp_path: Path) -> None:
    before = len(served.pictures())
    page = visits.open()
    page.get_by_role("tab", name="Lab").click()
    choose(page, "kind", "Does the order matter?")
    expect(page.locator("#lab_phrase")).to_be_hidden()
    fill(page, prompt="a red star and a blue heart", phrases="a dog", seeds="1-3", steps=4, width=64, height=64)
    expect(page.locator("#lab_fault")).to_contain_text("“a dog” must stand in the prompt.")
    fill(page, phrases="a red star\na blue heart")
    expect(page.locator("#lab_estimate")).to_contain_text("6 pictures, 0 of them there already: 24 steps")
    expect(page.locator("#lab_fault")).to_be_hidden()
    page.locator("#lab_start").click()
    expect(page.locator("#lab_live .line")).to_have_text("Done: 6 of 6 pictures")
    expect(page.locator("#lab_verdict")).to_contain_text("“a blue heart | a red star” moves the picture most: 0.")
    expect(page.locator("#lab_plot svg")).to_be_visible()
    table = page.locator("#lab_table")
    for words in ("What", "another seed", "a blue heart | a red star", "place of “a red star”: 2"):
        expect(table.get_by_text(words, exact=True).first).to_be_visible()
    expect(page.locator("#lab_pictures .thumbs button")).to_have_count(7)  # the labelled grid, and six
    assert len(served.pictures()) == before + 6

    with page.expect_download() as saved:
        page.locator("#lab_csv").click()
    file = tmp_path / "a.csv"
    saved.value.save_as(file)
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    assert [row["row"] for row in rows][:2] == ["same prompt, other seed", "a blue heart | a red star"]

    fill(page, negative_prompt="fog", steps=999)
    expect(page.locator("#lab_fault")).to_contain_text("999")
    page.reload()
    page.get_by_role("tab", name="Lab").click()
    expect(page.locator("#lab_verdict")).to_contain_text("moves the picture most")
    # the form is as it was left
    expect(field(page, "lab_prompt")).to_have_value("a red star and a blue heart")
    expect(field(page, "lab_phrases")).to_have_value("a red star\na blue heart")
    expect(field(page, "lab_negative_prompt")).to_have_value("fog")
    expect(page.locator("#lab_seeds input")).to_have_value("1-3")
    expect(page.locator("#lab_steps input[type=number]")).to_have_value("999")
    expect(page.locator("#lab_fault")).to_contain_text("999")
    expect(page.locator("#lab_phrase")).to_be_hidden()
    expect(page.locator("#lab_kind input")).to_have_value("Does the order matter?")
    page.set_viewport_size({"width": 1440, "height": 1800})
    page.screenshot(path=tmp_path / "lab.png", full_page=True)


def test_a_ready_made_one_is_stopped_and_goes_on(visits: Visits, served: Served) -> None:
    page = visits.open(locale="zh-CN")
    page.get_by_role("tab", name="实验室").click()
    before = len(served.pictures())
    served.hold.write_text("3")
    page.get_by_role("button", name="句子还是单词？").click()
    expect(page.locator("#lab_live .line")).to_contain_text("/24 张")  # not the pictures of the experiment before
    expect(page.locator("#lab_pictures .thumbs button").nth(2)).to_be_visible()  # all that the engine makes for now
    page.locator("#lab_cancel").click()
    expect(page.locator("#lab_live .line")).to_contain_text("已停止")
    assert len(served.pictures()) == before + 3
    served.hold.unlink()
    page.locator("#lab_go_on").click()
    expect(page.locator("#lab_live .line")).to_have_text("完成：24/24 张")
    expect(page.locator("#lab_verdict")).to_contain_text("影响最大")
    assert len(served.pictures()) == before + 24


def test_where_words_look(visits: Visits, served: Served, tmp_path: Path) -> None:
    page = visits.open()
    before = len(served.pictures())
    generate(page, prompt="a red star", width=64, height=64)
    made = len(served.pictures())
    assert made > before
    page.locator("#form_to_looks").click()
    expect(page.locator("#form_looks figure")).to_have_count(3)
    expect(page.locator("#form_looks .note")).to_contain_text("the same, pixel for pixel")
    page.locator("#form_looks").screenshot(path=tmp_path / "looks_there.png")
    strip(page, "recent").first.click()  # another picture is shown large
    expect(page.locator("#form_looks")).to_be_hidden()
    page.get_by_role("tab", name="Lab").click()
    page.locator("#lab_recent button").first.click()
    expect(page.locator("#lab_looks figure")).to_have_count(3)
    expect(page.locator("#lab_looks figcaption").nth(1)).to_contain_text("red")
    expect(page.locator("#lab_looks .note")).to_contain_text("the same, pixel for pixel")
    assert len(served.pictures()) == made
    page.locator("#lab_looks").screenshot(path=tmp_path / "looks.png")


def test_the_forms_settings_are_compared_from_txt2img(visits: Visits) -> None:
    page = visits.open()
    for name, value in {"prompt": "a red star", "steps": 7, "guidance": 4, "seed": 300, "width": 192}.items():
        field(page, f"form_{name}").fill(str(value))
        field(page, f"form_{name}").blur()
    page.locator("#form_to_lab").click()
    expect(page.locator("#frame").get_by_role("tab", name="Lab", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#lab_x_field")).to_be_visible()
    expect(page.locator("#lab_phrase")).to_be_hidden()
    for name, value in {"prompt": "a red star", "steps": "7", "guidance": "4", "width": "192"}.items():
        expect(field(page, f"lab_{name}")).to_have_value(value)
    expect(page.locator("#lab_seeds").locator("input, textarea")).to_have_value("300-303")
    expect(page.locator("#lab_estimate")).to_contain_text("24 pictures")  # 2 x 3 values, 4 seeds
