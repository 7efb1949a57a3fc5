"""What version 0.1.0 saved: a folder that it made, with every kind of file, as this version opens it.

The folder is copied first, because opening it writes into it. `tests/data/v0.1.0/README.md` says how it was made.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.engine import Engine
from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note
from pipelines.types import ModelInfo, Progress
from tests.conftest import ROOT
from webui.archive import metadata
from webui.archive.inputs import InputStore, pixels_sha256
from webui.archive.search import Query
from webui.archive.trash import Trash
from webui.jobs.status import JobStatus
from webui.kept.settings import Settings
from webui.library.saved import SavedPresets
from webui.parts import Parts, build_parts
from webui.proof import golden, sweep

KEPT = ROOT / "tests" / "data" / "v0.1.0"
PLACE = "/SEEDPRINT-0.1.0"  # where the folder lay, as its databases have it
SUFFIXES = {".png", ".webp", ".jpg", ".avif"}
MODEL = "2140f2c0efe9d34e43eb7c2ef8f7dfb65796cf7e21384d5c18caa722c1df949e"  # the built-in one, as 0.1.0 recorded it
PATIENCE = 60.0  # seconds for jobs that the fake engine runs


@dataclass(frozen=True)
class Folder:
    """A copy, at home where it lies."""

    root: Path

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def settings(self) -> Settings:
        return Settings(output_dir=self.outputs, models_dirs=(self.root / "models",), data_dir=self.data, engine="fake")

    def pictures(self) -> list[Path]:
        """Every file below outputs but copies of inputs."""
        found = [file for file in sorted(self.outputs.rglob("*")) if file.suffix in SUFFIXES]
        return [file for file in found if file.relative_to(self.outputs).parts[0] != "inputs"]

    @contextlib.contextmanager
    def opened(self, engine: Engine | None = None) -> Iterator[Parts]:
        """The program on it, nothing started yet."""
        with build_parts(self.settings, engine or FakeEngine(folders=self.settings.models_dirs), self.data) as parts:
            yield parts


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return copied(tmp_path / "kept")


def copied(to: Path) -> Folder:
    shutil.copytree(KEPT, to)
    for file in (to / "data").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in (name for name in tables if not name.startswith(("words", "sqlite_"))):
                for _, column, kind, *_ in database.execute(f"PRAGMA table_info({table})").fetchall():
                    if kind == "TEXT":
                        change = f"UPDATE {table} SET {column} = replace({column}, ?, ?) WHERE instr({column}, ?)"
                        database.execute(change, (PLACE, to.as_posix(), PLACE))
    return Folder(to)


def rows(folder: Folder, statement: str) -> list[tuple[Any, ...]]:
    """What 0.1.0 wrote, read without any of our code."""
    with contextlib.closing(sqlite3.connect(folder.data / "jobs.sqlite")) as database:
        return database.execute(statement).fetchall()


# -- pictures -------------------------------------------------------------------------------------------------------


def test_every_picture_tells_what_made_it(folder: Folder) -> None:
    """Each of its settings, as its JSON has them, stands in the request that it gives today."""
    inputs, told = InputStore(folder.outputs / "inputs"), 0
    for path in folder.pictures():
        back = metadata.read(path)
        assert back.record is not None, path
        assert back.record.program == "seedprint 0.1.0"
        assert not back.record.unknown
        request = back.record.request(inputs)
        for name, value in back.record.settings.items():
            groups = {"init": request.init, "inpaint": request.inpaint}
            for field, wanted in (value or {}).items() if name in groups else [(name, value)]:
                found = getattr(groups.get(name, request), field)
                assert (pixels_sha256(found) if isinstance(found, Image.Image) else found) == wanted, (path, name)
                told += 1
    assert told > 1000


def test_its_own_text_says_the_same(folder: Folder) -> None:
    """Read by Pillow alone."""
    for path in folder.pictures():
        if path.suffix == ".png":
            with Image.open(path) as image:
                settings = json.loads(image.text["seedprint"])["request"]
            record = metadata.read(path).record
            assert record is not None
            assert record.settings == settings


def test_the_pixels_of_whole_files_are_those_recorded(folder: Folder) -> None:
    whole = [path for path in folder.pictures() if path.suffix in {".png", ".webp"} and path.name != "changed.png"]
    for path in whole:
        record = metadata.read(path).record
        with Image.open(path) as image:
            assert record is not None
            assert pixels_sha256(image.convert("RGB")) == record.pixels_sha256, path


def test_the_fixture_holds_every_kind(folder: Folder) -> None:
    records = [metadata.read(path).record for path in folder.pictures()]
    settings = [record.settings for record in records if record is not None]
    assert {path.suffix for path in folder.pictures()} == SUFFIXES
    assert {record.kind for record in records if record is not None} == {"image", "grid"}
    assert len({one["sampler"] for one in settings}) == 17
    assert {one["dialect"] for one in settings} == {"a1111", "compel"}
    assert any(one["template"] for one in settings)
    assert any("模糊" in one["negative_prompt"] for one in settings)
    assert len({one["init"]["resize_mode"] for one in settings if one["init"]}) == 3
    masks = [one["inpaint"] for one in settings if one["inpaint"]]
    assert len({one["masked_content"] for one in masks}) == 4
    assert {(one["only_masked"], one["invert"]) for one in masks} == {
        (only, invert) for only in (False, True) for invert in (False, True)
    }
    assert any(record is not None and {"loras", "embeddings"} <= record.facts.keys() for record in records)


def test_sidecars_say_what_their_pictures_say(folder: Folder) -> None:
    beside = [path for path in folder.outputs.glob("txt2img/*/*.json")]
    assert beside
    for path in beside:
        picture = next(one for one in folder.pictures() if one.stem == path.stem)
        record = metadata.read(picture).record
        assert record is not None
        assert json.loads(path.read_text(encoding="utf-8"))["request"] == record.settings


def test_the_index_lists_all_of_them(folder: Folder) -> None:
    there = {path for path in folder.pictures() if ".trash" not in path.parts}
    for how in ("refresh", "rebuild"):
        with folder.opened() as parts:
            getattr(parts.history, how)()
            assert {entry.saved.path for entry in parts.history.search(Query(), 1000).entries} == there
            assert parts.history.count(Query(trashed=True)) == 2


def test_the_picture_that_0_1_0_could_not_index_is_listed(folder: Folder) -> None:
    """It holds `image_guidance`, at which the History of 0.1.0 ended."""
    settings = replace(folder.settings, output_dir=folder.root / "guided", data_dir=folder.root / "guided-data")
    with build_parts(settings, FakeEngine(), settings.data_dir) as parts:
        assert parts.history.refresh() == 1
        (entry,) = parts.history.search(Query(), 10).entries
        record = metadata.read(entry.saved.path).record
        assert record is not None
        request = record.request(parts.store.inputs)
    assert request.init is not None
    assert (entry.saved.seed, request.init.image_guidance) == (11, 2.0)


def test_an_index_made_from_nothing_is_the_same(folder: Folder) -> None:
    def entries() -> dict[Path, Any]:
        with folder.opened() as parts:
            parts.history.refresh()
            return {
                entry.saved.path: (entry.saved, entry.rating, entry.tags, entry.model, entry.sampler, entry.source)
                for entry in parts.history.search(Query(), 1000).entries
            }

    before = entries()
    (folder.data / "history.sqlite").unlink()
    assert entries() == before


def test_stars_tags_and_trash(folder: Folder) -> None:
    with folder.opened() as parts:
        parts.history.refresh()
        entries = parts.history.search(Query(), 1000).entries
        # changed.png holds the record of the picture with five stars, and what hangs on that
        assert sorted(entry.rating for entry in entries if entry.rating) == [2, 2, 5, 5]
        assert [entry.tags for entry in entries if entry.tags] == [("best", "红星")] * 3
        assert any("chosen/stars" in entry.saved.path.as_posix() for entry in entries)
        away = parts.history.search(Query(trashed=True), 10).entries
        assert len(away) == 2
        back = Trash(parts.history).restore([entry.saved.id for entry in away])
        assert back.problem is None
        assert {path.parts[-3] for path in back.places.values()} == {"txt2img"}


# -- jobs -----------------------------------------------------------------------------------------------------------


def test_every_job_has_its_state_and_pictures(folder: Folder) -> None:
    kept = rows(folder, "SELECT id, kind, state, images, error_field FROM jobs")
    saved = dict(rows(folder, "SELECT job_id, count(*) FROM job_images WHERE place >= 0 GROUP BY job_id"))
    assert {state for _, _, state, *_ in kept} == {"queued", "running", "done", "failed", "cancelled"}
    with folder.opened() as parts:
        for identity, kind, state, images, field in kept:
            status = parts.service.status(identity)
            assert status is not None
            assert (status.kind, status.images) == (kind, images)
            assert status.state == state
            assert len(status.saved) == saved.get(identity, 0)
            assert all(one.path.is_relative_to(folder.outputs) for one in status.saved)
            assert (status.error is not None) == (state == "failed")
            assert (status.error.values.get("field") if status.error is not None else None) == field


def test_the_outcome_of_a_picture_made_again(folder: Folder) -> None:
    ((identity,),) = rows(folder, "SELECT id FROM jobs WHERE kind = 'again'")
    with folder.opened() as parts:
        status = parts.service.status(identity)
    assert status is not None
    changed, *others = sorted(status.reports, key=lambda report: report.identical)
    assert [(report.identical, report.different_pixels) for report in others] == [(True, 0)] * 2
    assert (Path(changed.path).name, changed.different_pixels) == ("changed.png", 1)
    assert changed.because


def test_what_was_waiting_runs(folder: Folder) -> None:
    """The run that died with two of three pictures makes the third alone; then those in the queue."""
    waiting = rows(folder, "SELECT id FROM jobs WHERE state IN ('queued', 'running') ORDER BY number")
    engine = FakeEngine(folders=folder.settings.models_dirs)
    with folder.opened(engine) as parts:
        parts.service.start()
        ends = [ended(parts, identity) for (identity,) in waiting]
        assert [end.state for end in ends] == ["done"] * 3
        assert [len(end.saved) for end in ends] == [3, 1, 1]
        assert [batch.seeds for batch in engine.batches[:2]] == [(62,), (61,)]
        assert all(one.path.is_file() for end in ends for one in end.saved)


def ended(parts: Parts, identity: str) -> JobStatus:
    end = time.monotonic() + PATIENCE
    status = parts.service.status(identity)
    while status is not None and not status.finished and time.monotonic() < end:
        status = parts.service.wait(identity, status.version, 1)
    assert status is not None
    return status


# -- what a person keeps --------------------------------------------------------------------------------------------


def test_the_settings_of_models_and_saving(folder: Folder) -> None:
    with folder.opened() as parts:
        settings = parts.service.shelf.settings
        builtin = next(model for model in parts.service.models() if model.family == "builtin")
        assert settings.get(builtin) == {"steps": 9, "guidance": 4.0, "sampler": "DDIM"}
        saving = parts.saving.get()
        assert parts.store.saving == saving
    assert (saving.pattern, saving.format) == ("[number]-[seed]_[prompt]_[sampler]", "png")
    assert (saving.sidecars, saving.grid) == (("json",), "seeds")


def test_the_experiments_are_shown_with_their_counts(folder: Folder) -> None:
    kept = rows(folder, "SELECT id, name, state FROM experiments ORDER BY number")
    assert [state for *_, state in kept] == ["done", "done", "cancelled", "running"]
    with folder.opened() as parts:
        assert [row.id for row in parts.lab.recent(10)] == [identity for identity, *_ in reversed(kept)]
        for identity, name, state in kept:
            status, experiment = parts.lab.status(identity), parts.lab.experiment(identity)
            assert status is not None
            assert experiment is not None
            assert (status.name, experiment.name, status.state) == (name, name, state)
            pictures = parts.lab.pictures(identity)
            made = [(cell, path) for cell, path in pictures if path is not None]
            assert len(made) == {"done": len(pictures), "cancelled": 1, "running": 0}[state]
            for cell, path in made:
                record = metadata.read(path).record
                assert record is not None
                assert (record.settings["prompt"], record.settings["seed"]) == (cell.request.prompt, cell.seed)
            results = parts.lab.results(identity)
            assert (results is None) == (state == "running")
            assert (status.grid is None) == (state == "running")


class SameModel(FakeEngine):
    """Its model bears the hash of the built-in one that 0.1.0 had."""

    def models(self) -> tuple[ModelInfo, ...]:
        return tuple(replace(model, sha256=MODEL) for model in super().models())


@pytest.mark.parametrize(("engine", "share"), [(SameModel, 1), (FakeEngine, 0)])
def test_cells_that_were_made_are_not_made_again(folder: Folder, engine: type[FakeEngine], share: int) -> None:
    """As long as the model is the same one."""
    with folder.opened(engine()) as parts:
        done = [row.id for row in parts.lab.recent(10) if row.state == "done"]
        plans = [parts.lab.plan(one) for one in map(parts.lab.experiment, done) if one is not None]
    assert len(plans) == 2
    assert all(plan.finished == plan.cells * share for plan in plans)


def test_presets_of_ones_own(folder: Folder) -> None:
    saved = SavedPresets(folder.root / "presets")
    listing = saved.listing()
    assert listing.problems == ()
    assert [preset.name for preset in listing.presets] == ["我的风格", "My stars", "My stars 2"]
    assert dict(saved.get("My stars").fields) == {"prompt": "a blue star", "steps": 15, "sampler": "DDIM"}
    assert dict(saved.get("我的风格").fields) == {
        "prompt": "{prompt}, 水彩",
        "negative_prompt": "fog",
        "guidance": 4.5,
    }
    assert saved.history("My stars")
    assert saved.gone()


def test_small_pictures_are_there(folder: Folder) -> None:
    with folder.opened() as parts:
        for path in folder.pictures()[:5]:
            assert parts.thumbnails.get(path).startswith(b"\xff\xd8")


# -- made again -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_made_again_lacks_its_model(folder: Folder) -> None:
    """The fixture is kept without the tiny model's 90 MB."""
    made_with = {path for path in folder.pictures() if '"model": {"name": "base"' in record_of(path)}
    engine = Hashed(folders=[folder.root / "models"])
    files = sweep.files_in([folder.outputs])
    reports = list(sweep.sweep(engine, InputStore(folder.outputs / "inputs"), files, ignore))
    lost = {Path(report.path): report.cannot for report in reports if report.cannot is not None}
    assert set(lost) == made_with
    assert len(lost) == 5
    for why in lost.values():
        assert why is not None
        assert (why.code, why.values["name"], why.values["what"]) == ("file_not_found", "base", Note("role_model"))


