"""The form of each tab is kept, and every state before it, step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.database import Database
from webui.kept.forms import BURST, STEPS, Forms


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forms(tmp_path: Path, clock: Clock) -> Forms:
    return Forms(Database(tmp_path / "jobs.sqlite"), clock)


def test_a_form_outlives_the_program(tmp_path: Path) -> None:
    database = Database(tmp_path / "jobs.sqlite")
    Forms(database).keep("txt2img", {"prompt": "a 红 star", "steps": 30, "seed": None})
    database.close()
    again = Forms(Database(tmp_path / "jobs.sqlite"))
    assert again.current("txt2img") == {"prompt": "a 红 star", "steps": 30, "seed": None}
    assert again.current("img2img") is None


def test_undo_goes_back_step_by_step_and_ends(forms: Forms, clock: Clock) -> None:
    states = [{"steps": 20, "width": 512}, {"steps": 30, "width": 512}, {"steps": 30, "width": 640}]
    for state in states:
        forms.keep("txt2img", state)
        clock.now += 10 * BURST
    assert forms.undo("txt2img") == states[1]
    forms.keep("txt2img", states[1])  # as the page tells after it has shown it
    assert forms.undo("txt2img") == states[0]
    assert forms.undo("txt2img") is None
    assert forms.current("txt2img") == states[0]


def test_typing_is_one_step(forms: Forms, clock: Clock) -> None:
    forms.keep("txt2img", {"prompt": "", "steps": 20})
    for text in ("a", "a ", "a c", "a ca", "a cat"):
        forms.keep("txt2img", {"prompt": text, "steps": 20})
        clock.now += BURST / 3
    forms.keep("txt2img", {"prompt": "a cat", "steps": 21})  # another field
    assert forms.undo("txt2img") == {"prompt": "a cat", "steps": 20}
    assert forms.undo("txt2img") == {"prompt": "", "steps": 20}


def test_a_pause_begins_a_new_step(forms: Forms, clock: Clock) -> None:
    for text in ("", "a", "a cat"):
        forms.keep("txt2img", {"prompt": text})
        clock.now += BURST + 0.1
    assert forms.undo("txt2img") == {"prompt": "a"}


def test_tabs_are_apart_and_states_are_bounded(forms: Forms, clock: Clock) -> None:
    forms.keep("img2img", {"steps": 1})
    for steps in range(STEPS * 2):
        clock.now += 10 * BURST
        forms.keep("txt2img", {"steps": steps})
    backs = 0
    while (state := forms.undo("txt2img")) is not None:
        backs += 1
        assert state == {"steps": STEPS * 2 - 1 - backs}
    assert backs == STEPS
    assert forms.current("img2img") == {"steps": 1}
