"""The drawer of networks: found, written into the prompt and taken back, greyed with the reason, its picture made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.models.files import checkpoint, write_model
from tests.networks.files import write_control, write_lora, write_word

from .acts import field, generate
from .conftest import Served, Visits

pytestmark = pytest.mark.browser


@pytest.fixture
def models(served: Served) -> Iterator[Path]:
    folder = served.outputs.parent / "models"
    write_model(folder / "anime.safetensors", checkpoint())
    write_model(folder / "grand.safetensors", checkpoint(2048))
    write_lora(folder / "loras" / "people" / "Hat.safetensors")
    write_lora(folder / "loras" / "sketch.safetensors", 2048)
    write_word(folder / "loras" / "badness.safetensors")
    write_control(folder / "edges.safetensors")
    odd = write_lora(folder / "loras" / "odd <img src=x onerror=alert(1)>.safetensors")
    told = {"activation text": "straw hat", "preferred weight": 0.7, "negative text": "bare head"}
    (folder / "loras/people/Hat.json").write_text(json.dumps(told))
    wild = {"trainedWords": ["<script>document.title = 'gone'</script>wild"], "description": "<b>bold</b>" * 9}
    odd.with_suffix(".civitai.info").write_text(json.dumps(wild))
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def card(page: Page, name: str) -> Locator:
    return page.locator("#form_networks .card", has=page.locator(".name", has_text=name))


def open_drawer(page: Page) -> None:
    page.locator("#form_networks summary").click()
    expect(card(page, "Hat")).to_be_visible()


def choose(page: Page, model: str) -> None:
    """By its card: the server may have begun before the files were there, with another one chosen."""
    card(page, model).locator(".use").click()
    expect(page.locator("#form_model input")).to_have_value(model)
    expect(card(page, model).locator(".use")).to_have_attribute("aria-pressed", "true")


@pytest.mark.usefixtures("models")
def test_what_a_card_writes_is_taken_back_as_if_typed(visits: Visits) -> None:
    page = visits.open()
    prompt, negative = field(page, "form_prompt"), field(page, "form_negative_prompt")
    prompt.click()
    page.keyboard.type("a cat, red")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    open_drawer(page)
    choose(page, "anime")
    use = card(page, "Hat").locator(".use")
    use.click()
    expect(prompt).to_have_value("a cat <lora:Hat:0.7>, red")
    expect(use).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+z")
    expect(prompt).to_have_value("a cat, red")
    expect(use).to_have_attribute("aria-pressed", "false")
    use.click()
    use.click()
    expect(prompt).to_have_value("a cat, red")
    card(page, "Hat").get_by_role("button", name="straw hat", exact=True).click()
    expect(prompt).to_have_value("a cat, straw hat, red")
    card(page, "Hat").get_by_role("button", name="− bare head").click()
    expect(negative).to_have_value("bare head")
    card(page, "badness").locator(".use").click()  # into the box that was written in last
    expect(negative).to_have_value("bare head, badness")


@pytest.mark.usefixtures("models")
def test_cards_are_found_by_text_kind_and_folder_and_by_keys(visits: Visits) -> None:
    page = visits.open()
    open_drawer(page)
    choose(page, "anime")
    names = page.locator("#form_networks .card .name")
    page.locator("#form_networks .find").fill("straw")
    expect(names).to_have_text(["Hat"])
    page.locator("#form_networks .find").fill("no such")
    expect(page.locator("#form_networks .empty")).to_have_text("Nothing fits the search.")
    page.locator("#form_networks .find").fill("")
    page.locator("#form_networks .kinds button[data-kind=lora]").click()
    expect(names).to_have_count(3)
    page.locator("#form_networks .folders button[title='loras/people']").click()
    expect(names).to_have_text(["Hat"])
    page.locator("#form_networks .folders button").first.click()
    page.locator("#form_networks .order").select_option("name")
    expect(names).to_have_text(["Hat", "sketch", "odd <img src=x onerror=alert(1)>"])
    card(page, "Hat").locator(".use").focus()
    page.keyboard.press("ArrowRight")
    expect(card(page, "sketch").locator(".use")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(field(page, "form_prompt")).to_have_value("<lora:Hat:0.7>")
    expect(card(page, "Hat").locator(".use")).to_be_focused()  # who presses keys stays there
    page.keyboard.press("Escape")
    expect(card(page, "Hat")).to_be_hidden()


@pytest.mark.usefixtures("models")
def test_strangers_names_and_words_are_text(visits: Visits) -> None:
    page = visits.open()
    open_drawer(page)
    odd = card(page, "odd <img src=x onerror=alert(1)>")
    expect(odd.locator(".why")).to_contain_text("rename the file")
    expect(odd.locator(".about")).to_contain_text("bold bold")
    expect(odd.locator(".chip")).to_have_text("document.title = 'gone' wild")
    expect(odd.locator("img, script, b")).to_have_count(0)
    odd.locator(".use").click(force=True)
    expect(field(page, "form_prompt")).to_have_value("")
    expect(page).to_have_title("Seedprint")


@pytest.mark.usefixtures("models")
def test_a_model_is_switched_and_what_does_not_suit_it_says_why(visits: Visits) -> None:
    page = visits.open()
    open_drawer(page)
    choose(page, "anime")
    expect(card(page, "Hat").locator(".why")).to_have_count(0)
    card(page, "Hat").locator(".use").click()
    expect(card(page, "sketch").locator(".why")).to_have_text("For SDXL; the model is SD 1.x")
    expect(card(page, "edges").locator(".why")).to_contain_text("It follows a picture or a map")
    choose(page, "grand")
    expect(field(page, "form_width")).to_have_value("1024")
    expect(card(page, "sketch").locator(".why")).to_have_count(0)
    expect(card(page, "Hat").locator(".why")).to_have_text("For SD 1.x; the model is SDXL")
    card(page, "Hat").locator(".use").click()  # what is in the prompt can be taken out
    expect(field(page, "form_prompt")).to_have_value("")
    card(page, "Hat").locator(".use").click(force=True)
    card(page, "sketch").locator(".use").click()
    expect(field(page, "form_prompt")).to_have_value("<lora:sketch:1>")


def test_a_picture_is_made_in_one_click_and_stays(visits: Visits, served: Served, models: Path) -> None:
    page = visits.open()
    open_drawer(page)
    before = sorted(path.name for path in models.rglob("*"))
    card(page, "Hat").locator(".make").click()
    expect(card(page, "Hat").locator("img")).to_be_visible()
    expect(card(page, "Hat").locator(".make")).to_have_count(0)
    assert sorted(path.name for path in models.rglob("*")) == before
    assert len(list((served.data / "previews").iterdir())) == 1
    page.reload()
    open_drawer(page)
    loaded = "image => image.complete && image.naturalWidth > 0"
    assert page.wait_for_function(loaded, arg=card(page, "Hat").locator("img").element_handle())


@pytest.mark.usefixtures("models")
def test_what_was_used_of_late_comes_first(visits: Visits) -> None:
    page = visits.open()
    open_drawer(page)
    choose(page, "anime")
    page.keyboard.press("Escape")
    generate(page, prompt="a <lora:hat:0.5>", steps=1, width=64, height=64)
    open_drawer(page)
    page.locator("#form_networks .kinds button[data-kind=lora]").click()
    expect(page.locator("#form_networks .card .name").first).to_have_text("Hat")
