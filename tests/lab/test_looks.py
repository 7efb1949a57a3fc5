"""Overlays of where words look, from a picture's own file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.types import Batch, GenerationRequest, GenerationResult
from pipelines.watching import Attention
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


def test_words_that_name_nothing_are_held_to_none() -> None:
    """ "a" gathers the most attention of all, and every other word looked small beside it."""
    words = ("a", "house", "in", "The", "snow,")
    found = overlays(attention([[0.8]], [[0.2]], [[0.4]], [[0.3]], [[0.1]], words=words), GREY)
    assert [(one.word, one.share) for one in found] == [
        ("a", None), ("house", 1.0), ("in", None), ("The", None), ("snow,", 0.5),
    ]  # fmt: skip
    assert [one.share for one in overlays(attention([[0.4]], [[0.2]], words=("the", "a")), GREY)] == [1.0, 0.5]


class Made:
    """A picture of a batch of two, saved, and an engine whose pictures may differ when they are made alone."""

    def __init__(self, folder: Path, more: int) -> None:
        self.engine, self.store, self.more = FakeEngine(), ImageStore(folder), more
        self.store.prepare()
        request = GenerationRequest(prompt="a red star", seed=7, batch_size=2, steps=2, width=64, height=64)
        results = self.engine.generate(next(request.batches_from(7)), lambda _: None)
        self.path = self.store.save(results[1]).path
        self.asked: list[Batch] = []

    def generate(self, batch: Batch) -> list[GenerationResult]:
        self.asked.append(batch)
        results = self.engine.generate(batch, lambda _: None)
        if len(batch.seeds) > 1:
            return results
        other = Image.fromarray(np.asarray(results[0].image) ^ np.uint8(self.more))
        return [replace(results[0], image=other)]


def test_a_file_is_made_again_alone(tmp_path: Path) -> None:
    made = Made(tmp_path, 0)
    found = look(made.path, made.store.inputs, made.generate)
    assert (found.identical, found.near) == (True, True)
    assert [one.word for one in found.looks] == ["a", "red", "star"]
    (batch,) = made.asked
    assert (batch.seeds, batch.request.batch_size, batch.attention) == ((8,), 1, True)


def test_what_differs_by_rounding_is_said_to(tmp_path: Path) -> None:
    made = Made(tmp_path, 0)
    image = Image.open(made.path).convert("RGB")
    level = image.getpixel((0, 0))
    made.generate = (
        lambda batch: [  # type: ignore[method-assign]
            replace(one, image=_with(one.image, (0, 0), (level[0] ^ 1, *level[1:])))  # type: ignore[index]
            for one in made.engine.generate(batch, lambda _: None)
        ]
    )
    found = look(made.path, made.store.inputs, made.generate)
    assert (found.identical, found.near) == (False, True)


def _with(image: Image.Image, place: tuple[int, int], level: tuple[int, ...]) -> Image.Image:
    changed = image.copy()
    changed.putpixel(place, level)
    return changed


def test_another_picture_is_made_again_by_its_own_batch(tmp_path: Path) -> None:
    made = Made(tmp_path, 16)
    found = look(made.path, made.store.inputs, made.generate)
    assert found.identical
    assert [batch.seeds for batch in made.asked] == [(8,), (7, 8)]


def test_a_file_without_settings_is_told(tmp_path: Path) -> None:
    GREY.save(tmp_path / "a.png")
    with refused("file", "no_settings"):
        look(tmp_path / "a.png", InputStore(tmp_path), lambda _: [])
