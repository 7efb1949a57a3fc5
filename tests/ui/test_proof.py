"""Pictures made again and compared from the page: a selection of the History tab, and the pair in Make again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.ui.conftest import Page
from webui.archive import metadata
from webui.jobs.service import AGAIN_LIMIT
from webui.proof.remade import KEPT, Remade

EDITED = (3, 4)  # the one pixel that differs


def edit(path: Path) -> None:
    """One pixel other than it was made; the settings stay."""
    with Image.open(path) as image:
        texts = PngInfo()
        for key, value in image.text.items():  # type: ignore[attr-defined]
            texts.add_itxt(key, value)
        image = image.copy()
    image.putpixel(EDITED, tuple(level ^ 16 for level in image.getpixel(EDITED)))  # type: ignore[union-attr, arg-type]
    image.save(path, pnginfo=texts)


@pytest.fixture(scope="module")
def job(ui: Page) -> str:
    """The run over four pictures: two that are the same, one edited, one from elsewhere."""
    status = ui.generate(values={"form_prompt": "a <b>cat</b>", "form_seed": 7, "form_batch_size": 3})
    edit(status.saved[1].path)
    Image.new("RGB", (8, 8)).save(ui.outputs / "elsewhere.png")
    ui.parts.history.refresh()
    ids = [
        ui.parts.history.identity(path) for path in (*(one.path for one in status.saved), ui.outputs / "elsewhere.png")
    ]
    answer = ui.client.post("/history/verify", json={"ids": ids})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["job"]
    ui.finished(found)
    return found


def look(ui: Page, job: str, language: str = "en", after: int = 0) -> dict[str, Any]:
    answer = ui.client.get(f"/history/verify/{job}", params={"after": after}, headers={"accept-language": language})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def test_a_selection_is_verified_with_a_result_for_each(ui: Page, job: str) -> None:
    found = look(ui, job)
    assert (found["state"], found["done"], found["total"], found["share"]) == ("done", 4, 4, 1.0)
    assert found["counts"] == {"identical": 2, "differs": 1, "cannot": 1}
    results = {one["verdict"]: one["html"] for one in found["results"]}
    assert "does not hold the settings" in results["cannot"]
    assert "elsewhere.png" in results["cannot"]
    assert "differs in 1 pixels, by at most 16 of 255" in results["differs"]
    assert "PSNR" in results["differs"]
    assert "pixels were changed after it was saved" in results["differs"]
    assert "proof-pair" not in results["identical"]
    assert [one["verdict"] for one in look(ui, job, after=3)["results"]] == [found["results"][3]["verdict"]]


def test_it_is_told_in_chinese(ui: Page, job: str) -> None:
    told = " ".join(one["html"] for one in look(ui, job, "zh-CN")["results"])
    for words in ("像素被修改过", "完全一致", "有 1 个像素不同", "无法重现", "现在生成", "差异（放大 15 倍）"):
        assert words in told


def test_the_pair_and_the_difference_can_be_looked_at(ui: Page, job: str) -> None:
    place = [one["verdict"] for one in look(ui, job)["results"]].index("differs")
    shown = {}
    for which in ("before", "now", "difference"):
        url = f"/history/verify/{job}/{place}/{which}"
        assert url in look(ui, job)["results"][place]["html"]
        answer = ui.client.get(url)
        assert answer.status_code == 200
        with Image.open(io.BytesIO(answer.content)) as image:
            shown[which] = image.convert("RGB")
    before, now = (shown[which].getpixel(EDITED) for which in ("before", "now"))
    assert [abs(a - b) for a, b in zip(before, now, strict=True)] == [16] * 3  # type: ignore[arg-type]
    assert shown["difference"].getpixel(EDITED) == (240,) * 3  # 16 × 15, the strongest that stays below 256
    assert shown["difference"].getbbox() == (3, 4, 4, 5)


@pytest.mark.parametrize(
    "where", ["{job}/99/now", "{job}/-1/before", "{job}/0/now", "{job}/0/../x", "x" * 32, "x/0/now"]
)
def test_what_is_not_there_is_not_given(ui: Page, job: str, where: str) -> None:
    assert ui.client.get(f"/history/verify/{where.format(job=job)}").status_code == 404


def test_a_run_that_generates_is_none_of_these(ui: Page) -> None:
    status = ui.generate()
    assert ui.client.get(f"/history/verify/{status.id}").status_code == 404
    assert ui.client.post(f"/history/verify/{status.id}/cancel").status_code == 404


def test_too_many_or_none_is_one_sentence(ui: Page) -> None:
    answer = ui.client.post("/history/verify", json={"ids": []}, headers={"accept-language": "zh"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == f"请选择 1 到 {AGAIN_LIMIT:,} 张图片，现为 0 张。"


def test_make_again_shows_the_pair(ui: Page) -> None:
    path = ui.generate(values={"form_seed": 9}).saved[0].path
    for edited in (False, True):
        if edited:
            edit(path)
        answer = ui.call("again_submit", {"again_image": {"path": str(path), "meta": {"_type": "gradio.FileData"}}})
        done = ui.finished(answer["seedprint-jobs-again"][-1])
        report = ui.watch("again_watch", {"seedprint-jobs-again": [done.id]})["again_report"]["value"]
        assert (f"/history/verify/{done.id}/0/difference" in report) == edited


def test_only_the_newest_pairs_are_kept(tmp_path: Path) -> None:
    remade, picture = Remade(tmp_path), Image.new("RGB", (2, 2))
    for place in range(KEPT + 1):
        remade.put("job", place, picture, picture if place % 2 else picture.resize((3, 3)))
    assert remade.find("job", 0, "now") is None
    assert remade.find("job", 1, "difference") is not None
    assert remade.find("job", 2, "now") is not None
    assert remade.find("job", 2, "difference") is None  # of two sizes
    Remade(tmp_path)
    assert not tmp_path.exists()  # a new start begins without


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("left", [0, 1])
def test_which_files_are_gone_is_told(ui: Page, monkeypatch: pytest.MonkeyPatch, when: str, left: int) -> None:
    saved = ui.generate(values={"form_seed": 40 + left, "form_batch_size": 3}).saved
    ids = [ui.parts.history.identity(one.path) for one in saved]
    gone = [one.path for one in saved[left:]]

    def vanish() -> None:
        for path in gone:
            path.unlink(missing_ok=True)

    if when == "before":
        vanish()
    else:
        read = metadata.read
        monkeypatch.setattr(metadata, "read", lambda source: (vanish(), read(source))[1])
    answer = ui.client.post("/history/verify", json={"ids": ids}, headers={"accept-language": "zh"})
    names = "、".join(path.name for path in gone)
    if when == "before" and not left:
        assert (answer.status_code, answer.json()["detail"]) == (400, f"图片 {names} 已不存在。")
        return
    job = answer.json()["job"]
    ui.finished(job)
    found = look(ui, job, "zh")
    told = [one["html"] for one in found["results"] if one["verdict"] == "cannot"]
    assert all(f"{path.name} 不存在。" in html for path, html in zip(gone, told, strict=True))
    if left:
        assert (found["state"], found["error"], found["counts"]["identical"]) == ("done", "", 1)
    else:
        assert (found["state"], found["error"]) == ("failed", f"图片 {names} 已不存在。")
        live = ui.watch("again_watch", {"seedprint-jobs-again": [job]}, "zh")["again_live"]
        assert (live["state"], live["error"]) == ("failed", f"图片 {names} 已不存在。")
