"""The same page on the built-in model: the words it says about real pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import StartApp

from .acts import generate, kept_mask, live, paint
from .conftest import Served, Visits

pytestmark = [pytest.mark.browser, pytest.mark.torch]


@pytest.fixture(scope="module")
def served(start_app: StartApp) -> Served:
    app = start_app()
    return Served(app.link, app.folder / "outputs", app.folder / "data")


def test_from_words_to_inpainting_to_the_same_pixels_again(visits: Visits, served: Served) -> None:
    before = {*served.pictures()}  # a first try's, if this is the second
    page = visits.open()
    generate(page, prompt="a red star on a blue background", seed=7, batch_size=1, steps=6)
    page.locator("#form_to_img2img").click()
    expect(page.locator("#form_image img")).to_be_visible()
    generate(page, prompt="a green tree", seed=8, batch_size=2, steps=6)
    page.locator("#form_to_inpaint").click()
    expect(page.locator("#form_painter canvas")).to_be_visible()
    paint(page, (0.4, 0.5), (0.6, 0.5))
    generate(page, prompt="a yellow moon", seed=9, batch_size=1, steps=6)
    expect(live(page)).to_contain_text("0 pixels changed outside")

    txt2img, *img2img, inpainted = sorted({*served.pictures()} - before, key=lambda path: path.stat().st_mtime_ns)
    assert [path.parts[-3] for path in (txt2img, *img2img, inpainted)] == ["txt2img", "img2img", "img2img", "inpaint"]
    with Image.open(inpainted) as after, Image.open(img2img[0]) as start:
        same = (np.asarray(after.convert("RGB")) == np.asarray(start.convert("RGB"))).all(axis=2)
    far = np.asarray(kept_mask(served, inpainted).resize(start.size)) == 0
    far[:, 16:-16] = False  # the stroke and its blur are in the middle
    assert same[far].all()
    assert not same.all()

    page.locator("#form_to_again").click()
    expect(page.locator("#again_settings")).to_contain_text("a yellow moon")
    page.locator("#again_make").click()
    expect(page.locator("#again_report b")).to_have_text("identical")
