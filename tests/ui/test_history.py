"""The History tab's routes and its way to the other tabs, on the fake engine."""

from __future__ import annotations

import io
import re
import string
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.types import Task
from tests.ui.conftest import Page
from webui.archive.entries import VERDICTS
from webui.http.history import IDS_LIMIT, TICKETS, Tickets, Wanted
from webui.ui.widgets.sources import scripts
from webui.words.history import HISTORY_WORDS
from webui.words.upscale import UPSCALE_WORDS

PROMPTS = ("a red star", "一只可爱的小猫", "a castle <b>&\"'")


@pytest.fixture
def made(ui: Page) -> list[dict[str, Any]]:
    """Three pictures, newest first, as the page gets them; nothing else there."""
    everything = [item["id"] for item in ask(ui)["items"]]
    if everything:
        act(ui, "delete", everything)
    act(ui, "erase", [])
    for number, prompt in enumerate(PROMPTS):
        ui.generate(values={"form_prompt": prompt, "form_seed": 100 + number, "form_batch_size": 1})
    items: list[dict[str, Any]] = ask(ui)["items"]
    assert [item["prompt"] for item in items] == list(PROMPTS[::-1])
    return items


def ask(ui: Page, language: str = "en", **asked: Any) -> dict[str, Any]:
    answer = ui.client.get("/history/page", params=asked, headers={"accept-language": language})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def act(ui: Page, action: str, ids: list[str], value: str = "") -> dict[str, Any]:
    answer = ui.client.post("/history/act", json={"action": action, "ids": ids, "value": value})
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    assert done["problem"] is None
    return done


def prompts(ui: Page, **asked: Any) -> list[str]:
    return [item["prompt"] for item in ask(ui, **asked)["items"]]


def test_what_is_left_out_and_what_is_damaged_is_told(ui: Page, made: list[dict[str, Any]]) -> None:
    assert ask(ui, count=1)["left_out"] == []
    deep = ui.outputs.joinpath(*"abcdefghijklmnopq")
    deep.mkdir(parents=True)
    damaged = ui.outputs / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    ui.parts.history.refresh()
    answer = ask(ui, count=1)
    assert answer["left_out"] == [
        "1 folders more than 16 folders deep are left out, such as a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q."
    ]
    (item,) = [one for one in answer["items"] if one["unreadable"]]
    shown = ui.client.get(f"/history/picture/{item['id']}", headers={"accept-language": "en"}).json()
    assert "damaged.png is not a picture" in shown["settings"]
    deep.rmdir()
    damaged.unlink()
    ui.parts.history.refresh()
    assert ask(ui, count=1)["left_out"] == []


def test_words_filters_and_pages(ui: Page, made: list[dict[str, Any]]) -> None:
    assert prompts(ui, words="小猫") == [PROMPTS[1]]
    assert prompts(ui, words="a -castle") == [PROMPTS[0]]
    assert prompts(ui, seed="101") == [PROMPTS[1]]
    assert prompts(ui, sort="oldest", limit=2) == list(PROMPTS[:2])
    first = ask(ui, limit=2, count=1)
    assert first["count"] == 3
    rest = ask(ui, limit=2, after=first["after"])
    assert [one["id"] for one in first["items"] + rest["items"]] == [one["id"] for one in made]
    assert rest["after"] is None
    assert prompts(ui, task="img2img") == []
    assert prompts(ui, since="2999-01-01") == []
    facets = ui.client.get("/history/facets").json()
    assert facets["task"] == [["txt2img", 3]]
    assert facets["size"][0][1] == 3


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"seed": "x"}, "must be a whole number"),
        ({"since": "yesterday"}, "must be a day"),
        ({"sort": "best"}, "must be one of"),
        ({"after": "'; --"}, "cannot go on"),
        ({"rating": "9"}, "must be a whole number from 0 to 5"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_one_sentence(ui: Page, asked: dict[str, str], sentence: str) -> None:
    answer = ui.client.get("/history/page", params=asked)
    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]


def test_pictures_come_from_their_own_routes(ui: Page, made: list[dict[str, Any]]) -> None:
    for item in made:
        whole, small = ui.client.get(item["url"]), ui.client.get(item["thumb"])
        assert whole.content == (ui.outputs / item["place"]).read_bytes()
        assert "immutable" in whole.headers["cache-control"]
        with Image.open(io.BytesIO(small.content)) as thumb:
            assert thumb.format == "JPEG"
            assert max(thumb.size) <= 256
        assert item["place"] not in item["url"] + item["thumb"]
        assert re.fullmatch("[0-9a-f]{32}", item["id"])


