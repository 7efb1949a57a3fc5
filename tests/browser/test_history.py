"""The History tab in a real browser: found, opened, compared, sorted out, sent on."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Error, Locator, Page, expect

from pipelines.groups import InitImage
from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from tests.browser.acts import generate, open_tab
from tests.browser.conftest import PATIENCE, Served, Visits
from webui.archive import pictures
from webui.archive.store import ImageStore, SavedImage

pytestmark = pytest.mark.browser

PROMPTS = ("a red star", "一只可爱的小猫", "a castle at night")


@pytest.fixture(scope="module")
def saved(served: Served) -> list[SavedImage]:
    """Seventy pictures that lie in the folder before the page is opened, the last one made from the first."""
    store = ImageStore(served.outputs)
    made: list[SavedImage] = []
    for number in range(70):
        request = GenerationRequest(prompt=PROMPTS[number % 3], seed=1000 + number, steps=1, width=64, height=64)
        if number == 69:
            request = replace(request, init=InitImage(image=pictures.read(made[0].path), strength=1.0))
        made.append(store.save(results(request)[0]))
    return made


@pytest.fixture
def page(visits: Visits, saved: list[SavedImage]) -> Page:
    page = visits.open()
    open_history(page)
    return page


def open_history(page: Page, name: str = "History") -> None:
    open_tab(page, name)
    expect(cells(page).first).to_be_visible()


def cells(page: Page) -> Locator:
    return page.locator("#history_view .cell")


def count(page: Page) -> Locator:
    return page.locator("#history_view .count")


def search(page: Page, words: str) -> None:
    page.locator("#history_view .words").fill(words)


def test_thumbnails_more_on_scrolling_and_none_through_gradios_cache(page: Page, saved: list[SavedImage]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    expect(count(page)).to_have_text("70 pictures")
    page.locator("#history_view .end").scroll_into_view_if_needed()
    expect(cells(page)).to_have_count(70)
    page.wait_for_function(
        "[...document.querySelectorAll('#history_view .cell img')].slice(-6).every(one => one.naturalWidth)"
    )
    assert not [url for url in asked if "/gradio_api/file=" in url]
    assert [url for url in asked if "/thumb/" in url]


def test_search_in_two_languages_and_filters(page: Page) -> None:
    search(page, "猫")
    expect(count(page)).to_have_text("23 pictures")
    search(page, "castle -red")
    expect(count(page)).to_have_text("23 pictures")
    search(page, "no such thing")
    expect(page.locator("#history_view .empty")).to_have_text("Nothing fits this search.")
    search(page, "")
    page.locator("#history_view .more-filters").click()
    page.locator("#history_view .by-task").select_option("img2img")
    expect(count(page)).to_have_text("1 picture")
    page.locator("#history_view .filters .reset").click()
    expect(count(page)).to_have_text("70 pictures")


def test_one_large_with_stars_tags_and_lineage(page: Page, saved: list[SavedImage]) -> None:
    page.locator("#history_view .more-filters").click()
    page.locator("#history_view .by-task").select_option("img2img")
    expect(cells(page)).to_have_count(1)
    cells(page).first.locator("> button").click()
    large = page.locator("dialog.large")
    expect(large.locator("table.settings")).to_contain_text(PROMPTS[0])
    large.locator(".five button").nth(3).click()
    expect(large.locator(".five button.on")).to_have_count(4)
    large.locator(".tags input").fill("夜景")
    large.locator(".tags input").press("Enter")
    expect(large.locator(".tags .tag")).to_have_text("夜景 ×")
    large.locator(".kin.parents button").click()
    expect(large.locator(".place")).to_contain_text(saved[0].path.name)
    expect(large.locator(".kin.children button")).to_have_count(1)
    large.locator(".close").click()
    expect(cells(page).first.locator(".stars")).to_have_text("★★★★")


def test_compare_with_a_slider(page: Page) -> None:
    for place in (0, 1):
        cells(page).nth(place).hover()
        cells(page).nth(place).locator(".tick").check()
    page.locator("#history_view .bar .compare").click()
    both = page.locator("dialog.both")
    expect(both.locator(".stage.comparing img")).to_have_count(2)
    shares = []
    for key in ("Home", "End"):
        both.locator(".split").press(key)
        shares.append(both.locator("img.other").evaluate("one => getComputedStyle(one).clipPath"))
    assert shares == ["inset(0px 0px 0px 0%)", "inset(0px 0px 0px 100%)"]
    page.keyboard.press("Escape")
    expect(both).to_be_hidden()


def test_deleted_undone_and_noticed_elsewhere(page: Page, saved: list[SavedImage]) -> None:
    cells(page).nth(2).hover()
    cells(page).nth(2).locator(".tick").check()
    page.locator("#history_view .bar .delete").click()
    expect(count(page)).to_have_text("69 pictures")
    assert sum(one.path.is_file() for one in saved) == 69
    page.locator("#history_view .undo").first.click()  # of the sheet; the large view has its own
    expect(count(page)).to_have_text("70 pictures")
    assert all(one.path.is_file() for one in saved)


def test_download_without_metadata(page: Page, tmp_path: Path) -> None:
    page.locator("#history_view .all").click()
    with page.expect_download() as waiting:
        page.locator("#history_view .bar .export").select_option("none")
    waiting.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert len(archive.namelist()) >= 60
        assert b"parameters" not in archive.read(archive.namelist()[0])


@pytest.mark.parametrize("way", ["img2img", "run"])
def test_sent_on(page: Page, saved: list[SavedImage], way: str) -> None:
    search(page, "castle")
    expect(count(page)).to_have_text("23 pictures")
    cells(page).first.locator("> button").click()
    page.locator(f"dialog.large .to_{way}").click()
    task = "txt2img" if way == "run" else way
    expect(page.locator("#form_prompt textarea")).to_have_value(PROMPTS[2])
    expect(page.get_by_role("tab", name=task)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#form_generate")).to_be_visible()


def test_a_file_put_there_by_hand_is_noticed(page: Page, served: Served) -> None:
    folder = served.outputs / "mine"
    folder.mkdir()
    Image.new("RGB", (80, 60), "orange").save(folder / "byhand.png")
    try:
        expect(count(page)).to_have_text("71 pictures", timeout=PATIENCE)
        expect(cells(page).first.locator("> button")).to_have_attribute("title", "mine/byhand.png")
    finally:
        (folder / "byhand.png").unlink()
    expect(count(page)).to_have_text("70 pictures", timeout=PATIENCE)


def test_in_chinese_on_a_small_screen(visits: Visits, saved: list[SavedImage]) -> None:
    page = visits.open(locale="zh-CN", viewport={"width": 420, "height": 800}, has_touch=True)
    open_history(page, "历史")
    expect(count(page)).to_have_text("70 张图片")
    cells(page).first.locator("> button").click()
    expect(page.locator("dialog.large .to_run")).to_have_text("使用其参数")
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_a_selection_is_made_again_and_what_differs_is_shown(visits: Visits, saved: list[SavedImage]) -> None:
    edited = saved[68].path
    with Image.open(edited) as image:
        texts = PngInfo()
        for key, value in image.text.items():  # type: ignore[attr-defined]
            texts.add_itxt(key, value)
        image = image.copy()
    image.paste((9, 9, 9), (20, 20, 40, 40))
    image.save(edited, pnginfo=texts)
    page = visits.open()
    open_history(page)
    for place in (0, 1, 2):
        cells(page).nth(place).hover()
        cells(page).nth(place).locator(".tick").check()
    page.locator("#history_view .bar .verify").click()
    proof = page.locator("dialog.proof")
    expect(proof.locator("> .line")).to_have_text("3 of 3 made again.")
    expect(proof.locator(".tally")).to_have_text("2 identical1 differ")
    differs = proof.locator(".one[data-verdict=differs]")
    expect(differs.locator("figure")).to_have_count(3)
    differs.scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('dialog.proof .proof-pair img')].every(one => one.naturalWidth === 64)"
    )
    proof.locator(".close").click()
    page.reload()
    open_history(page)  # what was found is still there
    page.locator("#history_view .proof-open").click()
    expect(proof.locator(".one")).to_have_count(3)


def enlarge(page: Page, place: int) -> Locator:
    """One picture large, all of it there."""
    cells(page).nth(place).locator("> button").click()
    large = page.locator("dialog.large")
    expect(large.locator(".badge-box .proved")).to_be_visible()
    page.wait_for_function("document.querySelector('dialog.large .stage img').src.includes('/image/')")
    return large


SHOWN = "document.querySelector('dialog.large .sheet-of-one').getBoundingClientRect()"
STAGE = "document.querySelector('dialog.large .stage').getBoundingClientRect()"


def test_the_picture_fills_the_frame_and_is_zoomed_about_the_pointer(page: Page, saved: list[SavedImage]) -> None:
    large = enlarge(page, 3)
    shown, stage = page.evaluate(SHOWN), page.evaluate(STAGE)
    assert abs(max(shown["width"] / stage["width"], shown["height"] / stage["height"]) - 1) < 0.01
    x, y = shown["x"] + shown["width"] * 0.25, shown["y"] + shown["height"] * 0.75
    page.mouse.move(x, y)
    for _ in range(3):
        page.mouse.wheel(0, -240)
    page.wait_for_function(f"{SHOWN}.width > {shown['width'] * 1.5}")
    zoomed = page.evaluate(SHOWN)
    assert abs(zoomed["x"] + zoomed["width"] * 0.25 - x) < 1
    assert abs(zoomed["y"] + zoomed["height"] * 0.75 - y) < 1
    page.mouse.down()
    page.mouse.move(x + 50, y - 30)
    page.mouse.up()
    dragged = page.evaluate(SHOWN)
    assert abs(dragged["x"] - zoomed["x"] - 50) < 1
    assert abs(dragged["y"] - zoomed["y"] + 30) < 1
    page.mouse.dblclick(x, y)  # the whole of it
    page.wait_for_function(f"Math.abs({SHOWN}.width - {shown['width']}) < 1")
    page.mouse.dblclick(x, y)  # and full size
    page.wait_for_function(f"Math.abs({SHOWN}.width - 64) < 0.5")
    large.locator(".stage").press("0")
    page.wait_for_function(f"Math.abs({SHOWN}.width - {shown['width']}) < 1")


def test_everything_by_the_keyboard(page: Page, saved: list[SavedImage]) -> None:
    large = enlarge(page, 3)
    where = large.locator(".where")
    expect(where).to_have_text("4 of 70")
    page.keyboard.press("ArrowRight")
    expect(where).to_have_text("5 of 70")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(where).to_have_text("3 of 70")
    before = page.evaluate(SHOWN)["width"]
    page.keyboard.press("+")
    page.wait_for_function(f"{SHOWN}.width > {before}")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement?.querySelector('.stage, .verbs, .badge-box') != null")
    page.evaluate("document.exitFullscreen()")
    page.wait_for_function("!document.fullscreenElement")
    large.locator(".verbs .download").focus()
    page.keyboard.press("ArrowRight")  # from anywhere but a text
    expect(where).to_have_text("4 of 70")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()


def test_two_compared_from_the_large_view(page: Page, saved: list[SavedImage]) -> None:
    large = enlarge(page, 2)
    large.locator(".compare-one").click()
    large.locator(".others button").first.click()
    expect(large.locator(".stage.comparing img.other")).to_be_visible()
    cut = large.locator(".cut")
    box = cut.bounding_box()
    assert box is not None
    before = large.locator("img.other").evaluate("one => one.style.clipPath")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 40)
    page.mouse.up()
    assert large.locator("img.other").evaluate("one => one.style.clipPath") != before
    large.locator(".compare-one").click()
    expect(large.locator(".stage.comparing")).to_have_count(0)


def test_seed_and_settings_are_copied_and_the_picture_too(visits: Visits, saved: list[SavedImage]) -> None:
    page = visits.open(permissions=["clipboard-read", "clipboard-write"])
    open_history(page)
    large = enlarge(page, 3)
    seed = large.locator('table.settings tr:has(th:text-is("Seed")) td').inner_text()
    large.locator(".copy_seed").click()
    expect(large.locator(".told")).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == seed
    large.locator(".copy_settings").click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.includes('Steps: 1'))")
    large.locator(".copy_picture").click()
    page.wait_for_function(
        "navigator.clipboard.read().then(([one]) => one.getType('image/png')).then(createImageBitmap)"
        ".then(one => one.width === 64, () => false)"
    )


def test_deleted_in_the_large_view_and_brought_back(page: Page, saved: list[SavedImage]) -> None:
    large = enlarge(page, 3)
    place = large.locator(".side .place").inner_text()
    large.locator(".verbs .delete").click()
    expect(large.locator(".told")).to_contain_text("1 moved to the trash.")
    expect(large.locator(".where")).to_have_text("4 of 69")
    expect(large.locator(".side .place")).not_to_have_text(place)
    large.locator(".told .undo").click()
    expect(large.locator(".side .place")).to_have_text(place)
    expect(large.locator(".where")).to_have_text("4 of 70")
    assert all(one.path.is_file() for one in saved)


def test_one_press_makes_a_picture_again_and_its_badge_says_so(page: Page, saved: list[SavedImage]) -> None:
    large = enlarge(page, 5)
    badge = large.locator(".badge-box .proved")
    expect(badge).to_have_attribute("data-verdict", "not_yet")
    expect(badge).to_contain_text("Not made again yet")
    large.locator(".check").click()
    expect(badge).to_have_attribute("data-verdict", "identical")
    expect(badge).to_contain_text(re.compile(r"Made again on 20\d\d-\d\d-\d\d \d\d:\d\d: identical.*fake"))
    page.keyboard.press("Escape")
    cell = cells(page).nth(5)
    expect(cell.locator(".proved")).to_have_text(re.compile("identical"))
    page.locator("#history_view .more-filters").click()
    page.locator("#history_view .by-proof").select_option("identical")
    expect(cells(page).locator(".proved[data-verdict=identical]").first).to_be_visible()
    expect(cells(page).locator(".proved:not([data-verdict=identical])")).to_have_count(0)
    page.reload()
    open_history(page)  # and it is kept
    expect(cells(page).nth(5).locator(".proved")).to_have_text(re.compile("identical"))


def test_what_cannot_be_made_again_is_not_offered_and_says_why(page: Page, served: Served) -> None:
    file = served.outputs / "foreign.png"
    texts = PngInfo()
    texts.add_text("parameters", "a boat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64")
    Image.new("RGB", (64, 64), "teal").save(file, pnginfo=texts)
    try:
        search(page, "boat")
        expect(count(page)).to_have_text("1 picture")
        large = enlarge(page, 0)
        expect(large.locator(".badge-box .proved")).to_have_attribute("data-verdict", "cannot")
        expect(large.locator(".why")).to_contain_text("Another program made it")
        expect(large.locator(".check")).to_have_count(0)
        expect(large.locator(".to_again")).to_have_count(0)
        page.keyboard.press("Escape")
        page.get_by_role("tab", name="Make again").click()
        page.locator("#again_image input[type=file]").set_input_files(file)
        expect(page.locator("#again_settings")).to_contain_text("Another program made it")
        expect(page.locator("#again_make")).to_be_disabled()
    finally:
        file.unlink()


EVIL = "<script>document.documentElement.dataset.ran = 1; fetch('/history/facets')</script>"


def test_a_file_from_the_archive_or_an_upload_runs_nothing(page: Page, visits: Visits, served: Served) -> None:
    """Opened by itself, as a link in a chat might do."""
    for name in ("evil.html", "evil.svg", "x.png"):
        (served.outputs / name).write_text(f"<svg xmlns='http://www.w3.org/2000/svg'>{EVIL}</svg>", encoding="utf-8")
    cell = page.locator("#history_view .cell", has_text="cannot be read")
    expect(cell).to_be_visible()
    fetched = page.evaluate(
        """async (text) => {
            const names = ["evil.html", "evil.svg", "x.png"];
            const body = new FormData();
            for (const name of names) body.append("files", new File([text], name));
            const places = await (await fetch("/gradio_api/upload", { method: "POST", body })).json();
            return places.map((place) => `/gradio_api/file=${place}`);
        }""",
        EVIL,
    )
    shown = cell.locator("img").get_attribute("src")
    assert shown is not None
    picture = shown.replace("/thumb/", "/image/")
    outputs = [f"/gradio_api/file={served.outputs}/{name}" for name in ("evil.html", "evil.svg", "x.png")]
    other = page.context.new_page()
    for address in [*fetched, picture, *outputs]:
        asked: list[str] = []
        other.on("request", lambda request, asked=asked: asked.append(request.url))
        try:
            other.goto(served.url.rstrip("/") + address)
        except Error as error:
            if "Download is starting" not in str(error):
                raise
            continue  # Chromium saves it
        assert other.evaluate("document.documentElement.dataset.ran") is None
        assert not [url for url in asked if "facets" in url]
    other.close()
    for name in ("evil.html", "evil.svg", "x.png"):
        (served.outputs / name).unlink()


def test_what_is_left_out_is_told(page: Page, served: Served) -> None:
    deep = served.outputs.joinpath(*"abcdefghijklmnopq")
    deep.mkdir(parents=True)
    expect(page.locator("#history_view .left-out")).to_contain_text("1 folders more than 16 folders deep are left out")
    deep.rmdir()


def test_where_words_look(page: Page, served: Served, tmp_path: Path) -> None:
    """Of a picture that this engine made: overlays of its words beside it, which go when another is opened."""
    open_tab(page, "txt2img")
    generate(page, prompt="a golden boat", width=64, height=64, steps=3)
    open_history(page)
    search(page, "golden")
    expect(cells(page).first.locator("img")).to_have_attribute("alt", "a golden boat")
    page.locator("#history_view .more-filters").click()
    page.locator("#history_view .by-kind").select_option("image")  # a grid is no picture that can be made again
    expect(cells(page).locator(".what").filter(has_text="grid")).to_have_count(0)
    before = served.pictures()
    cells(page).first.locator("> button").click()
    large = page.locator("dialog.large")
    expect(large.locator(".looks-box")).to_be_hidden()
    large.get_by_role("button", name="Where words look").click()
    expect(large.locator(".looks-box figure")).to_have_count(3)
    expect(large.locator(".looks-box .note")).to_contain_text("the same, pixel for pixel")
    expect(large.locator(".looks-box figcaption").nth(1)).to_contain_text("golden")
    page.screenshot(path=tmp_path / "looks.png")
    large.locator(".five button").nth(2).click()  # drawn anew: the overlays stay
    expect(large.locator(".five button.on")).to_have_count(3)
    expect(large.locator(".looks-box figure")).to_have_count(3)
    large.locator(".close").click()
    search(page, "castle")
    expect(cells(page).first.locator("img")).to_have_attribute("alt", PROMPTS[2])
    cells(page).first.locator("> button").click()
    expect(large.locator(".place")).to_be_visible()
    expect(large.locator(".looks-box")).to_be_hidden()
    assert served.pictures() == before


def test_stars_are_brighter_in_the_dark(visits: Visits, saved: list[SavedImage]) -> None:
    page = visits.open()
    open_history(page)
    large = enlarge(page, 7)
    large.locator(".five button").nth(2).click()
    lit = large.locator(".five button.on").first
    colour = "one => getComputedStyle(one).color.match(/\\d+/g).reduce((sum, part) => sum + Number(part), 0)"
    light = lit.evaluate(colour)
    page.evaluate("document.body.classList.add('dark'); localStorage.setItem('seedprint-theme', 'dark')")
    assert lit.evaluate(colour) > light
