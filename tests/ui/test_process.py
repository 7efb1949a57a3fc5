"""The Process tab: a picture that is chosen, its film, what cannot be filmed; and no trust in browsers."""

from __future__ import annotations

import hashlib
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.types import ModelInfo
from pipelines.watching import VIEWS, Dissolving
from webui.archive import pictures
from webui.archive.search import Query
from webui.lab.judge import WEIGHTS
from webui.process.film import DIFFERENCE, FRAME, LAST, film, moving, strip
from webui.process.latents import size_of
from webui.ui.layout import house_of
from webui.ui.process.anatomy import AnatomyCard
from webui.ui.process.experiments import ExperimentsCard, judges_of
from webui.ui.process.latents import reader
from webui.ui.process.tab import ProcessHandlers

from .conftest import Page
from .test_events import item, large, run


def lasting(moves: Any) -> int:
    """Milliseconds of all its frames."""
    found = 0
    for number in range(moves.n_frames):
        moves.seek(number)
        moves.load()  # which is when its own time is told
        found += moves.info["duration"]
    return found


@pytest.fixture
def told(ui: Page) -> Any:
    """What the film button yields for a value of the view: it streams, so it is called and not asked over HTTP."""
    tab: Any = SimpleNamespace(house=house_of(ui.parts), view="view", strip="strip", moving="moving")

    def show(value: Any, language: str = "en") -> list[dict[str, Any]]:
        request: Any = SimpleNamespace(headers={"accept-language": language}, cookies={})
        return list(ProcessHandlers(tab).show(value, request))

    return show


@pytest.fixture
def tried(ui: Page) -> Any:
    """What the button of an experiment yields, likewise."""
    view: Any = "view"
    card = ExperimentsCard(house_of(ui.parts), ui.parts.lab, ui.parts.history, view)

    def run_it(value: Any, wish: Any, language: str = "en") -> list[dict[str, Any]]:
        request: Any = SimpleNamespace(headers={"accept-language": language}, cookies={})
        return list(card.run(value, wish, request))

    return run_it


def test_a_picture_from_the_canvas_and_from_the_row(ui: Page) -> None:
    status = run(ui, "txt2img", prompt="a red star", seed=7, batch_size=2)
    place = item(ui, status, 1)["items"][1]["id"]
    for answer in (
        ui.call("form_send", {"canvas": large(ui, status, "process", 1)}),
        ui.call("process_choose", {"process_recent": item(ui, status, 1)}),
    ):
        shown = answer["process"]
        assert shown["place"] == place
        assert ui.client.get(shown["url"]).headers["content-type"] == "image/png"


def test_the_film_of_a_picture_and_its_files(ui: Page, told: Any) -> None:
    status = run(ui, "img2img", prompt="a red star", seed=7, batch_size=2, steps=8)
    before, place = len(ui.parts.service.recent(100)), item(ui, status, 1)["items"][1]["id"]
    waiting, *_, shown = told({"place": place})
    assert waiting["view"]["state"] == "working"
    view = shown["view"]
    assert view["state"] == "done"
    assert "pixel for pixel" in view["told"]
    assert [moment["step"] for moment in view["film"]] == sorted({moment["step"] for moment in view["film"]})
    assert {*view["film"][0]["views"]} == {*VIEWS, DIFFERENCE}
    still, moves = (Image.open(shown[name]["value"]) for name in ("strip", "moving"))
    assert lasting(moves) == len(view["film"]) * FRAME + LAST  # frames that are alike may have become one
    assert still.size == (64 * len(view["film"]), 64 * 6)
    assert len(ui.parts.service.recent(100)) == before  # nothing was saved in the archive
    assert "逐像素" in told({"place": place}, "zh")[-1]["view"]["told"]


def test_what_is_no_picture_is_told(ui: Page, told: Any) -> None:
    for value in (None, {}, 7, {"place": ""}, {"place": "../a.png"}, {"place": "/etc/passwd"}, {"place": 7}):
        (answer,) = told(value)
        assert answer["view"]["state"] == "refused"
    path = ui.outputs / "2020-01-01" / "20200101-1.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(path)
    *_, last = told({"place": path.relative_to(ui.outputs).as_posix()})
    assert last["view"]["state"] == "refused"
    assert last["view"]["told"]


