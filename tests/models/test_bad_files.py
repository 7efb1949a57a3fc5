"""Every broken, lying or misnamed file is listed with one sentence, and nothing of it is run or loaded."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ModelError
from pipelines.models.checkpoints import identify, scan
from pipelines.models.files import headers
from tests.models.files import checkpoint, header_of, write_header, write_model
from webui.words import say

SHAPES = {**checkpoint(), "last.weight": (16, 16)}
HEADER = header_of(SHAPES)
DATA = max(entry["data_offsets"][1] for entry in HEADER.values())
FIRST, SECOND, *_, LAST = HEADER


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    header = copy.deepcopy(HEADER)
    change(header)
    return header


def lie(name: str, key: str, value: Any) -> dict[str, Any]:
    return changed(lambda header: header[name].update({key: value}))


LYING = {
    "shape too large": (lie(FIRST, "shape", [640, 8, 3, 3]), "does not fit its shape"),
    "shape that overflows": (lie(FIRST, "shape", [2**40, 2**40]), "does not fit its shape"),
    "negative shape": (lie(FIRST, "shape", [-320, -4, 3, 3]), "impossible shape"),
    "shape of fractions": (lie(LAST, "shape", [16.0, 16]), "impossible shape"),
    "shape of truths": (lie(LAST, "shape", [True, 256]), "impossible shape"),
    "shape without end": (lie(FIRST, "shape", [2**62] * 100_000), "impossible shape"),
    "side without end": (lie(FIRST, "shape", [int("9" * 4000)]), "impossible shape"),
    "shape of text": (lie(FIRST, "shape", "320"), "impossible shape"),
    "unknown format": (lie(FIRST, "dtype", "F7"), "number format F7"),
    "format is a list": (lie(FIRST, "dtype", []), "number format"),
    "overlap": (lie(FIRST, "data_offsets", HEADER[SECOND]["data_offsets"]), "does not fit"),
    "offsets backwards": (lie(FIRST, "data_offsets", HEADER[FIRST]["data_offsets"][::-1]), "does not fit"),
    "three offsets": (lie(FIRST, "data_offsets", [0, 1, 2]), "no tensor"),
    "offsets of text": (lie(FIRST, "data_offsets", ["0", "1"]), "no tensor"),
    "entry is a number": (changed(lambda header: header.update({FIRST: 7})), "no tensor"),
    "entry without shape": (changed(lambda header: header[FIRST].pop("shape")), "no tensor"),
    "notes are a list": (changed(lambda header: header.update({"__metadata__": [1]})), "notes are no table"),
    "longer than the file": (
        changed(
            lambda header: header[LAST].update(
                shape=[10**9],
                data_offsets=[header[LAST]["data_offsets"][0], header[LAST]["data_offsets"][0] + 2 * 10**9],
            )
        ),
        "cut short",
    ),
}


@pytest.mark.fault(11)
@pytest.mark.attack(22)
@pytest.mark.parametrize("name", LYING)
def test_lying_headers(name: str, tmp_path: Path) -> None:
    header, words = LYING[name]
    refuse(write_header(tmp_path / "x.safetensors", header, data=DATA), words)


def test_the_same_header_without_a_lie_is_fine(tmp_path: Path) -> None:
    assert identify(write_header(tmp_path / "x.safetensors", HEADER, data=DATA)).problem is None


def refuse(path: Path, words: str) -> None:
    info = identify(path)
    assert info.kind == "unknown"
    assert info.problem is not None
    told = say(info.problem, "en")
    assert words in told
    assert told.endswith(".")
    assert "\n" not in told
    assert len(told) < 300


def good_bytes(tmp_path: Path) -> bytes:
    return write_header(tmp_path / "good.safetensors", HEADER).read_bytes()


def raw_pickle() -> bytes:
    return pickle.dumps({"state_dict": {"a": [1.0, 2.0]}}, protocol=2)


def zip_pickle() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", raw_pickle())
    return data.getvalue()


BYTES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "one byte": (b"\x10", "only 1 bytes"),
    "a web page": (b"<!DOCTYPE html><html>Access denied" + b" " * 2000, "web page"),
    "a web page after blank lines": (b"\n\n  <html><body>Log in</body></html>", "web page"),
    "an error answer": (b'{"error":"Repository not found"}' + b" " * 100, "JSON text"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 42\n", "Git LFS pointer"),
    "another program's file": (b"GGUF" + bytes(200), "GGUF"),
    "noise": (b"\xff" * 500, "neither safetensors nor"),
    "a huge header": (struct.pack("<Q", 2**60) + b"{" + b" " * 500, "neither safetensors nor"),
    "a pickle": (raw_pickle(), "rename it to .ckpt"),
    "a pickle in a zip": (zip_pickle(), "rename it to .ckpt"),
    "not JSON": (struct.pack("<Q", 100) + b"{" + b"z" * 200, "no JSON"),
    "not UTF-8": (struct.pack("<Q", 8) + b'{"\xff\xfe":1}', "no JSON"),
    "nested without end": (struct.pack("<Q", 200_001) + b'{"a":' + b"[" * 200_000, "no JSON"),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_safetensors(name: str, tmp_path: Path) -> None:
    data, words = BYTES[name]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    refuse(path, words)


@pytest.mark.fault(11)
@pytest.mark.parametrize("cut", [9, 40, 300, -1, -500_000])
def test_cut_short(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(good_bytes(tmp_path)[:cut])
    refuse(path, "cut short")


def test_bytes_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(good_bytes(tmp_path) + b"x" * 100)
    refuse(path, "100 bytes too many")


@pytest.mark.fault(11)
@pytest.mark.attack(22)
def test_a_header_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_header(tmp_path / "x.safetensors", HEADER)
    monkeypatch.setattr(headers, "HEADER_LIMIT", 100)
    with pytest.raises(ModelError, match="file_foreign"):
        headers.read_header(path)


@pytest.mark.parametrize("length", [640, 896, 1152, 19_280])
def test_a_header_whose_length_looks_like_a_pickle(length: int, tmp_path: Path) -> None:
    """640 is written as 80 02, how protocol 2 begins; 19,280 as "PK", how a zip does."""
    path = write_header(tmp_path / "x.safetensors", header_of({"clip_l": (2, 768), "clip_g": (2, 1280)}), length=length)
    assert path.read_bytes()[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"PK")
    assert identify(path).kind == "embedding"


def test_names_do_not_matter(tmp_path: Path) -> None:
    for name in ("x.ckpt", "X.SAFETENSORS", "x.pt", "x.bin"):
        info = identify(write_model(tmp_path / name, checkpoint()))
        assert (info.kind, info.family, info.layout, info.problem) == ("checkpoint", "sd1", "single", None)


@pytest.mark.fault(13)
@pytest.mark.attack(7)
@pytest.mark.parametrize("data", [raw_pickle(), zip_pickle()])
def test_a_pickle_is_listed_unopened(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(data)
    info = identify(path)
    assert (info.layout, info.kind, info.family, info.problem) == ("pickle", "unknown", "unknown", None)


@pytest.mark.fault(13)
@pytest.mark.attack(8)
def test_a_pickle_that_would_write_leaves_no_mark(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(canary),)

    for name in ("x.ckpt", "x.safetensors", "x.bin"):
        (tmp_path / name).write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    assert len(scan([tmp_path])) == 3
    assert not canary.exists()


def test_a_missing_file() -> None:
    refuse(Path("nowhere/x.safetensors"), "cannot be read")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    assert scan([tmp_path]) == ()
    refuse(tmp_path / "x.safetensors", "no file")


def test_hostile_names_stay_one_short_line(tmp_path: Path) -> None:
    header = header_of({"evil\n\x1b[31m" + "x" * 5000: (4, 4)})
    refuse(write_header(tmp_path / "x.safetensors", header), "no known model")
    header[next(iter(header))]["dtype"] = "F\n" * 500
    refuse(write_header(tmp_path / "y.safetensors", header), "number format")


def test_no_bytes_of_a_header_make_it_raise(tmp_path: Path) -> None:
    """Each byte of a small header changed in turn: an answer every time."""
    good = bytearray(write_model(tmp_path / "g.safetensors", {"emb_params": (1, 768)}, {"a": "b"}).read_bytes())
    path = tmp_path / "x.safetensors"
    end = 8 + struct.unpack("<Q", good[:8])[0]
    json.loads(good[8:end])
    kinds = set()
    for place in range(end):
        for value in (0, ord("9"), ord('"'), 0xFF):
            data = good.copy()
            data[place] = value
            path.write_bytes(data)
            info = identify(path)
            kinds.add(info.kind)
            assert info.problem
    assert kinds <= {"unknown", "embedding"}
    assert len(kinds) == 2


FOLDER_FAULTS: dict[str, tuple[str, bytes | None, str]] = {
    "no index": ("model_index.json", b"", "model_index.json is damaged"),
    "index is a list": ("model_index.json", b"[]", "holds no table"),
    "another pipeline": ("model_index.json", b'{"_class_name": "MyPipeline"}', "MyPipeline"),
    "no unet config": ("unet/config.json", None, "unet/config.json is missing"),
    "no scheduler": ("scheduler/scheduler_config.json", None, "scheduler/scheduler_config.json is missing"),
    "no weights": ("unet/diffusion_pytorch_model.safetensors", None, "unet's weights file is missing"),
    "cut weights": ("vae/diffusion_pytorch_model.safetensors", b"\x10", "only 1 bytes"),
}


@pytest.mark.parametrize("name", FOLDER_FAULTS)
def test_broken_folders(name: str, tmp_path: Path) -> None:
    from tests.models.files import write_folder

    file, data, words = FOLDER_FAULTS[name]
    folder = write_folder(tmp_path / "model")
    if data is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(data)
    refuse(folder, words)


def test_a_folder_of_pickles_is_told_by_its_configs(tmp_path: Path) -> None:
    """What is in them is not looked at here: they are converted when they are first used."""
    from tests.models.files import write_folder

    folder = write_folder(tmp_path / "model")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    info = identify(folder)
    assert (info.kind, info.layout, info.problem) == ("checkpoint", "folder", None)
    weights.with_suffix(".bin").unlink()
    refuse(folder, "is missing")
