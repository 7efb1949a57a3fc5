"""What is settled for a model reaches the engine and the picture's record, and its use is noted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.errors import ModelError, Note
from tests.jobs.test_service import request
from tests.models.files import checkpoint, write_model
from webui.archive import metadata
from webui.kept.settings import Settings
from webui.parts import build_parts


def settings_for(folder: Path) -> Settings:
    return Settings(
        output_dir=folder / "outputs", models_dirs=(folder / "models",), data_dir=folder / "data", engine="fake"
    )


def test_settled_facts_go_with_every_request_and_into_the_picture(tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "anime.safetensors", checkpoint())
    settings = settings_for(tmp_path)
    engine = FakeEngine(folders=settings.models_dirs)
    with build_parts(settings, engine, settings.data_dir) as parts:
        service = parts.service
        service.start()
        (info,) = (one for one in service.shelf.everything() if one.name == "anime")
        service.shelf.settings.put(info, {"steps": 9, "prediction_type": "v_prediction", "zero_terminal_snr": True})
        before = time.time()
        jobs = service.submit_many([request(model="anime", seed=3), request(model="builtin", seed=3)])
        found = []
        for job in jobs:
            status = service.status(job)
            while status is not None and not status.finished:
                status = service.wait(job, status.version, 5)
            assert status is not None
            record = metadata.read(status.saved[0].path).record
            assert record is not None
            found.append((record.settings["prediction_type"], record.settings["zero_terminal_snr"]))
        assert found == [("v_prediction", True), (None, None)]
        assert [batch.request.prediction_type for batch in engine.batches] == ["v_prediction", None]
        uses = service.shelf.uses()
        assert set(uses) == {"anime", "builtin"}
        assert before - 1 <= uses["anime"] <= time.time() + 1  # SQLite's clock counts milliseconds
    with build_parts(settings, FakeEngine(folders=settings.models_dirs), settings.data_dir) as parts:
        assert parts.service.shelf.uses().keys() == {"anime", "builtin"}
        assert parts.service.shelf.settings.get(info)["steps"] == 9


def test_the_shelf_tells_of_everything_and_why_it_is_of_no_use(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_model(models / "good.safetensors", checkpoint())
    write_model(models / "deep.safetensors", checkpoint(channels=5))
    write_model(models / "soft.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)})
    (models / "empty.safetensors").write_bytes(b"")
    settings = settings_for(tmp_path)
    with build_parts(settings, FakeEngine(folders=settings.models_dirs), settings.data_dir) as parts:
        shelf = parts.service.shelf
        found = {info.name: info for info in shelf.everything()}
        assert list(found) == [
            "deep",
            "empty",
            "good",
            "soft",
            "builtin-2x",
            "builtin-outlines",
            "builtin",
            "builtin-tokens",
        ]
        assert found["empty"].problem == Note("file_empty")
        assert found["good"].problem is None
        assert found["soft"].problem is None
        assert found["deep"].problem == Note("variant_not_run", family="SD 1.x", variant="depth")
        with pytest.raises(ModelError):
            shelf.parts(found["empty"])
        assert {part.name for part in shelf.parts(found["good"])} == {"text_encoder", "unet", "vae"}
        write_model(models / "late.safetensors", checkpoint())
        assert "late" in {info.name for info in shelf.everything()}
        deadline = time.monotonic() + 60
        while any(info.sha256 is None and info.problem is None for info in shelf.everything()):
            assert time.monotonic() < deadline, "the hashes never came"
            time.sleep(0.05)
