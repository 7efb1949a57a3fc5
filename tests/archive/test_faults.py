"""Whatever fails while images are saved, no half file bears a final name and no earlier image is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipelines.errors import StorageError
from tests.archive.faulty import FaultyOs, index_of, request, save_all
from tests.archive.helpers import NOON, results
from webui.archive import files, metadata, numbers, store
from webui.archive.history import History
from webui.archive.inputs import pixels_sha256
from webui.archive.store import ImageStore

REPOSITORY = Path(__file__).parents[2]


def whole_images(root: Path) -> dict[Path, str]:
    """Every file with a final name, which must be whole, and the hash of its pixels."""
    found = {}
    for path in root.rglob("*"):
        if path.is_dir() or path.suffix == ".part" or path.parent.name == numbers.FOLDER:
            continue
        with Image.open(path) as image:
            image.load()
        found[path] = pixels_sha256(image)
        if path.parent.name == "inputs":
            assert found[path] == path.stem
        else:
            record = metadata.read(path).record
            assert record is not None
            assert record.pixels_sha256 == found[path]
    return found


def fail_at(k: int, patch: pytest.MonkeyPatch, *, after: bool) -> FaultyOs:
    def fault() -> None:
        raise OSError(errno.ENOSPC, "injected")

    faulty = FaultyOs(k, fault, after=after)
    patch.setattr(files, "os", faulty)
    patch.setattr(store, "os", faulty)
    patch.setattr(numbers, "os", faulty)
    return faulty


@pytest.mark.fault(5)
@pytest.mark.lengthy
@pytest.mark.parametrize("after", [False, True])
def test_an_error_at_every_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    k, codes = 0, list[str]()
    while True:
        k += 1
        root = tmp_path / str(k)
        root.mkdir()
        earlier = save_all(root)
        before = whole_images(root)
        with monkeypatch.context() as patch:
            faulty = fail_at(k, patch, after=after)
            try:
                save_all(root)
            except StorageError as error:
                codes.append(error.note.code)
        if len(faulty.calls) < k:
            break
        kept = whole_images(root)
        assert {path: kept.get(path) for path in before} == before
        assert set(earlier) <= set(kept)
        # after the trouble the same store saves on, and nothing is ever left beside the images for long
        monkeypatch.setattr(files, "PART_AGE", -60.0)
        ImageStore(root).prepare()
        assert not list(root.rglob("*.part"))
        assert len(save_all(root)) == 3
        monkeypatch.undo()
    assert k > 30
    assert len(codes) > k // 2
    assert set(codes) == {"folder_full"}


def test_a_failed_save_leaves_no_part_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only at the next start: a full disk must not fill further."""
    archive = ImageStore(tmp_path, clock=lambda: NOON)
    archive.prepare()
    result = results(request())[0]
    for k in range(1, 60):
        with monkeypatch.context() as patch:
            faulty = fail_at(k, patch, after=False)
            try:
                archive.save(result)
            except StorageError:
                # an unlink that fails is the one operation that cannot be made good at once
                assert faulty.calls[k - 1] == "unlink" or not list(tmp_path.rglob("*.part"))
        for part in tmp_path.rglob("*.part"):
            part.unlink()
    whole_images(tmp_path)


@pytest.mark.fault(7)
@pytest.mark.attack(27)
@pytest.mark.lengthy
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("when", ["before", "after", "index"])
def test_a_kill_at_every_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    command = [sys.executable, "-m", "tests.archive.faulty", str(tmp_path), when]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=True)
    kills, status = map(int, done.stdout.split())
    assert (kills > 30, status) == (True, 0), done.stderr
    monkeypatch.setattr(files, "PART_AGE", -60.0)
    images = []
    for k in range(1, kills + 1):
        root = tmp_path / f"{k:03d}"
        left = whole_images(root)
        images.append(sum(path.parent.name != "inputs" for path in left))
        ImageStore(root).prepare()
        assert not list(root.rglob("*.part"))
        images_left = {path for path in left if path.parent.name != "inputs"}
        history = History(index_of(root), root)
        before = {saved.path for saved in history.recent(99)}
        assert before <= images_left  # nothing is in the index that is not there
        history.refresh()  # as at the next start
        assert {saved.path for saved in history.recent(99)} == images_left
        assert history.refresh() == 0
        assert set(save_all(root, history.add)) & set(left) == set()
        assert len(history.recent(99)) == len(images_left) + 3
        history.close()
        assert left.items() <= whole_images(root).items()
    # images appear one by one as the kill comes later, and none is ever taken back
    assert images == sorted(images)
    assert set(images) == ({1, 2, 3} if when == "index" else {0, 1, 2, 3})
