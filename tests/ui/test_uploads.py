"""What was uploaded goes again: the oldest where room is short, and what is a day old."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from gradio.route_utils import delete_files_created_by_app
from PIL import Image

from webui.http import bodies

from .conftest import Page
from .test_events import uploaded


def test_the_page_makes_room_among_its_own_uploads(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Path(uploaded(ui, Image.new("RGB", (64, 64), "red")))
    monkeypatch.setattr(bodies, "CACHE_LIMIT", bodies.UPLOAD_LIMIT)
    refused = ui.client.post(bodies.UPLOADS, files={"files": ("b.png", b"b", "image/png")})
    assert refused.status_code == 507
    assert first.is_file()
    later = time.time() + bodies.YOUNG + 1
    monkeypatch.setattr(bodies.time, "time", lambda: later)
    second = Path(uploaded(ui, Image.new("RGB", (64, 64), "blue")))
    assert (first.is_file(), second.is_file()) == (False, True)


def test_what_is_a_day_old_is_gradios_to_remove(ui: Page) -> None:
    mounted = ui.client.app.routes[-1].app  # type: ignore[attr-defined]
    page = mounted.get_blocks()
    frequency, age = page.delete_cache
    assert 0 < frequency <= age <= 86_400  # seconds
    first = Path(uploaded(ui, Image.new("RGB", (64, 64), "red")))
    delete_files_created_by_app(page, age)
    assert first.is_file()
    delete_files_created_by_app(page, 0)
    assert not first.exists()
