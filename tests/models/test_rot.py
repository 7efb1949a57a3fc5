"""Other bytes of the same size and time: found when a file is read again, told everywhere, forgotten once right."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.models.files.hashes import Hashes
from pipelines.models.listing import Listing
from tests.models.files import checkpoint, write_model


def flip(path: Path, at: int = -1) -> None:
    """One bit of one byte, as a disk does it."""
    found = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (found.st_size, found.st_mtime_ns)


def always() -> bool:
    return True


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "data" / "hashes.sqlite"


@pytest.fixture
def hashes(cache: Path) -> Iterator[Hashes]:
    found = Hashes(cache)
    yield found
    found.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "models" / "a.safetensors", checkpoint())


@pytest.mark.fault(12)
@pytest.mark.attack(26)
def test_a_flipped_byte_is_found_told_and_forgotten_once_right(hashes: Hashes, model: Path) -> None:
    good = hashes.wait(model, 20)
    read_at = time.time()
    flip(model)
    assert hashes.get(model) == good  # nothing tells yet
    hashes.read_again(model, always)
    bad = hashlib.sha256(model.read_bytes()).hexdigest()
    assert bad != good
    assert hashes.get(model) == bad
    altered = hashes.altered(model)
    assert altered is not None
    assert altered[0] == good
    assert altered[1] <= read_at
    hashes.read_again(model, always)
    assert hashes.altered(model) == altered  # since the first time
    flip(model, -2)
    hashes.read_again(model, always)
    assert hashes.altered(model) == altered  # whatever more is lost
    flip(model, -2)
    flip(model)
    hashes.read_again(model, always)
    assert (hashes.get(model), hashes.altered(model)) == (good, None)


@pytest.mark.fault(12)
def test_a_new_file_in_its_place_is_nothing_of_the_kind(hashes: Hashes, model: Path) -> None:
    hashes.wait(model, 20)
    flip(model)
    hashes.read_again(model, always)
    assert hashes.altered(model) is not None
    os.utime(model, ns=(1, 1))
    assert hashes.altered(model) is None
    assert hashes.wait(model, 20) == hashlib.sha256(model.read_bytes()).hexdigest()
    assert hashes.altered(model) is None


@pytest.mark.fault(12)
def test_every_process_learns_of_it(hashes: Hashes, cache: Path, model: Path) -> None:
    good, other = hashes.wait(model, 20), Hashes(cache)
    try:
        assert other.get(model) == good
        flip(model)
        hashes.read_again(model, always)
        assert other.get(model) == hashes.get(model) != good
        assert other.altered(model) == hashes.altered(model)
    finally:
        other.close()


def test_it_outlives_the_program_and_is_listed(cache: Path, model: Path, hashes: Hashes) -> None:
    good = hashes.wait(model, 20)
    flip(model)
    hashes.read_again(model, always)
    later = Hashes(cache)
    try:
        info, *_, builtin = Listing([model.parent]).shelf(later)
    finally:
        later.close()
    assert info.altered is not None
    assert (info.altered[0], builtin.altered) == (good, None)


def test_a_folder_is_read_whole(hashes: Hashes, tmp_path: Path) -> None:
    from tests.models.files import write_folder

    folder = write_folder(tmp_path / "model")
    good = hashes.wait(folder, 20)
    flip(folder / "vae" / "diffusion_pytorch_model.safetensors")
    hashes.read_again(folder, always)
    assert hashes.altered(folder) is not None
    assert hashes.get(folder) != good


def test_a_read_that_ends_early_says_nothing_and_comes_again(hashes: Hashes, model: Path, tmp_path: Path) -> None:
    second = write_model(tmp_path / "models" / "b.safetensors", checkpoint(1024))
    for path in (model, second):
        hashes.wait(path, 20)
    flip(model)
    now = time.time() + 1
    assert hashes.oldest(now) == model
    hashes.read_again(model, lambda: False)
    assert hashes.altered(model) is None
    assert hashes.oldest(now) == model
    hashes.read_again(model, always)
    assert hashes.altered(model) is not None
    assert hashes.oldest(now) == second
    hashes.read_again(second, always)
    assert hashes.oldest(now) == model  # round and round, the one not read for longest first
    assert hashes.oldest(0.0) is None


def test_what_changed_openly_or_went_is_not_read_again(hashes: Hashes, model: Path) -> None:
    hashes.wait(model, 20)
    os.utime(model, ns=(1, 1))
    assert hashes.oldest(time.time() + 1) is None
    model.unlink()
    assert hashes.oldest(time.time() + 1) is None
    hashes.read_again(model, always)
    assert hashes.altered(model) is None
