"""SAM 2: held to transformers' own run of it, on tiny random weights, from pixels that are reckoned here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.boxes import Click
from pipelines.errors import ModelError
from pipelines.models.checkpoints import scan
from tests.selecting.networks import SIDE, write_tiny

pytestmark = pytest.mark.torch

SIZE = (96, 80)
PICTURE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)).resize(
    SIZE, Image.Resampling.BILINEAR, box=(0, 0, 12, 10)
)
ONE: list[Click] = [(30.0, 20.0, True)]
SEVERAL: list[Click] = [*ONE, (70.0, 60.0, True), (10.0, 70.0, False)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "sam2-tiny"


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return write_tiny(folder)


def expected(model: Any, clicks: list[Click]) -> np.ndarray:
    """How sure transformers' network is, from the picture in one go; above 0 the thing."""
    square = np.asarray(PICTURE.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).astype(np.float64) / 255
    pixels = (square - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    places = [[x / SIZE[0] * SIDE, y / SIZE[1] * SIDE] for x, y, _ in clicks]
    with torch.no_grad():
        told = model(
            pixel_values=torch.tensor(pixels.transpose(2, 0, 1)[None], dtype=torch.float32),
            input_points=torch.tensor([[places]], dtype=torch.float32),
            input_labels=torch.tensor([[[1 if adds else 0 for *_, adds in clicks]]]),
            multimask_output=len(clicks) == 1,
        )
    logits = told.pred_masks[0, 0, told.iou_scores[0, 0].argmax()].numpy()
    return np.asarray(Image.fromarray(logits).resize(SIZE, Image.Resampling.BILINEAR))


def test_what_is_selected_is_what_transformers_says(model: Any, folder: Path) -> None:
    from pipelines.models.segmenter import Segmenter

    segmenter = Segmenter(scan([folder])[0])
    masks = []
    for clicks in (ONE, SEVERAL):
        mask = segmenter.select(PICTURE, clicks)
        sure, is_there = expected(model, clicks), np.asarray(mask) > 0
        assert (mask.mode, mask.size, {*np.unique(mask)}) == ("L", SIZE, {0, 255})
        clear = np.abs(sure) > 0.02 * np.abs(sure).max()  # what resizing twice may turn over is left out
        assert clear.mean() > 0.8
        assert (is_there == (sure > 0))[clear].all()
        masks.append(mask)
    assert masks[0] != masks[1]


def test_a_picture_is_looked_at_once(model: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.models.segmenter import Segmenter

    segmenter, looks = Segmenter(scan([folder])[0]), []
    look = segmenter._model.get_image_embeddings
    monkeypatch.setattr(segmenter._model, "get_image_embeddings", lambda pixels: looks.append(1) or look(pixels))
    first = segmenter.select(PICTURE, ONE)
    segmenter.select(PICTURE.copy(), SEVERAL)
    assert segmenter.select(PICTURE, ONE) == first
    assert len(looks) == 1
    segmenter.select(PICTURE.transpose(Image.Transpose.FLIP_LEFT_RIGHT), ONE)
    assert len(looks) == 2


def test_one_that_follows_things_through_films_selects_in_pictures(tmp_path: Path) -> None:
    from pipelines.models.segmenter import Segmenter

    model = write_tiny(tmp_path, of_films=True)
    (info,) = scan([tmp_path])
    assert (info.kind, info.problem) == ("segmenter", None)
    assert "memory_encoder" in " ".join(model.state_dict())
    assert Segmenter(info).select(PICTURE, ONE).size == SIZE


def test_what_cannot_be_used_is_told(model: Any, folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from pipelines.models.segmenter import Segmenter

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("mask_decoder.iou_token.weight")
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(ModelError, match="weights_missing"):
        Segmenter(scan([tmp_path])[0])
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam"}))
    (info,) = scan([tmp_path])
    assert info.problem is not None
    assert info.problem.code == "vision_type"


def test_the_engine_says_what_is_missing_and_does_it_in_its_process(model: Any, folder: Path) -> None:
    from pipelines.engines.worker import WorkerEngine
    from pipelines.models.segmenter import Segmenter

    engine = WorkerEngine([folder], device="cpu")
    try:
        mask = engine.select(PICTURE, SEVERAL, lambda _: None)
    finally:
        engine.close()
    assert mask == Segmenter(scan([folder])[0]).select(PICTURE, SEVERAL)
    from pipelines.engines.fake import FakeEngine

    with pytest.raises(ModelError, match="segmenter_missing"):
        FakeEngine().select(PICTURE, ONE, lambda _: None)
