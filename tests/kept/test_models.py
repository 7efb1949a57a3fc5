"""What is settled for a model is kept, goes with its requests, and is nobody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.errors import InvalidRequest, StorageError
from pipelines.types import GenerationRequest, ModelInfo
from tests.refusals import failing
from webui.kept.models import ModelSettings

MODEL = ModelInfo(name="anime", family="sd1", path="/m/anime.safetensors", bytes=2000)


def test_they_are_kept_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    wanted = {"width": 640, "clip_skip": 2, "sampler": "Euler a", "schedule": "karras", "vae": "soft"}
    ModelSettings(path).put(MODEL, {**wanted, "steps": None, "prediction_type": "v_prediction"})
    assert ModelSettings(path).get(MODEL) == {**wanted, "prediction_type": "v_prediction"}
    assert list(tmp_path.iterdir()) == [path]


def test_another_file_of_that_name_begins_without(tmp_path: Path) -> None:
    settings = ModelSettings(tmp_path / "models.json")
    settings.put(MODEL, {"steps": 30})
    assert settings.get(ModelInfo(name="anime", family="sd1", path=MODEL.path, bytes=2001)) == {}
    assert settings.get(ModelInfo(name="other", family="sd1", path=MODEL.path, bytes=2000)) == {}


def test_two_programs_see_each_others(tmp_path: Path) -> None:
    first, second = (ModelSettings(tmp_path / "models.json") for _ in range(2))
    other = ModelInfo(name="other", family="sd1", path="", bytes=7)
    first.put(MODEL, {"steps": 30})
    second.put(other, {"steps": 40})
    assert first.get(MODEL) == second.get(MODEL) == {"steps": 30}
    assert first.get(other) == {"steps": 40}


def test_nothing_forgets(tmp_path: Path) -> None:
    settings = ModelSettings(tmp_path / "models.json")
    settings.put(MODEL, {"steps": 30})
    settings.put(MODEL, {})
    assert ModelSettings(tmp_path / "models.json").get(MODEL) == {}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": 0}, "steps"),
        ({"width": 100}, "width"),
        ({"prediction_type": "flow"}, "prediction_type"),
        ({"zero_terminal_snr": 1}, "zero_terminal_snr"),
        ({"sampler": "PLMS", "schedule": "karras"}, "schedule"),
    ],
)
def test_a_bad_value_is_refused_and_changes_nothing(values: dict[str, object], field: str, tmp_path: Path) -> None:
    settings = ModelSettings(tmp_path / "models.json")
    settings.put(MODEL, {"steps": 30})
    with pytest.raises(InvalidRequest) as raised:
        settings.put(MODEL, values)
    assert raised.value.field == field
    assert settings.get(MODEL) == {"steps": 30}


def test_what_a_person_wrote_wrong_is_left_out_and_the_rest_counts(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    wrong = {"steps": "many", "width": 640, "sampler": "PLMS", "schedule": "karras", "odd": 1}
    path.write_text(json.dumps({"anime": {"bytes": 2000, "settings": wrong}}))
    assert ModelSettings(path).get(MODEL) == {"width": 640, "sampler": "PLMS"}


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"anime": 3}', '{"anime": {"bytes": 2000, "settings": 7}}'])
def test_a_damaged_file_is_as_none_and_is_kept_aside(text: str, tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(text)
    settings = ModelSettings(path)
    assert settings.get(MODEL) == {}
    settings.put(MODEL, {"steps": 30})
    assert ModelSettings(path).get(MODEL) == {"steps": 30}
    if text == "no JSON":
        assert path.with_suffix(".damaged").read_text() == text


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with failing(StorageError, "model_settings_not_kept"):
        ModelSettings(tmp_path / "file" / "models.json").put(MODEL, {"steps": 30})


def test_a_request_gets_what_it_does_not_say_itself() -> None:
    settings = ModelSettings()
    settings.put(MODEL, {"steps": 30, "prediction_type": "v_prediction", "zero_terminal_snr": True})
    plain = GenerationRequest(model="anime", steps=12)
    found = settings.completed(plain, MODEL)
    assert (found.steps, found.prediction_type, found.zero_terminal_snr) == (12, "v_prediction", True)
    said = GenerationRequest(model="anime", prediction_type="epsilon", zero_terminal_snr=False)
    assert settings.completed(said, MODEL) == said
