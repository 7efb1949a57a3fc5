"""Every way a picture is given: what is wrong with it is one sentence at once, in the page's language."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from webui.archive import pictures
from webui.jobs.maps import PICTURES

from .conftest import Page, is_skipped
from .test_events import picture, run

pytestmark = pytest.mark.lengthy


def png(side: int = 64, text: str = "") -> bytes:
    data, texts = BytesIO(), PngInfo()
    if text:
        texts.add_text("parameters", text)
    Image.effect_noise((side, side), 90).save(data, "PNG", pnginfo=texts)
    return data.getvalue()


BAD = {
    "a text": ("notes.png", b"just some words\n" * 20, "picture of a kind"),
    "empty": ("empty.png", b"", "picture of a kind"),
    "truncated": ("cut.png", png()[:2000], "damaged or not complete"),
    "truncated JPEG": ("cut.jpg", b"", "damaged or not complete"),
    "a wrong ending": ("paper.pdf", b"%PDF-1.7\n" + bytes(400), "picture of a kind"),
    "a drawing": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture of a kind"),
    "a TIFF": ("a.tiff", b"", "picture of a kind"),
}
DROPPED = {name: one for name, one in BAD.items() if "truncated" not in name}


def made(name: str) -> tuple[str, bytes, str]:
    file, data, told = BAD[name]
    if not data and name != "empty":
        buffer = BytesIO()
        noise = Image.effect_noise((64, 64), 90)
        noise.save(buffer, "TIFF" if name == "a TIFF" else "JPEG")
        data = buffer.getvalue() if name == "a TIFF" else buffer.getvalue()[: len(buffer.getvalue()) // 2]
    return file, data, told


def upload(ui: Page, name: str, data: bytes) -> str:
    answer = ui.client.post("/gradio_api/upload", files={"files": (name, data, "image/png")})
    return str(answer.json()[0])


@pytest.mark.parametrize("name", BAD)
def test_make_again_says_what_is_wrong_and_offers_nothing(ui: Page, name: str) -> None:
    file, data, told = made(name)
    path = picture(upload(ui, file, data))
    shown = ui.call("again_show", {"again_image": path})
    assert f'<p class="error-line">{Path(file).name}' in shown["again_settings"]
    assert told in shown["again_settings"]
    assert [shown[button]["interactive"] for button in ("again_make", "again_send")] == [False, False]
    chinese = re.sub(r"<[^>]+>", "", ui.call("again_show", {"again_image": path}, "zh")["again_settings"])
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert told not in chinese


@pytest.mark.parametrize("field", PICTURES.values())
def test_a_picture_to_be_followed_is_looked_at_once_it_is_given(ui: Page, field: str) -> None:
    box = f"form_{field}"
    for name in BAD:
        file, data, told = made(name)
        live = ui.call("form_followed", {box: picture(upload(ui, file, data))})["form_live"]
        assert told in live["faults"][field]
    assert is_skipped(ui.call("form_followed", {box: picture(upload(ui, "good.png", png()))})["form_live"])


@pytest.mark.parametrize(("box", "field"), [("form_many_pictures", "init_image"), ("form_many_masks", "mask")])
def test_each_of_several_pictures_is_looked_at_once_they_are_given(ui: Page, box: str, field: str) -> None:
    good = {"path": upload(ui, "good.png", png()), "orig_name": "good.png"}
    for name in BAD:
        file, data, told = made(name)
        wrong = {"path": upload(ui, file, data), "orig_name": file}
        live = ui.call("form_several", {box: [good, wrong]})["form_live"]
        assert told in live["faults"][field]
    assert is_skipped(ui.call("form_several", {box: [good, good]})["form_live"])


@pytest.mark.parametrize("name", DROPPED)
def test_what_is_dropped_and_no_picture_stays_where_it_was(ui: Page, name: str) -> None:
    file, data, told = made(name)
    answer = ui.call("drop_taken", {"drop_anywhere": {"uploaded": upload(ui, file, data)}})
    assert told in answer["drop_anywhere"]["error"]
    assert "value" not in (answer["way"] or {})
    chinese = ui.call("drop_taken", {"drop_anywhere": {"uploaded": upload(ui, file, data)}}, "zh")
    assert re.search(r"[\u4e00-\u9fff]", chinese["drop_anywhere"]["error"])


def test_too_large_is_told(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FILE_LIMIT", 1000)
    monkeypatch.setattr("webui.archive.containers.FILE_LIMIT", 1000)
    path = upload(ui, "large.png", png())
    for event, box, value in (
        ("again_show", "again_image", picture(path)),
        ("drop_taken", "drop_anywhere", {"uploaded": path}),
    ):
        told = str(ui.call(event, {box: value}))
        assert "large.png has" in told
        assert "are read" in told


def test_a_damaged_picture_still_shows_its_settings(ui: Page) -> None:
    whole = png(text="a lighthouse\nSteps: 9, Sampler: Euler a, Seed: 77")
    path = upload(ui, "cut.png", whole[: len(whole) // 2])
    dropped = ui.call("drop_taken", {"drop_anywhere": {"uploaded": path}})
    assert dropped["way"] == "again"
    shown = ui.call("again_show", {"again_image": dropped["again_image"]})
    assert "cut.png is damaged" in shown["again_settings"]
    assert "a lighthouse" in shown["again_settings"]
    assert (shown["again_make"]["interactive"], shown["again_send"]["interactive"]) == (False, True)


def test_a_good_picture_under_any_name_is_taken(ui: Page) -> None:
    """One named `.svg` was read as text, and the answer was a fault of the server."""
    for name in ("good.png", "good.svg", "good.txt", "good"):
        dropped = ui.call("drop_taken", {"drop_anywhere": {"uploaded": upload(ui, name, png())}})
        assert dropped["way"] == "again"
        shown = ui.call("again_show", {"again_image": dropped["again_image"]})
        assert "error-line" not in shown["again_settings"]


def test_make_again_is_offered_for_what_can_be_made_again(ui: Page) -> None:
    def offered(path: str) -> Any:
        return ui.call("again_show", {"again_image": picture(path)})["again_make"]["interactive"]

    assert offered(str(run(ui, "txt2img", seed=5).saved[0].path)) is True
    foreign = upload(ui, "other.png", png(text="a lighthouse\nSteps: 9, Sampler: Euler a, Seed: 77"))
    assert offered(foreign) is False
    assert offered(upload(ui, "plain.png", png())) is False