def test_one_picture_with_its_settings(ui: Page, made: list[dict[str, Any]]) -> None:
    found = ui.client.get(f"/history/picture/{made[0]['id']}", headers={"accept-language": "zh"}).json()
    assert "a castle &lt;b&gt;&amp;" in found["settings"]
    assert "<b>" not in found["settings"]
    assert "提示词" in found["settings"]
    assert ui.client.get("/history/picture/nothing").status_code == 404


def test_stars_and_tags(ui: Page, made: list[dict[str, Any]]) -> None:
    ids = [item["id"] for item in made]
    act(ui, "rate", ids[:1], "4")
    act(ui, "tag", ids[1:], "夜景，best")
    assert [(item["rating"], item["tags"]) for item in ask(ui)["items"]] == [
        (4, []),
        (0, ["best", "夜景"]),
        (0, ["best", "夜景"]),
    ]
    assert prompts(ui, rating=3) == [PROMPTS[2]]
    assert prompts(ui, tag="夜景", words="red") == [PROMPTS[0]]
    act(ui, "untag", ids, "夜景")
    act(ui, "rate", ids, "0")
    assert prompts(ui, tag="夜景") == prompts(ui, rating=1) == []
    refused = ui.client.post("/history/act", json={"action": "rate", "ids": ids, "value": "9"})
    assert refused.status_code == 400


def test_deleting_undone(ui: Page, made: list[dict[str, Any]]) -> None:
    done = act(ui, "delete", [made[1]["id"]])
    assert prompts(ui) == [PROMPTS[2], PROMPTS[0]]
    (gone,) = ask(ui, trashed=1)["items"]
    assert done["ids"] == [gone["id"]]
    assert ui.client.get(gone["thumb"]).status_code == 200
    act(ui, "restore", done["ids"])
    assert [item["id"] for item in ask(ui)["items"]] == [item["id"] for item in made]
    assert ask(ui, trashed=1)["items"] == []


def test_moving(ui: Page, made: list[dict[str, Any]]) -> None:
    act(ui, "move", [made[0]["id"]], "best/红")
    assert ask(ui)["items"][0]["place"].startswith("best/红/")
    refused = ui.client.post("/history/act", json={"action": "move", "ids": [made[1]["id"]], "value": "../x"})
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("Name one to 3 folders")
    assert not (ui.outputs.parent / "x").exists()


def test_downloads_once(ui: Page, made: list[dict[str, Any]]) -> None:
    ids = [item["id"] for item in made]
    url = ui.client.post("/history/export", json={"kind": "none", "ids": ids}).json()["url"]
    answer = ui.client.get(url)
    assert answer.headers["content-disposition"].startswith('attachment; filename="seedprint-')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len(archive.namelist()) == 3
    assert ui.client.get(url).status_code == 404
    url = ui.client.post("/history/export", json={"kind": "sheet", "ids": ids}).json()["url"]
    assert ui.client.get(url).headers["content-type"] == "image/jpeg"


def test_downloads_not_fetched_are_forgotten() -> None:
    tickets = Tickets()
    given = [tickets.give(Wanted(kind="full", ids=[])) for _ in range(TICKETS + 1)]
    assert tickets.take(given[0]) is None
    assert tickets.take(given[1]) is not None


@pytest.mark.attack(14)
@pytest.mark.parametrize(
    "body",
    [
        {"action": "delete", "ids": ["../../etc/passwd"]},
        {"action": "delete", "ids": ["0" * 32] * (IDS_LIMIT + 1)},
        {"action": "format", "ids": []},
        {"action": "tag", "ids": [], "value": "x" * 500},
        {"ids": []},
    ],
    ids=lambda body: str(body)[:40],
)
def test_odd_wishes_are_refused(ui: Page, body: dict[str, Any]) -> None:
    assert ui.client.post("/history/act", json=body).status_code == 422


@pytest.mark.parametrize("way", ["img2img", "inpaint", "again", "run"])
def test_sending_on(ui: Page, made: list[dict[str, Any]], way: str) -> None:
    answer = ui.call("history_send", {"history_view": {"send": way, "place": made[0]["place"]}})
    opened = {"run": "txt2img"}.get(way, way)
    assert answer["way"] == opened
    if way == "again":
        assert answer["again_image"]["orig_name"] or answer["again_image"]["path"]
    else:
        assert answer["form_prompt"]["value"] == PROMPTS[2]


@pytest.mark.parametrize(
    "value",
    [None, {}, {"send": "run", "place": "../x.png"}, {"send": "fly", "place": ""}, {"send": "run", "place": ["x"]}],
    ids=str,
)
def test_sending_nothing_is_told(ui: Page, value: Any) -> None:
    answer = ui.call("history_send", {"history_view": value})
    assert "no longer" in answer["history_view"]["error"]