def record_of(path: Path) -> str:
    record = metadata.read(path).record
    return "" if record is None else record.to_json()


class Hashed(FakeEngine):
    """All of whose files have been hashed."""

    def shelf(self) -> tuple[ModelInfo, ...]:
        return tuple(replace(info, sha256=info.sha256 or "0" * 64) for info in super().shelf())


@pytest.mark.torch
def test_every_picture_is_made_again(folder: Folder) -> None:
    """The built-in model's, and those of a tiny model that its tool makes anew, with a LoRA and a learned word. On
    another processor, or with other libraries, pixels may differ: then the record must name what is another one. What
    lies in `prompts` is read by the rules of then."""
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    models = folder.root / "models"
    RandomModel("sd15", tiny=True).write_single(models / "base.safetensors")
    shutil.copyfile(models / "my-word.safetensors", models / "odd (1).safetensors")
    engine = LocalEngine([models], device="cpu")
    sets = [(folder.root / "prompts" / "inputs", sweep.files_in([folder.root / "prompts"]))]
    sets += [(folder.outputs / "inputs", sweep.files_in([folder.outputs]))]
    sets += [golden.files(place) for place in golden.folders(folder.data / golden.FOLDER)]
    with contextlib.closing(engine):
        reports = [found for inputs, files in sets for found in sweep.sweep(engine, InputStore(inputs), files, ignore)]
    assert len(reports) == sum(len(files) for _, files in sets) > 70
    assert [(report.path, report.cannot) for report in reports if report.cannot is not None] == []
    differing = [report for report in reports if not report.identical]
    assert [report for report in differing if not report.changed and Path(report.path).name != "changed.png"] == []
    (changed,) = [report for report in reports if Path(report.path).name == "changed.png"]
    assert not changed.identical
    assert changed.changed or changed.different_pixels == 1


def ignore(_progress: Progress) -> None:
    """Nobody looks."""
