"""What a person does on the page, as the browser tests say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Served
from webui.archive import metadata


def live(page: Page) -> Locator:
    """The line that tells how far the run is."""
    return page.locator("#form_live .live")


def strip(page: Page, of: str) -> Locator:
    """The canvas' small pictures. `of`: "run", this run's, or "recent"."""
    return page.locator(f"#canvas .strip button.{of}")


def caption(page: Page) -> Locator:
    """What is said of the picture that is shown large."""
    return page.locator("#canvas .caption")


def field(page: Page, name: str) -> Locator:
    """The box of a field, whatever it is made of."""
    return page.locator(f"#{name} textarea, #{name} input[type=number]").first


def fill(page: Page, place: str = "form", **values: Any) -> None:
    """`place`: what the boxes' ids begin with."""
    for name, value in values.items():
        field(page, f"{place}_{name}").fill(str(value))
        field(page, f"{place}_{name}").blur()


def generate(page: Page, **values: Any) -> None:
    """Fills in, clicks, waits until it is done."""
    fill(page, **values)
    live(page).evaluate("one => { one.dataset.state = 'asked' }")  # what the run before left there counts no more
    page.locator("#form_generate").click()
    expect(live(page)).to_have_attribute("data-state", "done")


def open_tab(page: Page, name: str) -> None:
    """Beside the others, or behind the three dots: by the window and the fonts there are."""
    tab = page.locator("#frame").get_by_role("tab", name=name, exact=True)
    menu = page.locator("#frame .overflow-menu")
    expect(page.locator("#frame .tab-container.visually-hidden")).to_contain_text(name)  # words are there
    if menu.is_visible():
        page.wait_for_timeout(300)  # with words the tabs are laid out once more
    if tab.is_visible():
        tab.click()
    else:
        menu.locator("> button").click()
        menu.locator(".overflow-dropdown button").filter(has_text=name).click()


def unfold(page: Page) -> None:
    """What stands under "More settings": before, it is not on the page at all."""
    page.locator("#form_more > button").click()
    expect(page.locator("#form_sampler input")).to_be_visible()


def upload_picture(page: Page, task: str, folder: Path) -> Path:
    """The picture to start from. `task`: "img2img" or "inpaint"."""
    path = folder / "start.png"
    picture = Image.new("RGB", (160, 128), "blue")
    picture.paste("yellow", (60, 40, 100, 90))
    picture.save(path)
    place = "#form_painter .picture-file" if task == "inpaint" else "#form_image input[type=file]"
    page.locator(place).set_input_files(path)
    return path


def paint(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """One stroke with the mouse; places as shares of the canvas."""
    show_painter(page)
    box = page.locator("#form_painter canvas").bounding_box()
    assert box is not None
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    with page.expect_response(lambda answer: "/upload" in answer.url and answer.request.method == "POST"):
        page.mouse.move(x0, y0)
        page.mouse.down()
        page.mouse.move(x1, y1, steps=10)
        page.mouse.up()


def press(page: Page, name: str) -> None:
    """A painter's button that changes the mask."""
    show_painter(page)
    with page.expect_response(lambda answer: "/upload" in answer.url and answer.request.method == "POST"):
        page.locator(f"#form_painter button.{name}").click()


def show_painter(page: Page) -> None:
    """A run shows its result in the painter's place."""
    page.locator("#canvas_mode button[value=paint]").click()
    expect(page.locator("#form_painter canvas")).to_be_visible()


def newest(served: Served) -> Path:
    """The picture that was saved last."""
    return max(served.pictures(), key=lambda path: path.stat().st_mtime_ns)


def kept_mask(served: Served, path: Path) -> Image.Image:
    """The mask that the picture at `path` was made with."""
    record = metadata.read(path).record
    assert record is not None
    mask = Image.open(served.outputs / "inputs" / f"{record.settings['inpaint']['mask']}.png")
    mask.load()
    return mask
