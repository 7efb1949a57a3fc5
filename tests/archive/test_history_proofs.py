"""What came of making a picture again, told by the index: kept, found, and never said of another file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.errors import InvalidRequest, Note
from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from webui.archive.entries import VERDICTS
from webui.archive.history import MARKS, History
from webui.archive.search import Query
from webui.archive.store import ImageStore
from webui.proof.badges import Proofs, badge
from webui.proof.sweep import AgainReport

NOW = {"device_name": "NVIDIA H200", "torch": "2.13.0"}


class Archive:
    """Four pictures of ours, one of another program, and a grid."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "outputs"
        store = ImageStore(self.root)
        request = GenerationRequest(prompt="a", seed=1, steps=1, width=64, height=64, batch_size=4)
        made = results(request)
        saved = [store.save(result) for result in made]
        self.paths = [one.path for one in saved]
        sheet = Image.effect_noise((96, 96), 50).convert("RGB")
        self.grid = store.save_sheet(sheet, made[0], beside=saved[0]).path
        self.foreign = self.root / "foreign.png"
        Image.effect_noise((64, 64), 50).save(self.foreign)
        self.proofs = Proofs(folder / "data" / MARKS)
        self.history = self.opened()

    def opened(self) -> History:
        history = History(self.folder / "data" / "history.sqlite", self.root)
        history.refresh()
        return history

    def prove(self, path: Path, **found: object) -> None:
        self.proofs.keep(AgainReport(path=str(path), now=NOW, **found))  # type: ignore[arg-type]

    def verdicts(self) -> dict[str, str]:
        return {entry.saved.path.name: entry.verdict for entry in self.history.search(Query(), 50).entries}

    def close(self) -> None:
        self.history.close()
        self.proofs.close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path)
    made.prove(made.paths[0], identical=True)
    made.prove(made.paths[1], different_pixels=3, because=(Note("fact_changed", name="torch", then="1", now="2"),))
    made.prove(made.paths[2], cannot=Note("file_not_found", what="x", name="y", sha256="z"))
    return made


def test_every_picture_says_it_and_is_found_by_it(archive: Archive) -> None:
    names = [path.name for path in archive.paths]
    expected = dict(zip(names, ("identical", "differs", "cannot", "not_yet"), strict=True))
    expected |= {archive.grid.name: "cannot", archive.foreign.name: "cannot"}
    assert archive.verdicts() == expected
    for verdict in VERDICTS:
        query = Query(proof=verdict)
        found = {entry.saved.path.name for entry in archive.history.search(query, 50).entries}
        assert found == {name for name, one in expected.items() if one == verdict}
        assert archive.history.count(query) == len(found)
    archive.close()


def test_it_outlives_the_index_and_the_files_places(archive: Archive) -> None:
    before = archive.verdicts()
    archive.history.rebuild()
    assert archive.verdicts() == before
    archive.history.close()
    for file in (archive.folder / "data").glob("history.sqlite*"):
        file.unlink()
    shutil.copytree(archive.root, archive.folder / "other")  # with other times
    for path in (archive.folder / "other").rglob("*.png"):
        path.touch()
    shutil.rmtree(archive.root)
    (archive.folder / "other").rename(archive.root)
    archive.history = archive.opened()
    assert archive.verdicts() == before
    archive.close()


def test_an_edited_copy_with_the_same_record_does_not_inherit(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    original = archive.paths[0]
    archive.prove(original, identical=True)
    edited = original.with_name("edited.png")
    with Image.open(original) as image:
        texts = dict(image.text)  # type: ignore[attr-defined]
        pixels = image.convert("RGB")
    pixels.putpixel((5, 5), (1, 2, 3))
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    pixels.save(edited, pnginfo=info)
    archive.history.refresh()
    found = {entry.saved.path: entry for entry in archive.history.search(Query(), 50).entries}
    assert found[edited].mark == found[original].mark
    assert found[original].verdict == "identical"
    assert found[edited].verdict == "not_yet"
    archive.close()


def test_what_was_found_last_counts(archive: Archive) -> None:
    archive.prove(archive.paths[1], identical=True)
    assert archive.verdicts()[archive.paths[1].name] == "identical"
    archive.close()


def test_the_badge_tells_when_on_what_and_why(archive: Archive) -> None:
    entries = {entry.saved.path: entry for entry in archive.history.search(Query(), 50).entries}
    identical, differs, cannot, not_yet = (badge(entries[path]) for path in archive.paths)
    assert identical.line.code == "proof_identical_when"
    assert identical.line.values["on"] == "NVIDIA H200, torch 2.13.0"
    assert [note.values["name"] for note in differs.why] == ["torch"]
    assert [note.code for note in cannot.why] == ["file_not_found"]
    assert not_yet.line == Note("proof_not_yet")
    missing = Note("file_not_found", what="x", name="y", sha256="z")
    barred = badge(entries[archive.paths[3]], missing)
    assert (barred.verdict, barred.why) == ("cannot", (missing,))
    assert badge(entries[archive.foreign], Note("no_settings")).why == (Note("no_settings"),)
    archive.close()


def test_a_report_of_another_version_costs_its_reasons_alone(archive: Archive) -> None:
    entry = next(one for one in archive.history.search(Query(proof="differs"), 50).entries)
    assert entry.proof is not None
    for told in ({"because": 7}, {}, {"now": ["a"]}):
        odd = replace(entry, proof=replace(entry.proof, told=told))
        assert badge(odd).verdict == "differs"
    archive.close()


def test_a_verdict_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidRequest) as error:
        Query(proof="perhaps")
    assert error.value.field == "proof"
    assert error.value.note.code == "choice"
