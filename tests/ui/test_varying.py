"""The picture that an unCLIP model varies, on the page: given, run, brought back and made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models.files import write_model

from .conftest import Page, opened
from .test_events import large, picture, small, uploaded, value_of
from .test_reference import like

pytestmark = pytest.mark.lengthy

MODEL = "variations"


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("page")
    varying(folder / "models" / MODEL)
    with opened(folder, folder / "outputs", [folder / "models"]) as page:
        yield page


def varying(folder: Path) -> Path:
    """An unCLIP model's folder, as far as it is looked into before it is loaded."""
    parts = ("unet", "vae", "text_encoder", "image_encoder", "image_normalizer")
    told: dict[str, dict[str, Any]] = {
        "unet": {"cross_attention_dim": 1024, "class_embed_type": "projection"},
        "scheduler": {},
        "image_noising_scheduler": {},
    }
    for part in (*parts, "scheduler", "image_noising_scheduler"):
        name = "scheduler_config.json" if part.endswith("scheduler") else "config.json"
        (folder / part).mkdir(parents=True)
        (folder / part / name).write_text(json.dumps(told.get(part, {})))
    for part in parts:
        write_model(folder / part / "model.safetensors", {"x": (1,)})
    index = {"_class_name": "StableUnCLIPImg2ImgPipeline"} | {part: ["a", "b"] for part in parts}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_a_picture_is_varied_brought_back_and_made_again(ui: Page) -> None:
    varied = {"form_model": MODEL, "form_unclip_noise_level": 300}
    status = ui.generate("txt2img", small("txt2img") | varied | {"form_unclip_picture": picture(uploaded(ui, like()))})
    request = ui.engine.batches[-1].request
    assert request.unclip is not None
    assert request.unclip.picture.tobytes() == like().tobytes()
    sent = ui.call("form_send", {"canvas": large(ui, status, "run")})
    assert value_of(sent["form_unclip_noise_level"]) == 300
    path = value_of(sent["form_unclip_picture"])["path"]
    ui.generate("txt2img", small("txt2img") | varied | {"form_unclip_picture": picture(path)})
    after = ui.engine.batches[-1].request.unclip
    assert after is not None
    assert (after.picture.tobytes(), after.noise_level) == (like().tobytes(), 300)
    report = ui.finished(ui.parts.service.submit_again(status.saved[0].path)).again
    assert report is not None
    assert report.identical