def test_lineage(ui: Page, made: list[dict[str, Any]]) -> None:
    parent = ui.outputs / made[0]["place"]
    status = ui.generate("img2img", {"form_image": uploaded(ui, parent), "form_batch_size": 1})
    assert status.state == "done", status.error
    child = ask(ui, task="img2img")["items"][0]
    found = ui.client.get(f"/history/picture/{child['id']}").json()
    assert [one["id"] for one in found["parents"]] == [made[0]["id"]]
    found = ui.client.get(f"/history/picture/{made[0]['id']}").json()
    assert [one["id"] for one in found["children"]] == [child["id"]]


def test_another_programs_text_is_shown_after_every_step(ui: Page, tmp_path: Path) -> None:
    text = "<b>a fox</b>\nSteps: 7, Sampler: Euler a, Seed: 5, Size: 64x64"
    chunks = PngInfo()
    chunks.add_text("parameters", text)
    picture = tmp_path / "theirs.png"
    Image.effect_noise((64, 64), 60).convert("RGB").save(picture, pnginfo=chunks)
    for step in range(2):
        wish = {"form_image": uploaded(ui, picture), "form_prompt": f"step {step}", "form_seed": step}
        status = ui.generate("img2img", wish)
        assert status.state == "done", status.error
        picture = status.saved[0].path
        shown = ui.client.get(f"/history/picture/{status.saved[0].id}").json()["settings"]
        assert "Text of the first picture of this line (another program)" in shown
        assert "&lt;b&gt;a fox&lt;/b&gt;" in shown


def uploaded(ui: Page, path: Any) -> dict[str, Any]:
    with path.open("rb") as file:
        answer = ui.client.post("/gradio_api/upload", files={"files": (path.name, file, "image/png")})
    return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("key", HISTORY_WORDS)
def test_both_languages(key: str) -> None:
    english, chinese = HISTORY_WORDS[key]
    assert english.strip()
    assert chinese.strip()
    slots = [sorted(part[1] for part in string.Formatter().parse(text) if part[1]) for text in (english, chinese)]
    assert slots[0] == slots[1]
    assert not re.search(r"[\u4e00-\u9fff]", english)
    assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_the_script_uses_the_words_there_are() -> None:
    script = "".join(text for place, text in scripts().items() if place.startswith("history/"))
    used = set(re.findall(r"(?:tell|#button|#step|#kin)\(\"([a-z0-9_]+)\"", script))
    assert len(used) > 30
    assert used <= HISTORY_WORDS.keys() | UPSCALE_WORDS.keys()
    named = {*re.findall(r'"([a-z0-9_]+)"', script), *re.findall(r"([a-z0-9_]+): \"", script)}
    made_up = {*get_args(Task), "image", *(f"proof_{verdict}" for verdict in VERDICTS)}
    assert HISTORY_WORDS.keys() - named - made_up == set()


@pytest.mark.parametrize("task", ["img2img", "inpaint"])
def test_a_picture_of_another_archive_brings_its_inputs(ui: Page, task: str) -> None:
    """One that was copied below the output folder, with its `inputs` beside it."""
    from pipelines.groups import InitImage, Inpaint
    from pipelines.types import GenerationRequest
    from webui.archive.inputs import pixels_sha256
    from webui.archive.store import ImageStore

    there = ImageStore(ui.outputs / f"older {task}")
    there.prepare()
    init = InitImage(image=Image.effect_noise((64, 64), 90).convert("RGB"))
    mask = Inpaint(mask=Image.effect_noise((64, 64), 90)) if task == "inpaint" else None
    request = GenerationRequest(prompt="a cat", width=64, height=64, steps=2, seed=3, init=init, inpaint=mask)
    (result,) = ui.engine.generate(next(request.batches_from(3)), lambda _: None)
    place = there.save(result).path.relative_to(ui.outputs).as_posix()
    answer = ui.call("history_send", {"history_view": {"send": "run", "place": place}})
    assert answer["way"] == task
    sha256 = pixels_sha256(init.image)
    if mask is None:
        assert Path(answer["form_image"]["path"]).stem == sha256
    else:
        painted = answer["form_painter"]
        assert painted["source"] == sha256
        assert ui.client.get(painted["url"]).status_code == 200
        assert Path(painted["mask_url"]).stem == pixels_sha256(mask.mask)
        assert ui.client.get(painted["mask_url"]).status_code == 200
    assert ui.parts.store.inputs.get(sha256).tobytes() == init.image.tobytes()


def test_a_grid_has_the_size_of_its_own_file(ui: Page, made: list[dict[str, Any]]) -> None:
    ui.generate(values={"form_batch_size": 2, "form_width": 128, "form_height": 192})
    grid = ask(ui, kind="grid")["items"][0]
    told = ui.client.get(f"/history/picture/{grid['id']}").json()["settings"]
    with Image.open(io.BytesIO(ui.client.get(grid["url"]).content)) as image:
        assert f"<td>{image.width} × {image.height}</td>" in told
    assert "<td>128 × 192</td>" not in told
