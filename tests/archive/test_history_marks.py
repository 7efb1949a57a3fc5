"""Stars and tags are a person's own: nothing that happens to index or files may lose them."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import InvalidRequest, StorageError
from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from webui.archive.entries import Score
from webui.archive.history import MARKS, History
from webui.archive.search import Query
from webui.archive.store import ImageStore, SavedImage


def filled(tmp_path: Path) -> tuple[History, list[SavedImage]]:
    """Two of ours and one of another program."""
    root = tmp_path / "outputs"
    store = ImageStore(root)
    request = GenerationRequest(prompt="a", seed=1, steps=1, width=64, height=64, batch_size=2)
    saved = [store.save(result) for result in results(request)]
    Image.effect_noise((64, 64), 50).save(root / "foreign.png")
    history = History(tmp_path / "data" / "history.sqlite", root)
    history.refresh()
    foreign = history.get(history.identity(root / "foreign.png"))
    assert foreign is not None
    return history, [*saved, foreign]


def marked(history: History) -> dict[str, tuple[int, tuple[str, ...]]]:
    entries = history.search(Query(), 50).entries
    return {entry.saved.path.name: (entry.rating, entry.tags) for entry in entries if entry.rating or entry.tags}


def test_given_and_taken(tmp_path: Path) -> None:
    history, saved = filled(tmp_path)
    identities = [one.id for one in saved]
    history.rate(identities[:2], 5)
    history.rate(identities[1:2], 2)
    history.tag(identities, add=["  夜  景 ", "best"])
    history.tag(identities[:1], remove=["best"])
    names = [one.path.name for one in saved]
    assert marked(history) == {
        names[0]: (5, ("夜 景",)),
        names[1]: (2, ("best", "夜 景")),
        names[2]: (0, ("best", "夜 景")),
    }
    assert [entry.saved.id for entry in history.search(Query(rating=3), 9).entries] == identities[:1]
    assert {entry.saved.id for entry in history.search(Query(tag="best"), 9).entries} == set(identities[1:])
    history.rate(identities, 0)
    assert history.search(Query(rating=1), 9).entries == ()
    history.close()


def test_the_last_score_is_the_one_that_counts(tmp_path: Path) -> None:
    history, (first, second, third) = filled(tmp_path)
    before = first.path.read_bytes()
    history.score({first.id: 0.25, second.id: -0.5}, "clip", "a" * 64)
    history.score({second.id: 0.5, "f" * 32: 1.0}, "other", "b" * 64)
    found = history.search(Query(sort="score"), 9).entries
    assert [entry.saved.id for entry in found] == [second.id, first.id], "those that have none are left out"
    assert [entry.score for entry in found] == [
        Score(value=0.5, judge="other", sha256="b" * 64),
        Score(value=0.25, judge="clip", sha256="a" * 64),
    ]
    history.rebuild()
    assert [entry.score is None for entry in history.entries([first.id, third.id])] == [False, True]
    assert first.path.read_bytes() == before
    history.close()


def test_they_outlive_the_index_and_the_files_places(tmp_path: Path) -> None:
    history, saved = filled(tmp_path)
    history.rate([one.id for one in saved], 4)
    history.tag([saved[2].id], add=["x"])
    before = marked(history)
    assert len(before) == 3
    history.rebuild()
    assert marked(history) == before
    history.close()
    (tmp_path / "data" / "history.sqlite").unlink()
    shutil.move(tmp_path / "outputs", tmp_path / "other")
    (tmp_path / "other" / "sub").mkdir()
    (tmp_path / "other" / "foreign.png").rename(tmp_path / "other" / "sub" / "foreign.png")
    history = History(tmp_path / "data" / "history.sqlite", tmp_path / "other")
    history.refresh()
    assert marked(history) == before
    history.close()


def test_other_pixels_do_not_inherit(tmp_path: Path) -> None:
    history, saved = filled(tmp_path)
    history.rate([saved[2].id], 4)
    Image.effect_noise((64, 64), 50).save(saved[2].path)
    history.refresh()
    assert marked(history) == {}
    history.close()


def test_a_damaged_file_is_kept_aside(tmp_path: Path) -> None:
    history, _ = filled(tmp_path)
    history.close()
    for ending in ("-wal", "-shm"):
        (tmp_path / "data" / (MARKS + ending)).unlink(missing_ok=True)
    (tmp_path / "data" / MARKS).write_bytes(b"not a database" * 1000)
    history = History(tmp_path / "data" / "history.sqlite", tmp_path / "outputs")
    assert marked(history) == {}
    aside = tmp_path / "data" / f"marks.damaged-{date.today().isoformat()}.sqlite"
    assert aside.read_bytes().startswith(b"not a database")
    history.close()


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    history, _ = filled(tmp_path)
    history.close()
    with sqlite3.connect(tmp_path / "data" / MARKS) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StorageError, match="database_newer"):
        History(tmp_path / "data" / "history.sqlite", tmp_path / "outputs")


@pytest.mark.parametrize("tag", ["", "   ", "a,b", "x" * 61])
def test_what_is_no_tag(tmp_path: Path, tag: str) -> None:
    history, saved = filled(tmp_path)
    with pytest.raises(InvalidRequest):
        history.tag([saved[0].id], add=["good", tag])
    assert marked(history) == {}
    with pytest.raises(InvalidRequest):
        history.rate([saved[0].id], 6)
    with pytest.raises(InvalidRequest):
        history.rate(["nothing"], 1)
    history.close()
