"""What other programs wrote beside a network: read where it is well-formed, nothing where it is not, never harmful."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from webui.networks import sidecars
from webui.networks.sidecars import LIMIT, NOTHING, TEXT, WORD, WORDS, Sidecars, picture, plain, read

CIVITAI = {
    "trainedWords": ["ink wash", "sumi-e, black ink", "ink wash"],
    "baseModel": "SD 1.5",
    "model": {"name": "Ink <b>wash</b>", "type": "LORA"},
    "description": "<p>Strokes of <i>ink</i> &amp; water.</p>\n<script>alert(1)</script>",
    "images": [{"url": "https://example.invalid/1.png"}],
}
OWN = {
    "description": "by hand",
    "sd version": "SD1",
    "activation text": "hat, (village, old:1.2), <lora:other:1>",
    "preferred weight": 0.7,
    "negative text": "bare head",
    "notes": "low guidance",
}


def put(folder: Path, end: str, value: Any) -> None:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    (folder / f"hat{end}").write_bytes(data)


def test_nothing_lies_there(tmp_path: Path) -> None:
    assert read(tmp_path, "hat") == NOTHING
    assert picture(tmp_path, "hat") is None


def test_what_civitai_told(tmp_path: Path) -> None:
    put(tmp_path, ".civitai.info", CIVITAI)
    found = read(tmp_path, "hat")
    assert found.words == ("ink wash", "sumi-e, black ink")
    assert (found.base, found.title, found.about) == ("SD 1.5", "Ink wash", "Strokes of ink & water. alert(1)")


def test_what_was_written_in_a1111(tmp_path: Path) -> None:
    put(tmp_path, ".json", b"\xef\xbb\xbf" + json.dumps(OWN).encode())  # as an editor of Windows saves it
    found = read(tmp_path, "hat")
    assert (found.weight, found.negative, found.base) == (0.7, "bare head", "SD1")
    assert found.about == "by hand · low guidance"
    assert found.words[:2] == ("hat", "(village, old:1.2)")


def test_ones_own_words_go_before_those_of_others(tmp_path: Path) -> None:
    put(tmp_path, ".civitai.info", CIVITAI)
    put(tmp_path, ".json", OWN)
    found = read(tmp_path, "hat")
    assert found.words[0] == "hat"
    assert "ink wash" in found.words
    assert found.about == "by hand · low guidance"


DEEP = b'{"trainedWords":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"null",
        b'["ink"]',
        b'{"preferred weight": 1' + b"0" * 5000 + b"}",
        DEEP,
        b'{"trainedWords": ["' + b"a" * LIMIT + b'"]}',
        {"trainedWords": {"a": 1}, "model": [], "baseModel": 3, "description": []},
        {"trainedWords": [None, 1, [], ""], "activation text": ["", 2], "preferred weight": "0.7"},
        {"preferred weight": True},
        {"preferred weight": 0},
        b'{"preferred weight": 1e999, "activation text": null}',
        b'{"preferred weight": NaN}',
        {"preferred weight": -11},
    ],
    ids=range(15),
)
@pytest.mark.parametrize("end", [".json", ".civitai.info"])
@pytest.mark.attack(6)
def test_what_cannot_be_read_says_nothing(tmp_path: Path, end: str, value: Any) -> None:
    put(tmp_path, end, value)
    assert read(tmp_path, "hat") == NOTHING


@pytest.mark.attack(6)
def test_much_is_cut(tmp_path: Path) -> None:
    put(tmp_path, ".json", {"activation text": ", ".join(map(str, range(1000))), "notes": "x" * 50_000})
    put(tmp_path, ".civitai.info", {"trainedWords": ["y" * 50_000] * 9})
    found = read(tmp_path, "hat")
    assert len(found.words) == WORDS
    assert len(found.about) == TEXT
    (tmp_path / "hat.json").unlink()
    assert [len(word) for word in read(tmp_path, "hat").words] == [WORD]


@pytest.mark.attack(6)
def test_only_what_prints_is_told() -> None:
    assert plain("a\x00b\u202ec\ud800d\ne", 99) == "a b c d e"
    assert plain("<" * 40_000, 5) == "<<<<…"
    assert plain("<img src=x onerror=alert(1)>ink", 99) == "ink"


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such files")
@pytest.mark.attack(6)
def test_links_in_a_circle_and_pipes_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "hat.json").symlink_to(tmp_path / "hat.civitai.info")
    (tmp_path / "hat.civitai.info").symlink_to(tmp_path / "hat.json")
    os.mkfifo(tmp_path / "hat.png")
    assert read(tmp_path, "hat") == NOTHING
    assert picture(tmp_path, "hat") is None
    (tmp_path / "hat.json").unlink()
    os.mkfifo(tmp_path / "hat.json")
    assert read(tmp_path, "hat") == NOTHING


def test_a_sidecar_is_read_again_once_it_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read_once = sidecars.read
    monkeypatch.setattr(sidecars, "read", lambda folder, stem: reads.append(stem) or read_once(folder, stem))
    known = Sidecars()
    assert known.read(tmp_path, "hat") == NOTHING
    put(tmp_path, ".json", {"notes": "one"})
    assert [known.read(tmp_path, "hat").about for _ in range(3)] == ["one"] * 3
    put(tmp_path, ".json", {"notes": "another"})
    assert known.read(tmp_path, "hat").about == "another"
    (tmp_path / "hat.json").unlink()
    assert known.read(tmp_path, "hat") == NOTHING
    assert reads == ["hat", "hat"]


def test_the_picture_of_the_same_name_goes_before_a_preview(tmp_path: Path) -> None:
    for end in (".preview.jpeg", ".preview.png", ".png"):
        (tmp_path / f"hat{end}").write_bytes(b"")
        found = picture(tmp_path, "hat")
        assert found is not None
        assert found.name == f"hat{end}"
    assert [end for end in sidecars.PICTURES if end.startswith(".preview")]
