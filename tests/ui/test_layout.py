"""What holds for the page as a whole."""

from __future__ import annotations

from tests.ui.conftest import Page


def test_no_event_has_the_browser_look_for_each_of_its_outputs(ui: Page) -> None:
    assert len(ui.events) > 50
    told = [name for name, event in ui.events.items() if event["show_progress_on"] != []]
    assert told == []
