"""What a person should know is told until they say that they do: over restarts, and on pages that are open."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import Note, StorageError
from pipelines.shared_database import Database
from webui.jobs.schema import SCHEMA
from webui.notices import FILE, Notices
from webui.words import say


def told(notices: Notices) -> list[Note]:
    return [one.note for one in notices()]


def damage(folder: Path) -> Note:
    """A damaged queue, as a run of the program finds it; what is to be told of it."""
    day = date.today().isoformat()
    names = [f"jobs.damaged-{day}{ending}.sqlite" for ending in ("", "-2")]
    aside = next(folder / name for name in names if not (folder / name).exists())
    (folder / "jobs.sqlite").write_bytes(b"garbage " * 1000)
    Database(folder / "jobs.sqlite", SCHEMA).close()
    assert aside.exists()
    return Note("database_kept", file=str(aside))


@pytest.mark.fault(12)
def test_damage_is_told_until_it_is_dismissed_whenever_it_happened(tmp_path: Path) -> None:
    notices = Notices(tmp_path)
    assert told(notices) == []
    first = damage(tmp_path)
    assert told(notices) == told(Notices(tmp_path)) == [first]
    notices.dismiss(notices()[0].id)
    assert told(notices) == told(Notices(tmp_path)) == []
    second = damage(tmp_path)
    assert told(notices) == told(Notices(tmp_path)) == [second]


def test_what_happens_again_under_the_same_name_is_told_again(tmp_path: Path) -> None:
    aside = tmp_path / "history.damaged-2020-01-01.sqlite"
    aside.write_bytes(b"")
    os.utime(aside, (1, 1))
    notices = Notices(tmp_path)
    notices.dismiss(notices()[0].id)
    os.utime(aside, (2, 2))
    assert told(notices) == [Note("database_kept", file=str(aside))]
    aside.unlink()
    assert told(notices) == []


def test_damage_of_a_second_program_and_files_that_rotted_are_told_too(tmp_path: Path) -> None:
    (tmp_path / "instance-2").mkdir()
    second = damage(tmp_path / "instance-2")
    rotten = Note("file_altered", name="a.safetensors", since="2020-01-01")
    notices = Notices(tmp_path, found=lambda: [rotten], fresh=0)
    assert told(notices) == [second, rotten]
    notices.dismiss(notices()[1].id)
    assert told(notices) == [second]


def test_a_second_program_is_told_in_each_run_and_in_both_languages(tmp_path: Path) -> None:
    notices = Notices(tmp_path, tmp_path)
    (notice,) = notices()
    assert notice.note == Note("second_program", folder=str(tmp_path))
    assert say(notice.note, "en").startswith(f"Another Seedprint uses {tmp_path} already")
    assert say(notice.note, "zh").startswith(f"另一个 Seedprint 已在使用 {tmp_path}")
    notices.dismiss(notice.id)
    assert told(notices) == []
    assert told(Notices(tmp_path, tmp_path)) == [notice.note]


@pytest.mark.parametrize("text", ["{", "{}", "[1, []]", "[" * 9])
def test_a_damaged_list_of_what_was_dismissed_tells_all(tmp_path: Path, text: str) -> None:
    note = damage(tmp_path)
    (tmp_path / FILE).write_text(text)
    assert told(Notices(tmp_path)) == [note]


def test_what_cannot_be_kept_is_said_and_not_told_again_in_this_run(tmp_path: Path) -> None:
    damage(tmp_path)
    (tmp_path / FILE).mkdir()
    notices = Notices(tmp_path)
    with pytest.raises(StorageError):
        notices.dismiss(notices()[0].id)
    assert told(notices) == []
