"""SHA-256 in the background, once, and never a wrong one."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.models.files.hashes import Hashes, short_hash


@pytest.fixture
def hashes(tmp_path: Path) -> Iterator[Hashes]:
    found = Hashes(tmp_path / "hashes.sqlite")
    yield found
    found.close()


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    read: list[Path] = []
    original = Hashes._hash_file
    monkeypatch.setattr(Hashes, "_hash_file", lambda self, path: read.append(path) or original(self, path))
    return read


def test_known_answers(hashes: Hashes, tmp_path: Path) -> None:
    """FIPS 180-4's own examples: the empty text is from NIST's test vectors, "abc" from the standard."""
    (tmp_path / "abc").write_bytes(b"abc")
    (tmp_path / "empty").write_bytes(b"")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hashes.wait(tmp_path / "abc", 20) == abc
    assert hashes.wait(tmp_path / "empty", 20) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert short_hash(abc) == "ba7816bf8f"


def test_a_large_file_is_read_whole(hashes: Hashes, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000  # five blocks, the last not full
    (tmp_path / "x").write_bytes(data)
    assert hashes.wait(tmp_path / "x", 20) == hashlib.sha256(data).hexdigest()


def test_asking_never_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    original = Hashes._hash_file
    monkeypatch.setattr(Hashes, "_hash_file", lambda self, path: go.wait(20) and original(self, path))
    hashes, path = Hashes(), tmp_path / "x"
    path.write_bytes(b"abc")
    assert hashes.get(path) is None  # one that waited would have it
    assert hashes.wait(path, 0.01) is None
    assert not go.is_set()
    go.set()
    found = hashes.wait(path, 20)
    assert found is not None
    assert hashes.get(path) == found
    hashes.close()


def test_once_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    path, cache = tmp_path / "x", tmp_path / "hashes.sqlite"
    path.write_bytes(b"abc")
    first = Hashes(cache)
    for _ in range(5):
        first.get(path)
    expected = first.wait(path, 20)
    first.close()
    assert expected is not None
    second = Hashes(cache)
    assert second.get(path) == expected  # at once: from the cache file
    second.close()
    assert read.count(path) == 1  # what other tests of this process began may still be read beside it


def test_a_changed_file_is_read_again(hashes: Hashes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    hashes.wait(path, 20)
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert hashes.wait(path, 20) == hashlib.sha256(b"abd").hexdigest()


def test_a_file_that_changes_while_it_is_read_has_no_hash_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    original = Hashes._hash_file

    def change(self: Hashes, file: Path) -> str | None:
        found = original(self, file)
        if file.read_bytes() == b"abc":
            file.write_bytes(b"changed")
        return found

    monkeypatch.setattr(Hashes, "_hash_file", change)
    hashes = Hashes()
    assert hashes.wait(path, 20) is None
    assert hashes.wait(path, 20) == hashlib.sha256(b"changed").hexdigest()
    hashes.close()


def test_folders(hashes: Hashes, tmp_path: Path) -> None:
    """Names and bytes of all weights count, configurations do not."""
    found = []
    for name, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "unet" / "w.safetensors").write_bytes(weights)
        (tmp_path / name / "model_index.json").write_text(name, encoding="utf-8")
        found.append(hashes.wait(tmp_path / name, 20))
    assert found[0] == found[1] != found[2]
    one = hashlib.sha256(b"1").hexdigest()
    assert found[0] == hashlib.sha256(f"unet/w.safetensors\0{one}\n".encode()).hexdigest()


def test_files_that_cannot_be_read(hashes: Hashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hashes.get(tmp_path / "gone") is None
    assert hashes.wait(tmp_path / "gone", 20) is None

    def broken(self: Hashes, path: Path) -> str:
        raise OSError("input/output error")

    path = tmp_path / "x"
    path.write_bytes(b"abc")
    monkeypatch.setattr(Hashes, "_hash_file", broken)
    assert hashes.wait(path, 20) is None


def test_a_damaged_cache_is_no_failure(tmp_path: Path) -> None:
    path, cache = tmp_path / "x", tmp_path / "hashes.sqlite"
    path.write_bytes(b"abc")
    cache.write_bytes(b"this is no database" * 100)
    for place in (cache, tmp_path / "no folder" / "hashes.sqlite", None):
        hashes = Hashes(place)
        assert hashes.wait(path, 20) == hashlib.sha256(b"abc").hexdigest()
        hashes.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a hole in a file takes room there")
def test_closing_ends_a_long_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(2**40)  # a terabyte of nothing: nobody waits for its end
    others = set(threading.enumerate())  # engines of other tests have such a thread too
    hashes = Hashes()
    hashes.get(path)
    closing = threading.Thread(target=lambda: (hashes.close(), hashes.close()), daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()
    assert hashes.get(path) is None
    assert not any(thread.name == "hashes" for thread in set(threading.enumerate()) - others)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own to read")
def test_only_its_own_thread_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        Hashes, "_hash_file", lambda self, path: seen.append(os.getpriority(os.PRIO_PROCESS, 0)) or "0" * 64
    )
    before = os.getpriority(os.PRIO_PROCESS, 0)
    hashes, path = Hashes(), tmp_path / "x"
    path.write_bytes(b"abc")
    hashes.wait(path, 20)
    hashes.close()
    assert seen == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
