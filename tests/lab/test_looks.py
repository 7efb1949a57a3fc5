"""Overlays of where words look, from a picture's own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.types import Attention, Batch, GenerationRequest, GenerationResult
from tests.refusals import refused
from webui.archive.inputs import InputStore
from webui.archive.store import ImageStore
from webui.lab.looks import look, overlays

GREY = Image.new("RGB", (64, 32), (90, 90, 90))


def attention(*maps: list[list[float]], words: tuple[str, ...]) -> Attention:
    data = np.array(maps, "<f4")
    return Attention(words=words, width=data.shape[2], height=data.shape[1], maps=data.tobytes())


def test_colour_is_where_a_word_looks() -> None:
    left, right = overlays(attention([[1.0, 0.0]], [[0.0, 0.5]], words=("star", "猫")), GREY)
    assert (left.word, right.word) == ("star", "猫")
    assert (left.share, right.share) == (1.0, 0.5)
    for one, hot, cold in ((left, 2, 61), (right, 61, 2)):
        pixels = np.asarray(one.overlay).astype(int)
        assert one.overlay.size == GREY.size
        assert pixels[16, hot, 0] > pixels[16, hot, 2] + 100
        assert pixels[16, cold].tolist() == [90, 90, 90]


def test_signs_are_left_out_and_an_even_word_has_no_colour() -> None:
    (only,) = overlays(attention([[0.3, 0.3]], [[0.1, 0.9]], words=("a", ",")), GREY)
    assert only.word == "a"
    assert np.asarray(only.overlay).tolist() == np.asarray(GREY).tolist()


def test_a_file_is_made_again_by_its_own_batch(tmp_path: Path) -> None:
    engine, store = FakeEngine(), ImageStore(tmp_path)
    store.prepare()
    request = GenerationRequest(prompt="a red star", seed=7, batch_size=2, steps=2, width=64, height=64)
    results = engine.generate(next(request.batches_from(7)), lambda _: None)
    saved = store.save(results[1])
    asked: list[Batch] = []

    def generate(batch: Batch) -> list[GenerationResult]:
        asked.append(batch)
        return engine.generate(batch, lambda _: None)

    found = look(saved.path, store.inputs, generate)
    assert found.identical
    assert [one.word for one in found.looks] == ["a", "red", "star"]
    (batch,) = asked
    assert (batch.seeds, batch.attention) == ((7, 8), True)


def test_a_file_without_settings_is_told(tmp_path: Path) -> None:
    GREY.save(tmp_path / "a.png")
    with refused("file", "no_settings"):
        look(tmp_path / "a.png", InputStore(tmp_path), lambda _: [])
