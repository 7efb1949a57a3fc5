"""Making a picture larger, from its file to the larger file, and that one made again from itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest, Unavailable
from pipelines.groups import InitImage, Upscale
from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from tests.models.files import write_model
from webui.archive import metadata
from webui.archive.search import Query
from webui.archive.store import SavedImage
from webui.jobs.status import JobStatus
from webui.kept.settings import Settings
from webui.parts import Parts, build_parts
from webui.ui.again.tab import settings_table

UPSCALER = {"body.0.weight": (8, 3, 3, 3), "body.1.weight": (8,), "body.2.weight": (12, 8, 3, 3)}
PICTURE = Image.radial_gradient("L").resize((40, 24)).convert("RGB")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    models = tmp_path / "models"
    models.mkdir()
    write_model(models / "mine.safetensors", UPSCALER)
    settings = Settings(
        output_dir=tmp_path / "outputs", models_dirs=(models,), data_dir=tmp_path / "data", engine="fake"
    )
    settings.data_dir.mkdir()
    with build_parts(settings, FakeEngine(folders=[models]), settings.data_dir) as built:
        built.service.start()
        yield built


def made(parts: Parts, job_id: str) -> JobStatus:
    status = parts.service.status(job_id)
    while status is not None and not status.finished:
        status = parts.service.wait(job_id, status.version, 5)
    assert status is not None
    assert status.state == "done", status.error
    return status


def larger(parts: Parts, path: Path, **wanted: object) -> SavedImage:
    (saved,) = made(parts, parts.service.submit_upscale(path, **wanted)).saved
    return saved


def source(parts: Parts, **more: object) -> SavedImage:
    request = GenerationRequest(prompt="a red star", seed=7, steps=9, width=64, height=72, batch_size=2, **more)
    return parts.store.save(results(request)[1])


def test_the_larger_picture_tells_how_the_smaller_was_made(parts: Parts) -> None:
    first = source(parts, init=InitImage(image=PICTURE, strength=0.5))
    saved = larger(parts, first.path, by=1.5, upscaler="nearest")
    assert (saved.task, saved.width, saved.height, saved.seed) == ("upscale", 96, 108, 8)
    assert saved.path.parent.parent.name == "upscale"
    with Image.open(first.path) as small, Image.open(saved.path) as large:
        assert large.tobytes() == small.resize((96, 108), Image.Resampling.NEAREST).tobytes()
        text = large.info["parameters"]
    record, before = metadata.read(saved.path).record, metadata.read(first.path).record
    assert record is not None
    assert before is not None
    assert record.parent is not None
    assert record.parent["pixels_sha256"] == before.pixels_sha256
    assert record.settings["upscale"]["image"] == before.pixels_sha256
    assert (record.settings["prompt"], record.settings["steps"], record.settings["batch_size"]) == ("a red star", 9, 1)
    assert record.settings["init"] == before.settings["init"]
    assert "Postprocess upscale by: 1.5, Postprocess upscaler: nearest" in text
    assert text.startswith("a red star\nSteps: 9,")
    (parts.store.root / "favourites").mkdir()
    moved = saved.path.rename(parts.store.root / "favourites" / saved.path.name)
    parts.history.refresh()
    (entry,) = [one for one in parts.history.search(Query(), 9).entries if one.saved.path == moved]
    assert entry.saved.task == "upscale"


@pytest.mark.parametrize("upscaler", ["lanczos", "mine"])
def test_it_is_made_again_from_its_own_file(parts: Parts, upscaler: str) -> None:
    saved = larger(parts, source(parts).path, upscaler=upscaler)
    assert made(parts, parts.service.submit_again(saved.path)).again.identical  # type: ignore[union-attr]
    twice = larger(parts, saved.path, by=1.25, upscaler=upscaler)  # of what is larger already
    assert (twice.width, twice.height) == (160, 180)
    assert made(parts, parts.service.submit_again(twice.path)).again.identical  # type: ignore[union-attr]


def test_an_upscaler_under_another_name_is_found_and_one_that_is_gone_is_told(parts: Parts, tmp_path: Path) -> None:
    saved = larger(parts, source(parts).path, upscaler="mine")
    file = tmp_path / "models" / "mine.safetensors"
    made(parts, parts.service.submit_again(saved.path))  # waits until the file's hash is known
    saved = larger(parts, source(parts).path, upscaler="mine")
    file.rename(file.with_name("other.safetensors"))
    report = made(parts, parts.service.submit_again(saved.path)).again
    assert report is not None
    assert [note.code for note in report.notes] == ["file_renamed"]
    assert report.identical
    file.with_name("other.safetensors").unlink()
    status = parts.service.status(parts.service.submit_again(saved.path))
    while status is not None and not status.finished:
        status = parts.service.wait(status.id, status.version, 5)
    assert status is not None
    assert status.again is not None
    assert status.again.cannot is not None
    assert status.again.cannot.code == "file_not_found"


def test_two_upscalers_of_one_name_are_told_apart(parts: Parts, tmp_path: Path) -> None:
    """Both pictures say the same, but for the hash: each is made again by its own file."""
    models, small = tmp_path / "models", source(parts).path
    saved = [larger(parts, small, upscaler="mine")]
    made(parts, parts.service.submit_again(saved[0].path))  # waits until the file's hash is known
    saved = [larger(parts, small, upscaler="mine")]
    (models / "mine.safetensors").rename(models / "one.safetensors")
    write_model(models / "mine.safetensors", UPSCALER, {"other": "bytes"})
    larger(parts, small, upscaler="mine")
    made(parts, parts.service.submit_again(saved[0].path))
    saved.append(larger(parts, small, upscaler="mine"))
    parts.service._engine.batches.clear()  # type: ignore[attr-defined]
    made(parts, parts.service.submit_again(*(one.path for one in saved)))
    asked = [batch.request.upscale.upscaler for batch in parts.service._engine.batches]  # type: ignore[attr-defined]
    assert sorted(asked) == ["mine", "one"]


def test_of_several_wishes_each_upscaler_is_checked(parts: Parts) -> None:
    wishes = [GenerationRequest(upscale=Upscale(image=PICTURE, upscaler=name)) for name in ("lanczos", "4x")]
    with pytest.raises(InvalidRequest):
        parts.service.submit_many(wishes)


def test_what_is_settled_for_the_model_today_is_not_told_of_the_source(parts: Parts) -> None:
    parts.service.shelf.settings.put(parts.service.models()[0], {"prediction_type": "epsilon"})
    wish = GenerationRequest(seed=1, upscale=Upscale(image=PICTURE))
    (saved,) = made(parts, parts.service.submit(wish)).saved
    record = metadata.read(saved.path).record
    assert record is not None
    assert record.settings["prediction_type"] is None


def test_a_picture_that_says_nothing_gets_no_settings_that_nobody_used(parts: Parts, tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "holiday.bmp")
    saved = larger(parts, tmp_path / "holiday.bmp")
    with Image.open(saved.path) as image:
        assert image.size == (80, 48)
        assert image.info["parameters"].startswith("Postprocess upscale by: 2, Postprocess upscaler: lanczos, Version")
    twice = larger(parts, saved.path)
    with Image.open(twice.path) as image:
        assert "Steps" not in image.info["parameters"]
    assert made(parts, parts.service.submit_again(twice.path)).again.identical  # type: ignore[union-attr]


def test_another_programs_text_goes_along(parts: Parts, tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text(
        "parameters", "a boat\nSteps: 30, Sampler: Euler a, CFG scale: 5, Seed: 12, Size: 40x24, Model: dream"
    )
    PICTURE.save(tmp_path / "theirs.png", pnginfo=texts)
    saved = larger(parts, tmp_path / "theirs.png")
    record = metadata.read(saved.path).record
    assert record is not None
    told = {name: record.settings[name] for name in ("prompt", "steps", "sampler", "seed")}
    assert told == {"prompt": "a boat", "steps": 30, "sampler": "Euler a", "seed": 12}
    assert record.settings["upscale"]["known"] is True


def test_what_is_wrong_is_told_before_the_queue(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source(parts).path
    for wanted, field, code in (
        ({"upscaler": "4x"}, "upscaler", "choice"),
        ({"by": 9}, "upscale_by", "number"),
        ({"tile": 64, "overlap": 40}, "upscale_overlap", "overlap_half"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            parts.service.submit_upscale(path, **wanted)
        assert (caught.value.field, caught.value.note.code) == (field, code)
    monkeypatch.setattr("pipelines.groups.UPSCALED_PIXELS", 9_000)
    with pytest.raises(InvalidRequest) as caught:
        parts.service.submit_upscale(path)
    assert (caught.value.field, caught.value.note.code) == ("upscale_by", "upscaled_pixels")
    monkeypatch.undo()
    monkeypatch.setattr(type(parts.store), "free_bytes", lambda _: 400_000)  # enough for 64 × 72, not for eight times
    with pytest.raises(Unavailable) as told:
        parts.service.submit_upscale(path, by=8)
    assert told.value.note.code == "space_short"
    assert parts.service.unfinished() == []


def test_choices_in_the_prompt_of_the_source_are_not_drawn_again(parts: Parts, tmp_path: Path) -> None:
    """It was drawn when the picture was made; braces that are left are words."""
    texts = PngInfo()
    texts.add_text("parameters", "a {red|blue} boat\nSteps: 30, Sampler: Euler a, CFG scale: 5, Seed: 12, Size: 40x24")
    PICTURE.save(tmp_path / "braces.png", pnginfo=texts)
    record = metadata.read(larger(parts, tmp_path / "braces.png").path).record
    assert record is not None
    assert record.settings["prompt"] == "a {red|blue} boat"
    assert np.prod(record.settings["batches"]) == 1
    assert json.loads(record.to_json())["request"]["template"] is None


def test_the_network_that_ships_is_there_and_its_picture_is_made_again(parts: Parts) -> None:
    saved = larger(parts, source(parts).path, upscaler="builtin-2x")
    assert (saved.width, saved.height) == (128, 144)
    (report,) = made(parts, parts.service.submit_again(saved.path)).reports
    assert report.identical
    assert not [note for note in report.notes if note.code.startswith("file_")]


def test_it_is_told_as_what_it_is(parts: Parts) -> None:
    """Its own settings are those of the smaller one."""
    table = settings_table(metadata.read(larger(parts, source(parts).path).path), "en")
    assert "<tr><th>Task</th><td>Upscale</td></tr>" in table
    assert "<tr><th>Size</th><td>64 × 72 → 128 × 144</td></tr>" in table
    assert "Variations" not in table  # of a group that is off, nothing
    plain = settings_table(metadata.read(source(parts).path), "zh")
    assert "<td>64 × 72</td>" in plain
