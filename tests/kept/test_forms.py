"""The form of each tab is kept, and every state before it, step by step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Note
from pipelines.shared_database import Database
from webui.jobs.schema import SCHEMA
from webui.kept.forms import BURST, STEPS, Forms
from webui.words import LANGUAGES, label, say


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forms(tmp_path: Path, clock: Clock) -> Forms:
    return Forms(Database(tmp_path / "jobs.sqlite", SCHEMA), clock)


@pytest.mark.fault(15)
def test_a_form_outlives_the_program(tmp_path: Path) -> None:
    database = Database(tmp_path / "jobs.sqlite", SCHEMA)
    Forms(database).keep("txt2img", {"prompt": "a 红 star", "steps": 30, "seed": None})
    database.close()
    again = Forms(Database(tmp_path / "jobs.sqlite", SCHEMA))
    assert again.current("txt2img") == {"prompt": "a 红 star", "steps": 30, "seed": None}
    assert again.current("img2img") is None


def test_undo_goes_back_step_by_step_and_ends(forms: Forms, clock: Clock) -> None:
    states = [{"steps": 20, "width": 512}, {"steps": 30, "width": 512}, {"steps": 30, "width": 640}]
    for state in states:
        forms.keep("txt2img", state)
        clock.now += 10 * BURST
    assert forms.undo("txt2img") == states[1]
    forms.keep("txt2img", states[1])  # as the page tells after it has shown it
    assert forms.can_undo("txt2img")
    assert forms.undo("txt2img") == states[0]
    assert not forms.can_undo("txt2img")
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
    for steps in range(1, STEPS * 2 + 1):
        clock.now += 10 * BURST
        forms.keep("txt2img", {"steps": steps})
    backs = 0
    while (state := forms.undo("txt2img")) is not None:
        backs += 1
        assert state == {"steps": STEPS * 2 - backs}
    assert backs == STEPS
    assert forms.current("img2img") == {"steps": 1}


class Between(Database):
    """Runs `action` once, after the first transaction of the calls that follow: what another page does meanwhile."""

    action: Callable[[], Any] | None = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with super().transaction() as connection:
            yield connection
        if (action := self.action) is not None:
            self.action = None
            action()


@pytest.mark.fault(16)
@pytest.mark.parametrize("way", ["keep", "undo"])
def test_two_pages_that_change_at_once_change_one_after_the_other(tmp_path: Path, clock: Clock, way: str) -> None:
    """The other page does the same as soon as it can: after the change, never between its reading and its writing."""
    database = Between(tmp_path / "jobs.sqlite", SCHEMA)
    forms = Forms(database, clock)
    states = [{"steps": steps, "width": 64 * steps} for steps in range(1, 5)]
    for state in states:
        forms.keep("txt2img", state)
    new = {"steps": 9, "width": 1024}
    change = (lambda: forms.keep("txt2img", new)) if way == "keep" else (lambda: forms.undo("txt2img"))
    database.action = change
    change()
    assert database.action is None
    assert forms.current("txt2img") == (new if way == "keep" else states[1])
    assert forms.undo("txt2img") == (states[3] if way == "keep" else states[0])


@pytest.mark.parametrize("way", ["keep", "undo"])
def test_a_change_that_fails_leaves_the_form_as_it_was(forms: Forms, clock: Clock, way: str) -> None:
    """The disk fails at the last statement, after others of the same change were carried out."""
    for steps in range(1, STEPS + 2):
        forms.keep("txt2img", {"steps": steps})
        clock.now += 10 * BURST
    with forms._database.transaction() as connection:
        connection.execute(
            "CREATE TEMP TRIGGER full BEFORE DELETE ON forms BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        forms.keep("txt2img", {"steps": 150}) if way == "keep" else forms.undo("txt2img")
    with forms._database.transaction() as connection:
        connection.execute("DROP TRIGGER full")
    assert forms.current("txt2img") == {"steps": STEPS + 1}
    assert forms.undo("txt2img") == {"steps": STEPS}


@pytest.mark.parametrize("text", ["{", "[]", "3", "null", "[[1]]"])
def test_a_damaged_form_begins_afresh_and_says_so(forms: Forms, clock: Clock, tmp_path: Path, text: str) -> None:
    forms.keep("txt2img", {"steps": 20})
    assert forms.problem("txt2img") is None
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        connection.execute("UPDATE forms SET fields = ?", (text,))
    assert forms.current("txt2img") is None
    assert forms.problem("txt2img") == Note("form_unreadable")
    clock.now += 10 * BURST
    forms.keep("txt2img", {"steps": 30})
    assert (forms.current("txt2img"), forms.problem("txt2img")) == ({"steps": 30}, None)
    assert forms.undo("txt2img") is None


def test_undo_passes_over_what_cannot_be_read(forms: Forms, clock: Clock, tmp_path: Path) -> None:
    for steps in (20, 30, 40):
        forms.keep("txt2img", {"steps": steps})
        clock.now += 10 * BURST
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        connection.execute("UPDATE forms SET fields = '{' WHERE fields LIKE '%30%'")
    assert forms.undo("txt2img") == forms.current("txt2img") == {"steps": 20}
    assert forms.problem("txt2img") is None


WRONG = {
    "seed": [99999999999999999999, 10**400, -2, 2**32, 1.5, "x", True, [1]],
    "steps": [0, 999, float("nan"), float("inf"), None, "abc"],
    "width": [5000, 100, -8],
    "sampler": ["gone", ["Euler"], None, 7],
    "prompt": ["\0", "\ud800", None, {}],
    "strength": [2, -0.1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_no_request_takes_is_not_kept_and_told(forms: Forms, clock: Clock, name: str, value: object) -> None:
    good = {"seed": 5, "steps": 30, "width": 640, "sampler": "Euler", "prompt": "a star", "strength": 0.5}
    assert forms.keep("img2img", good) == ()
    clock.now += 10 * BURST
    (told,) = forms.keep("img2img", {**good, name: value, "height": 768})
    assert told.values["field"] == name
    assert forms.current("img2img") == {**good, "height": 768}
    assert forms.problem("img2img") is None
    for language in LANGUAGES:
        assert label(name, language) in say(told, language)


def test_what_was_kept_before_and_no_request_takes_is_left_out_and_named(forms: Forms, tmp_path: Path) -> None:
    """As a form of an earlier build lies there; the answer to the page could not be written."""
    forms.keep("txt2img", {"steps": 20})
    with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
        text = '{"seed": 99999999999999999999, "steps": 31, "colour": "red"}'
        connection.execute("UPDATE forms SET fields = ?", (text,))
    assert forms.current("txt2img") == {"steps": 31}
    problem = forms.problem("txt2img")
    assert problem is not None
    assert problem.values["names"] == (Note("form_field", field="seed"), Note("form_field", field="colour"))
    assert "种子" in say(problem, "zh")
    forms.keep("txt2img", {"steps": 32})
    assert forms.problem("txt2img") is None


def test_an_open_seed_is_kept_as_a_request_has_it(forms: Forms) -> None:
    for shown in (-1, -1.0, None):
        assert forms.keep("txt2img", {"seed": shown}) == ()
        assert forms.current("txt2img") == {"seed": None}


def test_a_form_that_was_half_filled_in_is_no_step(forms: Forms, clock: Clock) -> None:
    """As a slow page tells of it: one field of what it was sent, then all."""
    for state in ({"steps": 20, "prompt": ""}, {"steps": 20, "prompt": "red"}, {"steps": 41, "prompt": "red"}):
        forms.keep("txt2img", state)
        clock.now += 10 * BURST
    forms.keep("txt2img", {"steps": 20, "prompt": "red", "width": 64})
    clock.now += 2 * BURST
    forms.keep("txt2img", {"steps": 41, "prompt": "red"})
    assert forms.undo("txt2img") == {"steps": 20, "prompt": "red"}


def test_what_is_told_late_does_not_take_an_undo_back(forms: Forms, clock: Clock) -> None:
    for steps in (20, 41):
        forms.keep("txt2img", {"steps": steps})
        clock.now += 10 * BURST
    forms.undo("txt2img")
    forms.keep("txt2img", {"steps": 41})  # sent before, and slow
    forms.keep("txt2img", {"steps": 20})  # what the page shows since
    assert forms.current("txt2img") == {"steps": 20}
    assert forms.undo("txt2img") is None
