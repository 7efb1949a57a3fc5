"""What CLIP sees, held to transformers' own on tiny random weights; and counted in the lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.engines import messages
from pipelines.errors import Cancelled, ModelError, Note
from pipelines.types import GenerationRequest, Progress
from tests.engines.conftest import SMALL, batch_of, ignore
from tests.lab.conftest import asked, opened
from tools.tiny_clip import SIDE, write_tiny
from webui.lab.report import to_csv

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.local import LocalEngine  # noqa: E402
from pipelines.engines.worker import WorkerEngine  # noqa: E402
from pipelines.models.weights.tokenizer import clip_tokenizer  # noqa: E402

CLOSE = 1e-4


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    """Fields of colours, so that the picture still tells something when it is made small."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST)


def expected(model: Any, images: list[Image.Image], **settings: Any) -> Any:
    """By transformers: (pictures, width)."""
    from transformers import CLIPImageProcessorPil

    settings = settings or {"size": {"shortest_edge": SIDE}, "crop_size": SIDE}
    pixels = CLIPImageProcessorPil(**settings)(images=images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        if hasattr(model, "get_image_features"):
            return model.get_image_features(pixel_values=pixels).pooler_output.numpy()
        return model(pixel_values=pixels).image_embeds.numpy()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine([tmp_path / "models"], device="cpu")
    yield engine
    engine.close()


PICTURES = [noise(64, 64), noise(96, 64, 2), noise(40, 128, 3), noise(SIDE, SIDE, 4), noise(24, 20, 5)]


@pytest.mark.parametrize(("whole", "dtype"), [(False, "float32"), (True, "float32"), (False, "float16")])
def test_it_sees_what_transformers_sees(engine: LocalEngine, whole: bool, dtype: str, tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "models" / "clip", whole=whole, dtype=dtype)
    found = engine.embed("clip", PICTURES, ignore)
    wanted = expected(model, PICTURES)
    assert np.abs(np.array(found) - wanted).max() < CLOSE
    assert np.abs(wanted - wanted.mean(axis=0)).max() > 100 * CLOSE  # it tells the pictures apart


def test_it_reads_what_transformers_reads(engine: LocalEngine, tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "models" / "clip", whole=True)
    for text in ("a red star", "a red star " * 40):
        *seen, read = (np.array(one) for one in engine.embed("clip", PICTURES[:1], ignore, text))
        ids = clip_tokenizer()(text, truncation=True, max_length=77, padding="max_length", return_tensors="pt")
        with torch.no_grad():
            wanted = model.get_text_features(**ids).pooler_output.numpy()
        assert np.abs(read - wanted[0]).max() < CLOSE
        assert np.abs(seen[0] - expected(model, PICTURES[:1])).max() < CLOSE


def test_the_half_that_sees_reads_nothing(engine: LocalEngine, tmp_path: Path) -> None:
    write_tiny(tmp_path / "models" / "clip")
    with pytest.raises(ModelError):
        engine.embed("clip", PICTURES[:1], ignore, "a red star")


def test_the_pixels_are_prepared_as_the_paper_has_it(engine: LocalEngine, tmp_path: Path) -> None:
    """By hand: the shorter side bicubically, the middle, OpenAI's mean and spread of each channel."""
    model = write_tiny(tmp_path / "models" / "clip")
    image = noise(96, 64, 2)
    small = image.resize((SIDE * 96 // 64, SIDE), Image.Resampling.BICUBIC)
    left = (small.width - SIDE) // 2
    levels = np.asarray(small.crop((left, 0, left + SIDE, SIDE)), np.float32) / 255
    mean, spread = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    pixels = torch.from_numpy(((levels - mean) / spread).astype(np.float32)).permute(2, 0, 1)[None]
    with torch.no_grad():
        wanted = model(pixel_values=pixels).image_embeds[0].numpy()
    assert np.abs(np.array(engine.embed("clip", [image], ignore)[0]) - wanted).max() < CLOSE


def test_the_folders_own_preparation_counts(engine: LocalEngine, tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "models" / "clip")
    settings = {"size": {"shortest_edge": 40}, "crop_size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5] * 3}
    (tmp_path / "models" / "clip" / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    found = np.array(engine.embed("clip", PICTURES, ignore))
    assert np.abs(found - expected(model, PICTURES, **settings)).max() < CLOSE
    assert np.abs(found - expected(model, PICTURES)).max() > 100 * CLOSE


def test_an_encoder_that_was_replaced_is_read_again(engine: LocalEngine, tmp_path: Path) -> None:
    write_tiny(tmp_path / "models" / "clip")
    before = engine.embed("clip", PICTURES[:1], ignore)
    other = write_tiny(tmp_path / "models" / "clip", seed=1)
    after = engine.embed("clip", PICTURES[:1], ignore)
    assert np.abs(np.array(after) - expected(other, PICTURES[:1])).max() < CLOSE
    assert after != before


def test_a_picture_that_is_made_takes_its_memory_back(engine: LocalEngine, tmp_path: Path) -> None:
    write_tiny(tmp_path / "models" / "clip")
    seen = engine.embed("clip", PICTURES[:1], ignore)
    assert engine._encoder is not None
    engine.generate(batch_of(SMALL, 7), ignore)
    assert engine._encoder is None
    assert engine.embed("clip", PICTURES[:1], ignore) == seen


def test_missing_weights_are_told_and_never_drawn(engine: LocalEngine, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    write_tiny(tmp_path / "models" / "clip")
    file = tmp_path / "models" / "clip" / "model.safetensors"
    tensors = load_file(file)
    del tensors["vision_model.post_layernorm.weight"]
    save_file(tensors, file)
    with pytest.raises(ModelError) as caught:
        engine.embed("clip", PICTURES[:1], ignore)
    told = caught.value.note.values
    assert (told["name"], told["problem"].code, told["problem"].values["count"]) == ("clip", "weights_missing", 1)
    assert told["problem"].values["name"].endswith("post_layernorm.weight")


def test_a_cut_of_another_size_is_told(engine: LocalEngine, tmp_path: Path) -> None:
    write_tiny(tmp_path / "models" / "clip")
    (tmp_path / "models" / "clip" / "preprocessor_config.json").write_text('{"crop_size": 24}', encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        engine.embed("clip", PICTURES[:1], ignore)
    assert caught.value.note.values["name"] == "clip"


def test_weights_that_are_no_numbers_are_told(engine: LocalEngine, tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "models" / "clip")
    model.visual_projection.weight.data.fill_(float("nan"))
    model.save_pretrained(tmp_path / "models" / "clip")
    with pytest.raises(ModelError) as caught:
        engine.embed("clip", PICTURES[:1], ignore)
    assert caught.value.note == Note("of_model", name="clip", problem=Note("embedding_not_finite"))


def test_it_stops_between_two_pictures(engine: LocalEngine, tmp_path: Path) -> None:
    write_tiny(tmp_path / "models" / "clip")
    seen: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        engine.embed("clip", PICTURES, on_progress)
    assert [(one.stage, one.step, one.steps) for one in seen] == [
        ("loading", 0, 0),
        ("embedding", 1, 5),
        ("embedding", 2, 5),
    ]


def test_pictures_and_embeddings_travel_exactly() -> None:
    wish = messages.unpack(messages.pack(messages.from_pictures("a b", PICTURES, 4, "a star")))
    assert (wish.job, messages.to_pictures(wish)) == (4, ("a b", PICTURES, "a star"))
    numbers = [tuple(np.random.default_rng(1).normal(size=7).astype(np.float32).tolist()), (0.1, -1e-30)]
    assert messages.to_embeddings(messages.unpack(messages.pack(messages.from_embeddings(numbers, 4)))) == numbers


def test_an_experiment_is_counted_by_a_persons_clip_in_the_worker(tmp_path: Path) -> None:
    """End to end: the built-in model draws, the worker embeds, and the numbers are those that transformers gives for
    the saved files."""
    model = write_tiny(tmp_path / "models" / "my clip")
    engine = WorkerEngine([tmp_path / "models"], device="cpu")
    with opened(tmp_path, engine) as house:
        experiment = asked(seeds=(1, 2, 3), steps=3)
        assert isinstance(experiment.base, GenerationRequest)
        identity = house.lab.submit(experiment)
        assert (house.over(identity).state, house.over(identity).error) == ("done", None)
        results, cells = house.lab.results(identity), house.lab.pictures(identity)
        with pytest.raises(ModelError, match=r"image_encoder_missing.*'x'"):
            engine.embed("x", PICTURES[:1], ignore)
    assert results is not None
    assert results.encoder == "my clip"
    images = [Image.open(path).convert("RGB") for _, path in cells if path is not None]
    seen = {(cell.variant, cell.seed): one for (cell, _), one in zip(cells, expected(model, images), strict=True)}

    def distance(first: Any, second: Any) -> float:
        return float(1 - first @ second / np.linalg.norm(first) / np.linalg.norm(second))

    wanted = np.mean([distance(seen[0, seed], seen[1, seed]) for seed in (1, 2, 3)])
    floor = np.mean([distance(seen[0, one], seen[0, other]) for one, other in ((1, 2), (1, 3), (2, 3))])
    (swapped,) = (effect for effect in results.effects if not effect.group)
    assert swapped.distances["clip"].mean == pytest.approx(wanted, abs=CLOSE)
    assert results.floor["clip"].mean == pytest.approx(floor, abs=CLOSE)
    assert swapped.against_floor["clip"].mean == pytest.approx(wanted / floor, rel=1e-2)
    assert floor > 10 * CLOSE
    assert b"clip / floor" in to_csv(results)
