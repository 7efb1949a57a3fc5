"""A picture's files were renamed, replaced or are gone: the hash tells, and the right file is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipelines.fields import there
from pipelines.leading import Control
from pipelines.types import GenerationRequest, ModelInfo, Progress
from webui.archive.store import ImageStore
from webui.proof import sweep
from webui.proof.resources import Named, match, matched, named_in, renamed
from webui.words import say

ONE, TWO = "1" * 64, "2" * 64
CODES = {"model": "checkpoint", "lora": "lora", "vae": "vae", "embedding": "embedding"}


def file(name: str, sha256: str | None, kind: str = "checkpoint", **fields: object) -> ModelInfo:
    return ModelInfo(name=name, family="sd1", path=f"/m/{name}.safetensors", sha256=sha256, kind=kind, **fields)


def test_every_file_with_a_hash_is_named() -> None:
    facts = {
        "model": {"name": "a", "sha256": ONE},
        "vae": {"name": "b", "sha256": TWO},
        "loras": [{"name": "c", "sha256": ONE}, {"name": "d", "sha256": None}, 7],
        "embeddings": [{"name": "e", "sha256": TWO}],
    }
    assert [(one.role, one.name) for one in named_in(facts)] == [
        ("model", "a"), ("vae", "b"), ("lora", "c"), ("embedding", "e"),
    ]  # fmt: skip


@pytest.mark.parametrize("facts", [{}, {"model": "a"}, {"loras": {"name": 1}}, {"model": {"name": 3, "sha256": ONE}}])
def test_odd_records_name_nothing(facts: dict[str, object]) -> None:
    assert list(named_in(facts)) == []


@pytest.mark.parametrize("role", list(CODES))
def test_what_became_of_a_file(role: str) -> None:
    kind, named = CODES[role], Named(role=role, name="dream", sha256=ONE)
    unchanged = match(named, [file("dream", ONE, kind)])
    assert (unchanged.note, unchanged.now, unchanged.gone) == (None, None, False)
    moved = match(named, [file("other", TWO, kind), file("night", ONE, kind)])
    assert (moved.now, moved.gone) == ("night", False)
    assert moved.note is not None
    assert (moved.note.code, moved.note.values["now"]) == ("file_renamed", "night")
    both = match(named, [file("dream", TWO, kind), file("night", ONE, kind)])
    assert both.now == "night"
    replaced = match(named, [file("dream", TWO, kind)])
    assert (replaced.now, replaced.gone) == (None, False)
    assert replaced.note is not None
    assert replaced.note.code == "file_replaced"
    gone = match(named, [file("other", TWO, kind)])
    assert gone.gone
    assert gone.note is not None
    assert (gone.note.code, gone.note.values["sha256"]) == ("file_not_found", "1111111111")


def test_each_control_network_gets_its_own_name_of_today() -> None:
    """Also where one is called now as another was."""
    map_of = Image.new("RGB", (64, 64))
    names = {"control_1": "a", "control_2": "b", "control_3": "a"}
    request = GenerationRequest(**{slot: Control(map=map_of, model=name) for slot, name in names.items()})
    facts = {"controls": [{"name": name, "sha256": sha256} for name, sha256 in (("a", ONE), ("b", TWO), ("a", ONE))]}
    files = [file("b", ONE, "controlnet"), file("c", TWO, "controlnet")]
    found = there(renamed(request, matched(facts, files)), Control)
    assert [control.model for control in found.values()] == ["b", "c", "b"]


def test_a_file_of_another_kind_is_no_match() -> None:
    assert match(Named(role="lora", name="a", sha256=ONE), [file("b", ONE, "vae")]).gone


def test_the_request_gets_todays_names() -> None:
    request = GenerationRequest(
        prompt="a cat, <lora:Ink:0.5:1> <lora:inkwell:1>, my-word ink", negative_prompt="bad, badly", model="a", vae="v"
    )
    facts = {
        "model": {"name": "a", "sha256": ONE},
        "vae": {"name": "v", "sha256": ONE},
        "loras": [{"name": "ink", "sha256": ONE}],
        "embeddings": [{"name": "bad", "sha256": TWO}],
    }
    files = [
        file("b", ONE),
        file("w", ONE, "vae"),
        file(r"pen\1", ONE, "lora"),
        file("worse", TWO, "embedding"),
    ]
    found = renamed(request, matched(facts, files))
    assert (found.model, found.vae) == ("b", "w")
    assert found.prompt == r"a cat, <lora:pen\1:0.5:1> <lora:inkwell:1>, my-word ink"
    assert found.negative_prompt == "worse, badly"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImageStore, Path]:
    """The models folder with one tiny real model, and a picture made with it."""
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("resources")
    models = folder / "models"
    models.mkdir()
    RandomModel("sd15", tiny=True, seed=1).write_single(models / "dream.safetensors")
    store = ImageStore(folder / "outputs")
    store.prepare()
    request = GenerationRequest(prompt="a cat", model="dream", width=64, height=64, steps=2, seed=5)
    engine = LocalEngine((models,), device="cpu")
    (result,) = engine.generate(next(request.batches_from(5)), lambda _: None)
    engine.close()
    return models, store, store.save(result).path


def again(made: tuple[Path, ImageStore, Path]) -> sweep.AgainReport:
    from pipelines.engines.local import LocalEngine

    models, store, picture = made
    engine = LocalEngine((models,), device="cpu")
    stages: list[Progress] = []
    (report,) = sweep.sweep(engine, store.inputs, [picture], stages.append)
    engine.close()
    return sweep.AgainReport.from_json(report.to_json())  # as the job table keeps it


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_with_real_files(made: tuple[Path, ImageStore, Path]) -> None:
    from tools.make_random_checkpoint import RandomModel

    models = made[0]
    dream, night = models / "dream.safetensors", models / "night.safetensors"
    report = again(made)
    assert (report.identical, report.notes) == (True, ())
    dream.rename(night)
    report = again(made)
    assert report.identical
    assert [say(note, "en") for note in report.notes] == ["The model dream is now called night; it is the same file."]
    RandomModel("sd15", tiny=True, seed=2).write_single(dream)
    report = again(made)
    assert report.identical, "the file of that name was used, not the one with the hash"
    assert report.notes[0].code == "file_renamed"
    kept = night.read_bytes()
    night.unlink()
    report = again(made)
    assert not report.identical
    assert report.cannot is None
    assert say(report.notes[0], "en").startswith("Another file bears the name of the model dream")
    dream.unlink()
    report = again(made)
    assert report.cannot is not None
    assert say(report.cannot, "en").startswith("The model dream (")
    night.write_bytes(kept)
    assert again(made).identical