def test_strip_and_moving_film_hold_what_was_seen(ui: Page) -> None:
    status = run(ui, "txt2img", prompt="a red star", seed=9, steps=4, batch_size=1)
    house = house_of(ui.parts)
    seen = film(status.saved[0].path, house.inputs, lambda batch: house.service.watched(batch, lambda _: None), 4)
    assert seen.identical
    whole = np.asarray(strip(seen))
    rows, columns = whole.shape[0] // 64, whole.shape[1] // 64
    assert (rows, columns) == (6, len(seen.moments))
    assert np.array_equal(whole[:64, :64], np.asarray(seen.moments[0].views["noisy"]))
    assert (whole[5 * 64 :] == 128).all()  # with the prompt and without the fake engine says the same
    moved = Image.open(BytesIO(moving(seen)))
    moved.seek(moved.n_frames - 1)  # type: ignore[attr-defined]
    assert np.array_equal(np.asarray(moved.convert("RGB")), np.asarray(seen.picture))


def test_each_experiment_shows_its_pictures_and_counts_them(ui: Page, tried: Any) -> None:
    status = run(ui, "img2img", prompt="a red star", seed=7, batch_size=1, steps=2)
    place = item(ui, status)["items"][0]["id"]
    for which, rows, columns in (
        ("steps", 4, 4),
        ("seeds", 2, 6),
        ("prompts", 2, 6),
        ("best", 2, 8),
        ("guidance", 4, 6),
    ):
        wish = {"which": which, "other_seed": 3, "other_prompt": "a fish", "marked": 3}
        first, *_, last = tried({"place": place}, wish)
        assert (first["which"], first["state"]) == (which, "working")
        assert (last["which"], last["state"]) == (which, "done"), last
        shown = last["result"]
        assert [len(row["cells"]) for row in shown["rows"]] == [columns] * rows
        for cell in (shown["rows"][0]["cells"][-1], shown["rows"][-1]["cells"][-1]):
            if not cell["url"].startswith("data:"):
                assert ui.client.get(cell["url"]).headers["content-type"].startswith("image/")
        assert all(len(row) == len(shown["table"]["head"]) for row in shown["table"]["rows"])
        assert ui.parts.lab.recent(1)[0].name.endswith(": a red star")
        if which == "best":
            scores = [float(cell["caption"].split(" · ")[1]) for row in shown["rows"] for cell in row["cells"]]
            assert scores == sorted(scores, reverse=True)
            found = ui.parts.history.search(Query(sort="score"), 50).entries
            assert [f"{entry.score.value:.3f}" for entry in found if entry.score] == [f"{one:.3f}" for one in scores]
            assert [entry.tags for entry in found[:4]] == [("best of 16",)] * 3 + [()]
    assert shown["curve"]["x"] == ["1", "2", "4", "7", "10", "15"]
    before = len(ui.parts.service.recent(1000))
    assert tried({"place": place}, {"which": "steps"}, "zh")[-1]["told"] == "共 16 张图片。"
    found = [one for one in ui.parts.service.recent(1000) if one.kind == "image"]
    assert len(found) <= before  # it found them all; a grid is saved besides


