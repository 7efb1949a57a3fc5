"""Where words look, asked for a finished picture on its own tab, in both languages; and no trust in browsers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from webui.ui.house import House
from webui.ui.layout import house_of
from webui.ui.looks import history_watcher, watcher
from webui.ui.looks import watched as watched_of
from webui.ui.widgets.sources import source

from .conftest import Page
from .test_events import TASKS, item, large, run


def called(ui: Page, make: Callable[[House], Any], value: Any, language: str) -> list[Any]:
    """What a handler yields: it streams, so it is called and not asked over HTTP."""
    request: Any = SimpleNamespace(headers={"accept-language": language}, cookies={})
    return list(make(house_of(ui.parts))(value, request))


def said(ui: Page, value: Any, language: str = "en") -> list[str]:
    return called(ui, watcher, value, language)


@pytest.mark.parametrize("task", TASKS)
def test_a_picture_of_each_tab(ui: Page, task: str) -> None:
    """The same batch again with its seed, start picture and mask: the same pixels."""
    status = run(ui, task, prompt="a red star, big", seed=7, batch_size=2)
    before = len(ui.parts.service.recent(100))
    waiting, *_, shown = said(ui, item(ui, status, 1))
    assert "made again" in waiting
    assert "is the same, pixel for pixel" in shown
    assert [shown.count(f'alt="{word}"') for word in ("a", "red", "star,", "big")] == [1, 1, 1, 1]
    assert len(ui.parts.service.recent(100)) == before
    assert "逐像素一致" in said(ui, large(ui, status, place=1), "zh")[-1]  # of the canvas, as of a row of pictures


def test_what_is_no_picture_is_told(ui: Page) -> None:
    for value in (None, {}, {"items": [], "selected": 0}, {"items": [{"id": "a.png"}], "selected": -1}, {"place": ""}):
        assert said(ui, value) == ['<p class="note">Select a picture first.</p>']
    for identity in ("a.png", "../a.png", "/etc/passwd", 7, None):
        for value in ({"items": [{"id": identity}], "selected": 0}, {"place": identity}):
            (told,) = said(ui, value)
            assert "<img" not in told


def in_history(ui: Page, value: Any, language: str = "en") -> list[dict[str, str]]:
    return called(ui, history_watcher, value, language)


@pytest.mark.parametrize("task", TASKS)
def test_a_picture_of_the_history(ui: Page, task: str) -> None:
    status = run(ui, task, prompt="a red <star>", seed=8, batch_size=2)
    saved, before = status.saved[1], len(ui.parts.service.recent(100))
    bytes_before = saved.path.read_bytes()
    place = saved.path.relative_to(ui.parts.store.root).as_posix()
    waiting, *_, shown = in_history(ui, {"look": place})
    assert [one["place"] for one in (waiting, shown)] == [place, place]
    assert "made again" in waiting["looks"]
    assert "is the same, pixel for pixel" in shown["looks"]
    assert [shown["looks"].count(f'alt="{word}"') for word in ("a", "red", "&lt;star&gt;")] == [1, 1, 1]
    assert "<star>" not in shown["looks"]
    assert saved.path.read_bytes() == bytes_before
    assert len(ui.parts.service.recent(100)) == before
    assert "逐像素一致" in in_history(ui, {"look": place}, "zh")[-1]["looks"]


@pytest.mark.parametrize("value", [None, {}, {"look": "../a.png"}, {"look": ["x"]}, {"look": "no.png"}, "x"], ids=str)
def test_what_is_no_picture_of_the_history_is_told(ui: Page, value: Any) -> None:
    (told,) = in_history(ui, value)
    assert "no longer" in told["looks"]


def test_the_canvas_asks_for_it_by_an_event_of_its_own(ui: Page) -> None:
    event = ui.events["form_looks"]
    assert [ui.name_of(one) for one in (*event["inputs"], *event["outputs"])] == ["canvas", "form_looks"]
    assert [name for _, name in event["targets"]] == ["expand"]
    assert 'trigger("expand"' in source("canvas/canvas.js")


def test_the_history_asks_for_it_by_an_event_of_its_own(ui: Page) -> None:
    """Wired to the view and from it: what the script triggers reaches the handler."""
    event = ui.events["history_looks"]
    assert [ui.name_of(one) for one in (*event["inputs"], *event["outputs"])] == ["history_view"] * 2
    assert [name for _, name in event["targets"]] == ["expand"]
    assert 'trigger("expand"' in source("history/history.js")


def test_each_step_is_told_and_it_ends_when_nobody_looks(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    status = run(ui, "txt2img", prompt="a red star", seed=7, steps=40)
    monkeypatch.setattr(ui.engine, "_pause", 0.03)
    told = said(ui, item(ui, status, 0))
    steps = [one for one in told if "step" in one]
    assert len(steps) >= 2
    assert steps[0] != steps[-1]
    assert "of 40" in steps[0]
    parts = ui.parts
    heard: list[int] = []
    watched = parts.service.watched

    def watching(batch: Any, hear: Any) -> Any:
        def both(progress: Any) -> None:
            heard.append(progress.step)
            hear(progress)

        return watched(batch, both)

    monkeypatch.setattr(parts.service, "watched", watching)
    house: Any = SimpleNamespace(service=parts.service, inputs=parts.store.inputs)
    looking = watched_of(house, status.saved[0].path, "en")
    next(looking)
    assert "step" in next(looking)
    looking.close()  # type: ignore[attr-defined]
    assert max(heard) < 40
