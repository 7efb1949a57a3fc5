"""What holds for the page as a whole."""

from __future__ import annotations

from tests.ui.conftest import Page


def test_no_event_has_the_browser_look_for_each_of_its_outputs(ui: Page) -> None:
    assert len(ui.events) > 50
    told = [name for name, event in ui.events.items() if event["show_progress_on"] != []]
    assert told == []


def test_no_event_lists_the_fields_of_the_form_as_its_outputs(ui: Page) -> None:
    assert len(ui.fields) > 100
    most = max(len(ui.fields & set(map(ui.name_of, one["outputs"]))) for one in ui.config["dependencies"])
    assert most < len(ui.fields) / 3
