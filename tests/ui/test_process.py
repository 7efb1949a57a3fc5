"""The Process tab: a picture that is chosen, its film, what cannot be filmed; and no trust in browsers."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.watching import VIEWS
from webui.process.film import DIFFERENCE, FRAME, LAST, film, moving, strip
from webui.ui.layout import house_of
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
