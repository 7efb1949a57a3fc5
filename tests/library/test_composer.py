"""The composer in a browser: words and text in step, styles, weights, one's own presets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from webui.library.presets import load
from webui.ui.widgets.sources import address

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90_000  # milliseconds; busy machines are slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "tests.library.serve", str(folder), "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), folder / "user"
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def tab(browser: Any, served: tuple[str, Path]) -> Iterator[Page]:
    expect.set_options(timeout=PATIENCE)
    context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 1100})
    context.set_default_timeout(PATIENCE)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if "js_on_load" in line.text else None)
    page.goto(served[0])
    page.wait_for_selector("#form_generate")
    page.locator("#form_composer summary").click()
    yield page
    context.close()
    assert errors == []


def prompt(page: Page) -> Locator:
    return page.locator("#form_prompt textarea")


def is_refresh(route: Route) -> bool:
    """Whether it asks for the lists of presets after one was deleted."""
    return '"value":"delete"' in (route.request.post_data or "")


def button(page: Page, name: str) -> Locator:
    return page.locator("#form_composer").get_by_role("button", name=name, exact=True)


def lit(page: Page) -> set[str]:
    return set(page.locator("#form_composer .rows button[aria-pressed=true]").all_text_contents())


def test_words_and_text_are_in_step(tab: Page) -> None:
    for name in ("red", "star", "in the snow", "at night", "pixel art"):
        button(tab, name).click()
    expect(prompt(tab)).to_have_value("red star in the snow at night, pixel art")
    assert lit(tab) == {"red", "star", "in the snow", "at night", "pixel art"}
    button(tab, "on a beach").click()  # one place at a time
    button(tab, "pixel art").click()
    expect(prompt(tab)).to_have_value("red star at night on a beach")
    prompt(tab).fill("a (blue:1.2) starfish")
    expect(button(tab, "red")).to_have_attribute("aria-pressed", "false")
    assert lit(tab) == {"blue"}
    button(tab, "blue").click()
    expect(prompt(tab)).to_have_value("a starfish")
    prompt(tab).fill("")  # examples are offered where nothing is typed
    tab.locator("#form_example_0").click()  # the page fills the box in without a key being pressed
    expect(button(tab, "on a blue background")).to_have_attribute("aria-pressed", "true")


def test_words_of_real_models_and_styles(tab: Page) -> None:
    button(tab, "Words").click()
    prompt(tab).fill("girl ??boy")
    assert lit(tab) == {"girl", "??", "boy"}
    tab.locator("#form_composer .find").fill("烛光")
    button(tab, "candle light").click()
    expect(tab.locator("#form_composer .rows button:visible")).to_have_count(1)
    tab.locator("#form_composer .find").fill("")
    button(tab, "a painting of").click()
    expect(prompt(tab)).to_have_value("a painting of girl ??boy, candle light")
    button(tab, "Styles").click()
    button(tab, "Film still").click()
    button(tab, "Wuxia").click()
    expect(tab.locator("#form_negative_prompt textarea")).to_have_value(
        "painting, drawing, text, watermark, modern, western armor, text"
    )
    assert lit(tab) == {"Film still", "Wuxia"}
    button(tab, "Film still").click()  # the inner one
    assert lit(tab) == {"Wuxia"}
    button(tab, "Wuxia").click()
    expect(prompt(tab)).to_have_value("a painting of girl ??boy, candle light")
    expect(tab.locator("#form_negative_prompt textarea")).to_have_value("")


def test_keys_weigh_and_move(tab: Page) -> None:
    box = prompt(tab)
    box.fill("red star, big moon")
    box.evaluate("one => one.setSelectionRange(1, 1)")
    box.press("Control+ArrowUp")
    box.press("Control+ArrowUp")
    expect(box).to_have_value("(red:1.2) star, big moon")
    box.press("Control+ArrowDown")
    box.press("Control+ArrowDown")
    box.press("Control+ArrowDown")
    expect(box).to_have_value("(red:0.9) star, big moon")
    box.press("Alt+ArrowRight")
    expect(box).to_have_value("big moon, (red:0.9) star")


def test_every_style_goes_on_and_off_again(tab: Page) -> None:
    templates = [preset.fields["prompt"] for preset in load(ROOT / "presets" / "styles")]
    wrong = tab.evaluate(
        """async ([address, templates]) => {
             const {unwrap, wrap, wrapped} = await import(address), words = 'a small cat, blue';
             return templates.filter(one => { const text = wrap(words, one);
               return !wrapped(text, one) || unwrap(text, one) !== words || unwrap(wrap('', one), one) !== ''; }); }""",
        [address("composer/prompt_styles.js"), templates],
    )
    assert wrong == []


def test_the_form_is_kept_renamed_and_deleted(tab: Page, served: tuple[str, Path]) -> None:
    box = prompt(tab)
    box.fill("my own words, kept")
    tab.locator("#form_steps input[type=number]").fill("33")
    tab.locator("#form_steps input[type=number]").blur()
    told = tab.locator("#form_composer .told")
    tab.locator("#form_composer .name").fill("Anime")
    button(tab, "Save as preset").click()
    expect(told).to_have_text("Anime is the name of a shipped preset; choose another.")
    tab.locator("#form_composer .name").fill("Evening work")
    button(tab, "Save as preset").click()
    expect(told).to_have_text("Saved as “Evening work”.")
    (saved,) = load(served[1])
    assert (saved.name, saved.fields["prompt"], saved.fields["steps"]) == ("Evening work", "my own words, kept", 33)
    assert "seed" not in saved.fields
    box.fill("something else")
    preset = tab.locator("#form_preset input")
    preset.click()
    tab.get_by_role("option", name="Evening work").click()
    expect(box).to_have_value("my own words, kept")
    button(tab, "Mine").click()
    name = tab.locator("#form_composer .own input")
    name.fill("Night work")
    name.press("Enter")
    expect(button(tab, "Duplicate Night work")).to_be_visible()
    button(tab, "Duplicate Night work").click()
    button(tab, "Up Night work 2").click()
    expect(tab.locator("#form_composer .own input").first).to_have_value("Night work 2")
    button(tab, "Delete; it stays in the history Night work").click()
    expect(tab.locator("#form_composer .own")).to_have_count(1)
    assert [one.name for one in load(served[1])] == ["Night work 2"]
    preset.click()
    expect(tab.get_by_role("option", name="Night work")).to_have_count(1)
    tab.keyboard.press("Escape")


def test_a_list_cannot_be_opened_while_its_choices_change(tab: Page, served: tuple[str, Path]) -> None:
    held: list[Route] = []
    button(tab, "Mine").click()
    preset, offered = tab.locator("#form_preset input"), tab.locator("#form_preset")
    tab.route("**/gradio_api/**", lambda route: held.append(route) if is_refresh(route) else route.continue_())
    button(tab, "Delete; it stays in the history Night work 2").click()
    expect(tab.locator("#form_composer .own")).to_have_count(0)
    while not held:
        tab.wait_for_timeout(20)
    preset.evaluate("box => box.focus()")
    expect(offered.get_by_role("option")).to_have_count(0)
    for route in held:
        route.continue_()
    tab.unroute_all()
    preset.click()
    expect(offered.get_by_role("option").first).to_be_visible()
    expect(offered.get_by_role("option", name="Night work")).to_have_count(0)
    tab.keyboard.press("Escape")


def test_styles_of_another_program_come_in_and_go_out(tab: Page, served: tuple[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "styles.csv"
    file.write_bytes(
        '\ufeffname,prompt,negative_prompt\r\n# mine,,\r\n胶片,"film, grain",digital\r\nAnime,{prompt} x,\r\n'.encode()
    )
    button(tab, "Mine").click()
    tab.locator("#form_composer .exchange input").set_input_files(file)
    expect(tab.locator("#form_composer .told")).to_have_text("2 styles imported.")
    added = {
        one.name: dict(one.fields) for one in load(served[1]) if "film" in str(one.fields) or " x" in str(one.fields)
    }
    assert added == {
        "胶片": {"prompt": "{prompt}, film, grain", "negative_prompt": "{prompt}, digital"},
        "Anime 2": {"prompt": "{prompt} x"},  # a shipped preset has the name
    }
    with tab.expect_download() as download:
        button(tab, "Export styles.csv").click()
    assert download.value.suggested_filename == "styles.csv"
    rows = download.value.path().read_bytes().decode("utf-8-sig").splitlines()
    assert rows[0] == "name,prompt,negative_prompt"
    assert '胶片,"film, grain",digital' in rows
