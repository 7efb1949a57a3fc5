"""Whatever a file holds, the index goes on: any JSON of ours with any field of any type, and bugs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.archive.helpers import chunk, png
from tests.archive.test_metadata import JSON_VALUES, good
from webui.archive import metadata
from webui.archive.history import History
from webui.archive.search import Query
from webui.commands import index as index_command
from webui.ui.again.tab import settings_table

PIXELS = [b"\1\2\3"]


def whole() -> dict[str, Any]:
    """A record with everything in it."""
    data = good()
    data["request"] |= {
        "vae": "automatic", "dialect": "a1111", "template": "a {b|c}", "negative_template": None,
        "prediction_type": "epsilon", "zero_terminal_snr": True,
        "init": {"image": "0f" * 32, "strength": 0.4, "resize_mode": "crop", "image_guidance": 2},
        "inpaint": {
            "mask": "0e" * 32, "mask_blur": 4, "mask_grow": 0, "invert": False, "masked_content": "original",
            "only_masked": True, "padding": 32,
        },
    }  # fmt: skip
    data["parent"] = {"pixels_sha256": "0a" * 32, "kind": "img2img", "program": "x", "text": "y"}
    data["facts"] |= {"threads": 2, "model": {"name": "m", "sha256": "0b" * 32}}
    return data


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value at any depth."""
    for key in value if isinstance(value, dict) else ():
        yield (*at, key)
        yield from paths(value[key], (*at, key))


def file_of(data: Any) -> bytes:
    body = b"seedprint\0\0\0\0\0" + json.dumps(data).encode()
    return png((1, 1), 8, 2, PIXELS, [chunk(b"iTXt", body)])


ODD = JSON_VALUES | st.sampled_from(
    [
        2, -1, 2**64, 1e308, -0.0, float("nan"), True, "", "\ud800", "\0", "9" * 400, "0001-01-01T00:00:00",
        "9999-12-31T23:59:59+00:00", "1969-12-31T00:00:00+14:00", [], {}, [[[]]],
        {"pixels_sha256": "0a" * 32, "kind": "\ud800"},
    ]
)  # fmt: skip


@pytest.mark.lengthy
@settings(max_examples=250, deadline=None)
@given(st.data())
def test_no_record_ends_the_index(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("archive")
    record = whole()
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from(sorted(paths(record), key=repr)))
        at = record
        for key in way[:-1]:
            at = at[key] if isinstance(at, dict) and key in at else {}
        if isinstance(at, dict):
            at[way[-1]] = data.draw(ODD)
    for task, written in (("odd", record), ("txt2img", whole())):
        (root / task).mkdir()
        (root / task / "a.png").write_bytes(file_of(written))
    history = History(root.parent / f"{root.name}.sqlite", root)
    try:
        assert history.refresh() == 2
        assert history.rebuild() == 2
        found = history.search(Query(), 9).entries
        assert {entry.saved.path.parent.name for entry in found} == {"odd", "txt2img"}
        assert len(history.recent(9)) == 2
        for entry in found:
            history.facets(), history.family(entry.saved.id)
            for language in ("en", "zh"):
                assert settings_table(metadata.read(entry.saved.path), language)
    finally:
        history.close()


def test_image_guidance_is_read(tmp_path: Path) -> None:
    data = whole()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(file_of(data))
    back = metadata.read(tmp_path / "out" / "a.png")
    assert (back.problem, back.fields["image_guidance"], back.fields["strength"]) == (None, 2, 0.4)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "outputs"
    root.mkdir()
    for name in ("bug.png", "fine.png"):
        Image.new("RGB", (9, 8)).save(root / name)
    (root / "text.png").write_text("no picture")
    (root / "half.png").write_bytes((root / "fine.png").read_bytes()[:20])
    return root


@pytest.mark.parametrize("where", ["read_texts", "_from_record", "_others"])
def test_a_bug_costs_one_file_and_is_told(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    real = getattr(metadata, where)

    def broken(*given: Any) -> Any:
        if where == "read_texts" and Path(given[0]).name != "bug.png":
            return real(*given)
        raise RuntimeError("a bug")

    (archive / "bug.png").write_bytes(file_of(good()))
    monkeypatch.setattr(metadata, where, broken)
    arguments = ["index", "--output-dir", str(archive), "--data-dir", str(tmp_path / "data")]
    parser = argparse.ArgumentParser()
    index_command.add(parser.add_subparsers())
    options = parser.parse_args(arguments)
    assert options.run(options) == 0
    assert "4 pictures" in capsys.readouterr().out
    history = History(tmp_path / "data" / "history.sqlite", archive)
    try:
        problems = {entry.saved.path.name: entry.problem for entry in history.search(Query(), 9).entries}
        assert set(problems) == {"bug.png", "fine.png", "text.png", "half.png"}
        told = problems["fine.png" if where == "_others" else "bug.png"]
        assert told is not None
        assert (told.code, "a bug" in told.values["reason"]) == ("picture_bug", True)
        for name in ("text.png", "half.png"):
            problem = problems[name]
            assert problem is not None
            assert problem.code == "picture_no_picture"
        readable = {saved.path.name for saved in history.recent(9)}
        assert readable == {"fine.png"} | ({"bug.png"} if where != "read_texts" else set())
    finally:
        history.close()
