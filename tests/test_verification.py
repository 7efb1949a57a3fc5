from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from webui import cli


def run(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[Any], str]:
    line = [*arguments, "--engine", "fake", "--output-dir", str(folder / "outputs"), "--data-dir", str(folder / "data")]
    status = cli.main(line)
    told = capsys.readouterr()
    return status, [json.loads(text) for text in told.out.splitlines()] if "--json" in arguments else [], told.err


@pytest.fixture
def folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    options = ["--seed", "5", "--batch-size", "2", "--batches", "2", "--steps", "2", "--json"]
    assert run(tmp_path, capfd, "generate", "a star", *options)[0] == 0
    return tmp_path


def images(folder: Path) -> list[Path]:
    return sorted(folder.glob("outputs/*/*/[0-9]*.png"))


def test_the_whole_archive_is_identical(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, lines, errors = run(folder, capfd, "verify", "--json")
    assert status == 0
    assert sorted(line["path"] for line in lines) == [str(file) for file in images(folder)]
    assert all(line["identical"] for line in lines)
    assert "4 identical, 0 differ, 0 cannot" in errors


def test_one_that_differs_and_one_that_cannot_make_the_status_1(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 64)).save(folder / "outputs" / "plain.png")
    changed = images(folder)[0]
    with Image.open(changed) as image:
        texts, pixels = dict(image.text), image.convert("RGB")
    pixels.putpixel((0, 0), tuple(value ^ 255 for value in pixels.getpixel((0, 0))))
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    pixels.save(changed, pnginfo=info)
    status, lines, errors = run(folder, capfd, "verify", "--json")
    assert status == 1
    assert "3 identical, 1 differ, 1 cannot" in errors
    (differs,) = (line for line in lines if not line["identical"] and line["cannot"] is None)
    assert (differs["path"], differs["different_pixels"]) == (str(changed), 1)


def test_a_cut_off_run_goes_on_from_its_report(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = folder / "report.jsonl"
    first = images(folder)[:2]
    run(folder, capfd, "verify", *map(str, first), "--report", str(report))
    with report.open("a") as file:
        file.write('{"key": "half a li')  # as a killed program leaves it
    status, lines, errors = run(folder, capfd, "verify", "--json", "--report", str(report))
    assert status == 0
    assert sorted(line["path"] for line in lines) == [str(file) for file in images(folder)[2:]]
    assert "4 identical" in errors


def test_a_changed_file_is_verified_anew(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = folder / "report.jsonl"
    file = images(folder)[0]
    run(folder, capfd, "verify", str(file), "--report", str(report))
    file.write_bytes(file.read_bytes()[:100])
    status, lines, _ = run(folder, capfd, "verify", str(file), "--json", "--report", str(report))
    assert status == 1
    assert [line["path"] for line in lines] == [str(file)]


def test_a_path_that_is_not_there_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, errors = run(tmp_path, capfd, "verify", str(tmp_path / "gone"))
    assert status == 2
    assert errors.startswith("seedprint: path: must be an existing file or folder")
