"""Detectors are known by their headers and the config.json beside them, and find what transformers' own do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.boxes import MOST
from pipelines.details import Detail
from pipelines.errors import InvalidRequest, ModelError
from pipelines.models.checkpoints import scan
from pipelines.types import Batch, GenerationRequest
from tests.details.detectors import SIDE, WORDS, write_tiny
from webui.words import say

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

KINDS = ("rt_detr_v2", "d_fine", "yolos")
OF_WORDS = ("grounding-dino", "clipseg")
PICTURE = Image.radial_gradient("L").resize((96, 80)).convert("RGB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("detectors")
    for kind in (*KINDS, *OF_WORDS):
        write_tiny(found / kind, kind)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_it_finds_what_transformers_finds(kind: str, folder: Path) -> None:
    from transformers import AutoModelForObjectDetection

    from pipelines.models.detector import Detector

    (info,) = scan([folder / kind])
    assert (info.kind, info.problem) == ("detector", None)
    model = AutoModelForObjectDetection.from_pretrained(folder / kind, local_files_only=True).eval()
    small = np.asarray(PICTURE.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    pixels = torch.from_numpy(small.astype(np.float32) / 255).permute(2, 0, 1)[None]
    if kind == "yolos":  # the one that is told by ImageNet's mean and spread
        mean, spread = (torch.tensor(one)[:, None, None] for one in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        pixels = (pixels - mean) / spread
    with torch.no_grad():
        told = model(pixel_values=pixels)
    logits = told.logits[0].softmax(-1)[:, :-1] if kind == "yolos" else told.logits[0].sigmoid()
    sure = logits.max().item()
    place, label = divmod(int(logits.argmax()), logits.shape[-1])
    x, y, width, height = told.pred_boxes[0, place].tolist()
    sides = [(x - width / 2) * 96, (y - height / 2) * 80, (x + width / 2) * 96, (y + height / 2) * 80]
    within = [min(max(0, side), most) for side, most in zip(sides, (96, 80, 96, 80), strict=True)]
    found = Detector(info).find(Detail(confidence=0.0), PICTURE)
    assert found[0].score == pytest.approx(sure, abs=1e-3)
    alike = [one for one in found if one.box == pytest.approx(within, abs=1.5)]
    assert alike[0].label == model.config.id2label[label]
    assert alike[0].score == pytest.approx(sure, abs=1e-3)


def _pixels(mean: list[float], spread: list[float]) -> Any:
    small = np.asarray(PICTURE.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).astype(np.float32) / 255
    return torch.from_numpy((small - np.float32(mean)) / np.float32(spread)).permute(2, 0, 1)[None]


def test_any_word_is_found_where_grounding_dino_finds_it(folder: Path) -> None:
    from transformers import AutoModelForZeroShotObjectDetection

    from pipelines.models.detector import Detector

    place = folder / "grounding-dino"
    model = AutoModelForZeroShotObjectDetection.from_pretrained(place, local_files_only=True).eval()
    pixels = _pixels([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    detector = Detector(scan([place])[0])
    for word, pieces in (("face", ["face"]), ("left hand", ["left", "hand"])):
        tokens = torch.tensor([[WORDS.index(one) for one in ("[CLS]", *pieces, ".", "[SEP]")]])
        with torch.no_grad():
            told = model(pixel_values=pixels, input_ids=tokens, attention_mask=torch.ones_like(tokens))
        sure = told.logits[0].sigmoid().amax(-1)
        x, y, width, height = told.pred_boxes[0, int(sure.argmax())].tolist()
        sides = [(x - width / 2) * 96, (y - height / 2) * 80, (x + width / 2) * 96, (y + height / 2) * 80]
        within = [min(max(0, side), most) for side, most in zip(sides, (96, 80, 96, 80), strict=True)]
        first = detector.find(Detail(confidence=0.0, words=word.upper()), PICTURE)[0]
        assert (first.label, first.score) == (word, pytest.approx(sure.max().item(), abs=1e-3))
        assert first.box == pytest.approx(within, abs=1.5)


def test_the_boxes_of_a_word_hold_all_that_clipseg_is_sure_of(folder: Path) -> None:
    from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

    from pipelines.models.detector import Detector

    place = folder / "clipseg"
    model = CLIPSegForImageSegmentation.from_pretrained(place, local_files_only=True).eval()
    tokens = CLIPTokenizer.from_pretrained(place, local_files_only=True)("cat", return_tensors="pt")
    with torch.no_grad():
        logits = model(pixel_values=_pixels([0.5] * 3, [0.5] * 3), **tokens).logits
    whole = Image.fromarray(logits.sigmoid().reshape(SIDE, SIDE).numpy()).resize((96, 80), Image.Resampling.BILINEAR)
    sure = np.asarray(whole)
    confidence = float(np.sort(sure.ravel())[-20])  # that so many pixels reach
    found = Detector(scan([place])[0]).find(Detail(confidence=confidence, words="cat"), PICTURE)
    assert ({one.label for one in found}, 1 < len(found) < MOST) == ({"cat"}, True)
    assert found[0].score == pytest.approx(sure.max(), abs=0.01)
    held = np.zeros_like(sure, bool)
    for one in found:
        left, top, right, bottom = one.box
        held[top:bottom, left:right] = True
        inner = sure[top:bottom, left:right] >= confidence - 0.002
        assert all(edge.any() for edge in (inner[0], inner[-1], inner[:, 0], inner[:, -1])), "a box is too large"
    assert held[sure >= confidence + 0.002].all()
    assert not held.all()


def test_words_confidence_and_number_choose(folder: Path) -> None:
    from pipelines.models.detector import Detector

    detector = Detector(scan([folder / "rt_detr_v2"])[0])
    everything = detector.find(Detail(confidence=0.0), PICTURE)
    assert len(everything) > 2
    assert [one.score for one in everything] == sorted((one.score for one in everything), reverse=True)
    assert detector.find(Detail(confidence=0.0, most=2), PICTURE) == everything[:2]
    assert detector.find(Detail(confidence=1.0), PICTURE) == []
    word = everything[0].label
    named = detector.find(Detail(confidence=0.0, words=f"thumb, {word.upper()}"), PICTURE)
    assert {one.label for one in named} == {word}
    assert detector.find(Detail(confidence=0.0, words="thumb"), PICTURE) == []


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"model_type": "detr"}, "vision_type"),
        ({"use_timm_backbone": True}, "detector_elsewhere"),
        ({"id2label": {}}, "part_no_table"),
        (None, "part_missing"),
    ],
)
def test_why_one_cannot_be_used(config: Any, code: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(folder / "yolos" / "model.safetensors")
    if config is not None:
        whole = json.loads((folder / "yolos" / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(whole | config))
    (info,) = scan([tmp_path])
    assert info.problem is not None
    assert info.problem.code == code
    assert all("{" not in say(info.problem, language) for language in ("en", "zh"))


@pytest.mark.parametrize("kind", OF_WORDS)
def test_one_that_cannot_read_words_cannot_be_used(kind: str, folder: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).symlink_to(folder / kind / name)
    (info,) = scan([tmp_path])
    assert info.problem is not None
    assert (info.problem.code, info.problem.values["name"]) == ("part_missing", "tokenizer.json")


def test_weights_that_are_missing_are_told(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from pipelines.models.detector import Detector

    tensors = load_file(folder / "yolos" / "model.safetensors")
    tensors.pop("bbox_predictor.layers.0.weight")
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "yolos" / "config.json").read_text())
    with pytest.raises(ModelError, match="weights_missing"):
        Detector(scan([tmp_path])[0])


def test_what_is_wrong_is_told_before_it_is_queued(folder: Path) -> None:
    from pipelines.engines.fake import FakeEngine

    engine = FakeEngine(folders=[folder])
    assert [info.name for info in engine.detectors()] == sorted((*KINDS, *OF_WORDS))
    assert [info.name for info in engine.models()] == ["builtin", "builtin-tokens"]

    def refusal(**detail: Any) -> tuple[str, str]:
        with pytest.raises(InvalidRequest) as caught:
            engine.check(GenerationRequest(detail=Detail(**detail)))
        sentence = caught.value.told
        assert all("{" not in say(sentence, language) for language in ("en", "zh"))
        return caught.value.field, caught.value.note.code

    assert refusal() == ("detail_boxes", "boxes_unsaid")
    assert refusal(detector="yolov8") == ("detail_detector", "detector_missing")
    assert refusal(detector="yolos", words="face, dog") == ("detail_words", "detector_words")
    assert refusal(detector="clipseg", words=" , ") == ("detail_words", "detector_wordless")
    engine.check(GenerationRequest(detail=Detail(detector="clipseg", words="a thing of any kind")))
    engine.check(GenerationRequest(detail=Detail(detector="yolos", words=" Face,hand ")))
    engine.check(GenerationRequest(detail=Detail(detector="gone", found="none")))  # nobody has to look
    engine.check(GenerationRequest(detail=Detail(boxes="0,0,64,64")))


def test_the_engine_without_a_model_shows_previews_of_a_run_with_boxes() -> None:
    from pipelines.engines.fake import FakeEngine

    request = GenerationRequest(width=128, height=128, detail=Detail(boxes="64,64,64,64"))
    (result,) = FakeEngine().generate(Batch(request=request, seeds=(7,)), lambda _: None)
    assert result.request.detail is not None
    assert result.request.detail.found == "64,64,64,64"