def test_a_clip_model_ranks_too(ui: Page, tried: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def info(name: str, *parts: str) -> ModelInfo:
        return ModelInfo(name=name, family="unknown", path=str(WEIGHTS), kind="image-encoder", parts=parts)

    both = info("half", "image_encoder"), info("clip", "image_encoder", "text_encoder")
    monkeypatch.setattr(ui.engine, "image_encoders", lambda: both)
    place = item(ui, run(ui, "txt2img", prompt="something", seed=700, batch_size=1, steps=2))["items"][0]["id"]
    assert judges_of(house_of(ui.parts))() == ["clip"]
    *_, last = tried({"place": place}, {"which": "best", "judge": "clip", "marked": None})
    assert last["state"] == "done", last
    assert last["result"]["table"]["name"] == "clip: cos"
    entry = ui.parts.history.entry(ui.parts.history.identity(ui.outputs / place))
    assert entry is not None
    assert entry.score is not None
    assert entry.tags == ()
    assert (entry.score.judge, entry.score.sha256) == ("clip", hashlib.sha256(WEIGHTS.read_bytes()).hexdigest())
    embedded = ui.engine.embed("clip", [pictures.read(ui.outputs / place)], lambda _: None, "something")
    seen, read = map(np.array, embedded)
    wanted = seen @ read / np.linalg.norm(seen) / np.linalg.norm(read)
    assert entry.score.value == pytest.approx(wanted)
    assert tried({"place": place}, {"which": "best", "judge": "half"})[0]["state"] == "refused"


def test_an_experiment_that_cannot_be_is_told(ui: Page, tried: Any) -> None:
    place = item(ui, run(ui, "txt2img", prompt="a red star", steps=2))["items"][0]["id"]
    for view, wish in (
        (None, {"which": "steps"}),
        ({"place": place}, None),
        ({"place": "../a.png"}, {"which": ["steps"]}),
        ({"place": place}, {"which": "prompts", "other_prompt": 7}),
        ({"place": place}, {"which": "seeds", "other_seed": "x"}),
        ({"place": place}, {"which": "seeds", "other_seed": 0.5}),
    ):
        (answer,) = tried(view, wish)
        assert answer["state"] == "refused"
        assert answer["told"]
    place = item(ui, run(ui, "txt2img", prompt="something", steps=2))["items"][0]["id"]
    (answer,) = tried({"place": place}, {"which": "best"})
    assert "names nothing that the judge knows" in answer["told"]


def test_the_anatomy_of_a_pictures_model(ui: Page) -> None:
    place = item(ui, run(ui, "txt2img", prompt="a red star", steps=9))["items"][0]["id"]
    request: Any = SimpleNamespace(headers={"accept-language": "en"}, cookies={})
    view: Any = "view"
    card = AnatomyCard(house_of(ui.parts), view)
    working, *_, shown = card.look({"place": place}, request)
    assert (working["state"], shown["state"]) == ("working", "done")
    assert {block["part"] for block in shown["blocks"]} == {"text_encoder", "unet", "vae"}
    assert ui.engine.batches[-1].request.steps == 6  # a few are enough
    for wrong in (None, {"place": "../a.png"}, {"place": 7}):
        assert [one["state"] for one in card.look(wrong, request)] == ["refused"]


def test_a_picture_is_taken_apart_in_the_latents_of_its_model(ui: Page) -> None:
    place = item(ui, run(ui, "img2img", prompt="a red star", seed=7, batch_size=1))["items"][0]["id"]
    ask = reader(house_of(ui.parts))
    shown = ask({"place": place, "left": [1, 0.5]})
    assert [view.startswith("data:image/jpeg") for view in shown["views"]] == [True, True]
    batch = ui.engine.batches[-1]
    assert batch.dissolving == Dissolving(left=(1.0, 0.5))
    assert batch.request.init is not None
    stepped = ask({"place": place, "left": [0.9, 0.5], "stepwise": True, "language": 1})
    assert (len(stepped["views"]), stepped["apart"], stepped["deviation"]) == (1, 0.0, 1.0)


def test_what_cannot_be_taken_apart_is_told(ui: Page) -> None:
    place = item(ui, run(ui, "txt2img", prompt="a red star"))["items"][0]["id"]
    ask, before = reader(house_of(ui.parts)), len(ui.engine.batches)
    wrong: tuple[Any, ...] = (None, [], 0.5, [0], [1.5], ["x"], [float("nan")], [10**400], [True] * 41, [[1]])
    for left in wrong:
        assert "above 0" in ask({"place": place, "left": left})["fault"]
    assert "above 0" in ask({"place": place, "left": [0.5, 0.9], "stepwise": True})["fault"]
    for wish in (None, 7, {"place": "../a.png", "left": [1]}, {"place": [], "left": [1]}):
        assert ask(wish)["fault"]
    assert "比例" in ask({"place": place, "left": [], "language": 1})["fault"]
    assert len(ui.engine.batches) == before


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((512, 512), (256, 256)), ((2000, 100), (256, 64)), ((128, 72), (128, 72)), ((90, 77), (88, 80))],
)
def test_it_is_encoded_as_large_as_it_is_shown(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert size_of(size) == wanted
