from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.engines.fake import FakeEngine
from pipelines.errors import ModelError
from pipelines.types import BUILT_IN, Batch, GenerationResult, OnProgress
from webui.archive.history import MARKS, History
from webui.archive.search import Query
from webui.commands import main as cli
from webui.proof import golden


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
    assert errors.startswith("seedprint: path must be an existing file or folder")


class Upgraded(FakeEngine):
    """The same engine after an upgrade: its version is another and, if wanted, so are some pixels."""

    def __init__(self, pixels: bool = False) -> None:
        super().__init__()
        self._pixels = pixels

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        results = super().generate(batch, on_progress)
        for result in results:
            dict.update(result.facts, torch="9.9.9")  # type: ignore[arg-type]
            if self._pixels and batch.request.sampler == "DDIM":
                result.image.putpixel((5, 5), (0, 255, 0))
        return results


def golden_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], engine: FakeEngine, *more: str
) -> tuple[int, list[Any], str]:
    monkeypatch.setattr("webui.server.make_engine", lambda _: engine)
    return run(folder, capfd, "verify", "--against", "golden", "--json", *more)


def test_the_golden_set_tells_what_an_upgrade_changes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, errors = run(tmp_path, capfd, "verify", "--against", "golden")
    assert status == 2
    assert "--make-golden" in errors
    status, lines, _ = run(tmp_path, capfd, "verify", "--make-golden", "--json")
    assert (status, lines) == (0, [{"model": name, "pictures": 5} for name in BUILT_IN])
    assert not (tmp_path / "outputs").exists()  # kept with the data, not among a person's pictures

    own = "--model", "builtin"
    status, lines, errors = golden_run(tmp_path, monkeypatch, capfd, FakeEngine(), *own)
    assert (status, len(lines)) == (0, 5)
    assert errors == "5 identical, 0 differ, 0 cannot\n"

    status, lines, errors = golden_run(tmp_path, monkeypatch, capfd, Upgraded(), *own)
    assert status == 0
    assert errors == "5 identical, 0 differ, 0 cannot\n  torch: was nothing, is 9.9.9 (5 of 5)\n"

    status, lines, errors = golden_run(tmp_path, monkeypatch, capfd, Upgraded(pixels=True), *own)
    assert status == 1
    (differs,) = (line for line in lines if not line["identical"])
    assert "img2img" in differs["path"]
    assert differs["different_pixels"] == 1
    assert 0.9 < differs["ssim"] < 1
    assert differs["because"] == ["torch: was nothing, is 9.9.9"]
    assert errors.startswith("4 identical, 1 differ, 0 cannot\n")


def test_a_golden_set_is_of_each_model_and_made_anew_as_a_whole(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, capfd, "verify", "--make-golden")
    before = {path for path in (tmp_path / "data" / "golden" / "builtin").rglob("*.png")}
    assert run(tmp_path, capfd, "verify", "--make-golden", "--model", "no such")[0] == 2
    assert run(tmp_path, capfd, "verify", "--against", "golden", "--model", "no such")[0] == 2
    failing = FakeEngine(fail_on={golden.SEED: ModelError("model_gone", path="x")})
    monkeypatch.setattr("webui.server.make_engine", lambda _: failing)
    assert run(tmp_path, capfd, "verify", "--make-golden")[0] == 1
    assert {path for path in (tmp_path / "data" / "golden" / "builtin").rglob("*.png")} == before
    monkeypatch.setattr("webui.server.make_engine", lambda _: Upgraded(pixels=True))
    assert run(tmp_path, capfd, "verify", "--make-golden", "--model", "builtin")[0] == 0
    status, lines, _ = golden_run(tmp_path, monkeypatch, capfd, Upgraded(pixels=True), "--model", "builtin")
    assert (status, len(lines)) == (0, 5)


def test_names_of_models_make_folders_that_never_meet() -> None:
    names = ["a b", "a_b", "a/b", "..", ".hidden", "模型", "long name " * 3 + "1", "long name " * 3 + "2"]
    slugs = [golden.slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert not any("/" in one or one.startswith(".") for one in slugs)
    assert golden.slug("v1-5-pruned") == "v1-5-pruned"


def test_a_difference_is_told_in_words_with_all_its_measures(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = images(folder)[0]
    with Image.open(file) as image:
        texts, pixels = dict(image.text), image.convert("RGB")  # type: ignore[attr-defined]
    pixels.paste((255, 255, 255), (0, 0, 20, 20))
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    pixels.save(file, pnginfo=info)
    command = ["verify", str(file), "--engine", "fake", "--output-dir", str(folder / "outputs")]
    assert cli.main([*command, "--data-dir", str(folder / "data")]) == 1
    told = capfd.readouterr().out
    assert re.search(r"400 pixels differ, by \d+ at most, [\d.]+ mean, [\d.]+ dB, SSIM 0\.\d{4}: the file's pix", told)


@pytest.mark.parametrize("command", ["verify", "again"])
def test_what_was_found_is_the_pictures_badge(folder: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    """In the person's own data folder, whoever made it again: the page shows it."""
    file = images(folder)[0]
    assert run(folder, capfd, command, str(file))[0] == 0
    history = History(folder / "index" / "history.sqlite", folder / "outputs", folder / "data" / MARKS)
    history.refresh()
    found = {entry.saved.path: entry.verdict for entry in history.search(Query(kind="image"), 50).entries}
    assert found == {one: "identical" if one == file else "not_yet" for one in images(folder)}
    history.close()
