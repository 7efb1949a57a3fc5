"""The pictures of the README, taken of the real program with its model: `python -m tools.screenshots [FOLDER]`.

One visit, in the order of the story: a picture is made, painted into, made again, found, counted with, filmed.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.acts import fill, generate, open_tab, paint
from tests.browsers import OPTIONS, usable
from tests.conftest import started

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
SIZE = (1440, 900)
PATIENCE = 90_000  # milliseconds
QUALITY = 80
PROMPTS = (
    "a yellow rocket in space, cartoon",
    "a white cat on a meadow, watercolor",
    "a small red house in the mountains at sunset",
    "a purple fish in the sea, pixel art",
    "an orange boat on the sea at night",
    "a pink flower on a teal background",
    "a big green tree in the snow",
    "a blue car in the city at night, cartoon",
)


def create(page: Page) -> None:
    generate(page, prompt="a red boat on the sea at sunset", seed=1, batch_size=4, width=192, height=128)


def inpaint(page: Page) -> None:
    page.locator("#form_to_inpaint").click()
    expect(page.locator("#form_painter canvas")).to_be_visible()
    fill(page, strength=1, batch_size=1, prompt="a purple boat on the sea at sunset")
    for stroke in range(13):
        height = 0.27 + stroke * 0.05
        paint(page, (0.3, height), (0.7, height))


def again(page: Page) -> None:
    generate(page)
    page.locator("#form_to_again").click()
    expect(page.locator("#again_settings")).to_contain_text("a purple boat")
    page.locator("#again_make").click()
    expect(page.locator("#again_report b")).to_have_text("identical")
    expect(page.locator("#header .open-queue")).to_have_text("Queue (0)")


def history(page: Page) -> None:
    open_tab(page, "txt2img")
    for seed in range(2):
        for prompt in PROMPTS:
            generate(page, prompt=prompt, seed=seed, batch_size=1, width=128, height=128)
    open_tab(page, "History")
    expect(page.locator("#history_view .cell img").nth(20)).to_be_visible()


def lab(page: Page) -> None:
    open_tab(page, "Lab")
    page.get_by_role("button", name="A sentence or single words?").click()
    expect(page.locator("#lab_prompt textarea")).to_have_value("a red star and a blue heart on a white background")
    expect(page.locator("#lab_estimate")).to_contain_text("24 pictures")
    page.locator("#lab_start").click()
    expect(page.locator("#lab_live .line")).to_contain_text("Done: 24")
    expect(page.locator("#lab_plot svg")).to_be_visible()
    page.mouse.move(SIZE[0] / 2, SIZE[1] / 2)
    page.mouse.wheel(0, -5000)


def process(page: Page) -> None:
    open_tab(page, "txt2img")
    generate(page, prompt="a red boat on the sea at sunset", seed=1, batch_size=1, width=128, height=128)
    page.locator("#form_to_process").click()
    page.locator("#process .film-it").click()
    expect(page.locator("#process .rows img").nth(30)).to_be_visible()
    page.mouse.move(SIZE[0] / 2, SIZE[1] / 2)
    page.mouse.wheel(0, 700)


STORY: tuple[Callable[[Page], None], ...] = (create, inpaint, again, history, lab, process)


def taken(page: Page, place: Path) -> None:
    page.mouse.move(0, 0)  # nothing is pointed at
    page.wait_for_function("() => [...document.images].every(one => !one.src || one.complete)")
    page.evaluate("document.activeElement.blur()")
    page.locator("#workspace").evaluate("one => [...one.querySelectorAll('*')].forEach(part => (part.scrollTop = 0))")
    page.wait_for_timeout(700)  # what moves has come to rest
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(place, quality=QUALITY, method=6)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="tools.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        app = started((), Path(place))
        browser = playwright.chromium.launch(executable_path=usable(obtain=False), args=OPTIONS)
        try:
            page = browser.new_page(
                locale="en-US", color_scheme="light", viewport={"width": SIZE[0], "height": SIZE[1]}
            )
            page.set_default_timeout(PATIENCE)
            page.goto(app.link)
            expect(page.locator("#header")).to_contain_text("ready")
            for step in STORY:
                step(page)
                taken(page, folder / f"{step.__name__}.webp")
                sys.stderr.write(f"{step.__name__}\n")
        finally:
            browser.close()
            app.end()


if __name__ == "__main__":
    main()
