"""Files of a run that its job never heard of are found again, at the price of what is new."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from webui.archive import adoption, metadata
from webui.archive.adoption import Adoption
from webui.archive.metadata import Job
from webui.archive.store import ImageStore, SavedImage

DAY = 86_400.0
JOB, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "outputs")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many folders were listed and files read."""
    counted = Counter[str]()

    def counting(module: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def call(*given: Any) -> Any:
            counted[name] += 1
            return real(*given)

        monkeypatch.setattr(module, name, call)

    counting(adoption, "list_folder")
    counting(metadata, "read")
    return counted


def save(store: ImageStore, job: str, place: int) -> SavedImage:
    (result,) = results(GenerationRequest(prompt="a red star", seed=place, width=64, height=64, steps=1))
    return store.save(result, Job(job, place))


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))


def test_pictures_of_a_job_are_found_by_their_place(store: ImageStore) -> None:
    saved = [save(store, JOB, place) for place in range(3)]
    save(store, OTHER, 0)
    found = Adoption(store.root).made_for(JOB, time.time())
    assert found == dict(enumerate(saved))


def test_asking_again_reads_only_what_is_new(store: ImageStore, looked: Counter[str]) -> None:
    for place in range(5):
        save(store, OTHER, place)
    old = store.root / "txt2img" / "2020-01-01"
    old.mkdir()
    shutil.copy(save(store, OTHER, 9).path, old / "old.png")
    age(old / "old.png", 9)
    age(old, 9)
    asked = Adoption(store.root)
    since = time.time()
    assert asked.made_for(JOB, since) == {}
    looked.clear()
    assert asked.made_for(JOB, since) == {}
    assert looked == {"list_folder": 3}  # the root, the task, the day: not the old one, and no file
    new = save(store, JOB, 0)
    looked.clear()
    assert asked.made_for(JOB, since) == {0: new}
    assert looked["read"] == 2  # which job it is of, and its entry


def test_a_file_that_changed_or_came_into_an_old_folder_is_seen(store: ImageStore) -> None:
    asked, since = Adoption(store.root), time.time()
    first = save(store, OTHER, 0).path
    old = store.root / "mine"
    old.mkdir()
    age(old, 9)
    assert asked.made_for(JOB, since) == {}
    made = save(store, JOB, 4)
    made.path.rename(old / "moved.png")
    assert {place: one.path for place, one in asked.made_for(JOB, since).items()} == {4: old / "moved.png"}
    shutil.copy(old / "moved.png", first)
    (old / "moved.png").unlink()
    assert {place: one.path for place, one in asked.made_for(JOB, since).items()} == {4: first}
    first.unlink()
    assert asked.made_for(JOB, since) == {}


def test_a_job_of_longer_ago_is_looked_for_among_older_files(store: ImageStore) -> None:
    path = save(store, JOB, 0).path
    age(path, 9)
    for folder in (path.parent, path.parent.parent, store.root):
        age(folder, 9)
    asked = Adoption(store.root)
    assert asked.made_for(JOB, time.time()) == {}
    assert list(asked.made_for(JOB, time.time() - 9 * DAY)) == [0]


def test_a_file_that_cannot_be_read_now_is_read_the_next_time(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, asked = save(store, JOB, 0), Adoption(store.root)

    def failing(path: Path) -> Any:
        raise OSError(path)

    with monkeypatch.context() as patch:
        patch.setattr(metadata, "read", failing)
        assert asked.made_for(JOB, time.time()) == {}
    assert asked.made_for(JOB, time.time()) == {0: saved}


def test_links_that_lead_round_in_circles_end(store: ImageStore) -> None:
    saved = save(store, JOB, 0)
    (store.root / "round").symlink_to(store.root, target_is_directory=True)
    asked = Adoption(store.root)
    for _ in range(2):
        assert asked.made_for(JOB, time.time()) == {0: saved}
    shutil.rmtree(store.root)
    assert asked.made_for(JOB, time.time()) == {}
