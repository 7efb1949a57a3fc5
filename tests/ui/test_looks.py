"""Where words look, asked for a finished picture on its own tab, in both languages; and no trust in browsers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from webui.ui.house import House
from webui.ui.looks import watcher

from .conftest import Page
from .test_events import TASKS, item, run


def said(ui: Page, value: Any, language: str = "en") -> list[str]:
    parts = ui.parts
    house = House(
        service=parts.service, inputs=parts.store.inputs, outputs=parts.store.root.resolve(), library=parts.library
    )
    request: Any = SimpleNamespace(headers={"accept-language": language}, cookies={})
    return list(watcher(house)(value, request))


@pytest.mark.parametrize("task", TASKS)
def test_a_picture_of_each_tab(ui: Page, task: str) -> None:
    """The same batch again with its seed, start picture and mask: the same pixels."""
    status = run(ui, task, prompt="a red star, big", seed=7, batch_size=2)
    before = len(ui.parts.service.recent(100))
    waiting, shown = said(ui, item(ui, status, 1))
    assert "made again" in waiting
    assert "is the same, pixel for pixel" in shown
    assert [shown.count(f'alt="{word}"') for word in ("a", "red", "star,", "big")] == [1, 1, 1, 1]
    assert len(ui.parts.service.recent(100)) == before
    assert "逐像素一致" in said(ui, item(ui, status, 1), "zh")[1]


def test_what_is_no_picture_is_told(ui: Page) -> None:
    for value in (None, {}, {"items": [], "selected": 0}, {"items": [{"id": "a.png"}], "selected": -1}):
        assert said(ui, value) == ['<p class="note">Select a picture first.</p>']
    for identity in ("a.png", "../a.png", "/etc/passwd", 7, None):
        (told,) = said(ui, {"items": [{"id": identity}], "selected": 0})
        assert "<img" not in told
