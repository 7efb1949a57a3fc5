"""No answer of the page tells in which folder, and so under whose name, the program lies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image

from .conftest import Page
from .test_bad_values import sent, start
from .test_events import TASKS, WAYS, item, large, picture, run, uploaded

pytestmark = pytest.mark.lengthy


@pytest.fixture
def place(ui: Page) -> str:
    """The folder that data, pictures and models lie in, as it would stand in JSON."""
    return json.dumps(str(ui.outputs.parent))[1:-1]


def test_the_page_itself_tells_no_folder(ui: Page, place: str) -> None:
    for path in ("/", "/config", "/gradio_api/info", "/gradio_api/startup-events", "/gradio_api/file=page/none.png"):
        assert place not in ui.client.get(path).text, path


def test_an_upload_is_named_from_the_data_folder_and_comes_back(ui: Page, place: str) -> None:
    path = uploaded(ui, Image.new("RGB", (80, 64), "red"))
    assert path.startswith("page/")
    assert ui.client.get(f"/gradio_api/file={path}").status_code == 200
    assert place not in json.dumps(ui.call("again_show", {"again_image": picture(path)}))


def test_no_event_tells_a_folder(ui: Page, place: str) -> None:
    status = run(ui, "inpaint", prompt="a red star")
    shown, ways = item(ui, status), [{"canvas": large(ui, status, way)} for way in WAYS]
    given: dict[str, Any] = {
        **{f"{tab}_recent": shown for tab in ("again", "lab", "process")},
        "again_image": picture(uploaded(ui, Image.new("RGB", (80, 64), "red"))),
        "form_image": picture(uploaded(ui, Image.new("RGB", (80, 64), "red"))),
    }
    telling: dict[str, str] = {}
    for event, known in ui.events.items():
        names = [ui.name_of(one) for one in known["inputs"]]
        for more in ways if "canvas" in names else [{"task": task} for task in TASKS] if "task" in names else [{}]:
            wish = {**given, **more}
            data = [wish.get(name, start(ui, one)) for name, one in zip(names, known["inputs"], strict=True)]
            before, told, after = sent(ui, event, data).text.partition(place)
            if told:
                telling[event] = before[-80:] + told + after[:80]
    assert telling == {}
