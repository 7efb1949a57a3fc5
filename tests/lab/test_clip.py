"""CLIP distance: one minus the cosine, each picture embedded once, and never in the way of the other distances."""

from __future__ import annotations

import csv
import io
import json
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.errors import ModelError, Note
from pipelines.types import Embedding, ModelInfo, OnProgress
from tests.models.clip import write_header_only
from webui.lab.clip import AT_ONCE, Embeddings
from webui.lab.effects import Results
from webui.lab.questions import Symbols
from webui.lab.report import to_csv, to_html
from webui.ui.lab import view as lab_view
from webui.words import say

from .conftest import asked, opened

pytestmark = pytest.mark.lengthy

ENCODER = ModelInfo(name="clip", family="unknown", path="", kind="image-encoder")
Pictures = Sequence[Image.Image]


def saved(folder: Path, *colours: tuple[int, int, int]) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(len(colours))]
    for path, colour in zip(paths, colours, strict=True):
        Image.new("RGB", (16, 16), colour).save(path)
    return paths


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path))


def test_it_is_one_minus_the_cosine_whatever_the_lengths(tmp_path: Path) -> None:
    """Vectors at 0°, 60° and 180°: 1 − cos is 0, 1/2 and 2."""
    seen = {10: (3.0, 0.0), 20: (0.5, 0.5 * math.sqrt(3)), 30: (-7.0, 0.0), 40: (1e-3, 0.0)}
    paths = saved(tmp_path, *((red, 0, 0) for red in seen))

    def embed(_: str, images: Pictures) -> list[Embedding]:
        return [seen[image.getpixel((0, 0))[0]] for image in images]  # type: ignore[index]

    distance = Embeddings(embed).by(ENCODER, paths)
    first, *others = map(pixels, paths)
    assert [distance(first, other) for other in others] == pytest.approx([0.5, 2.0, 0.0], abs=1e-12)
    assert distance(first, first) == 0


def test_each_picture_is_embedded_once_for_each_encoder(tmp_path: Path) -> None:
    asked_for: list[tuple[str, int]] = []

    def embed(name: str, images: Pictures) -> list[Embedding]:
        asked_for.append((name, len(images)))
        return [(1.0, float(image.getpixel((0, 0))[0])) for image in images]  # type: ignore[index]

    paths = saved(tmp_path, *((red, 0, 0) for red in range(AT_ONCE + 2)))
    paths.append(tmp_path / "copy.png")
    paths[-1].write_bytes(paths[0].read_bytes())
    embeddings = Embeddings(embed)
    embeddings.by(ENCODER, paths)
    distance = embeddings.by(ENCODER, paths[::-1])
    assert asked_for == [("clip", AT_ONCE), ("clip", 2)]
    assert distance(pixels(paths[0]), pixels(paths[1])) == pytest.approx(1 - 1 / math.sqrt(2))
    file = tmp_path / "other.safetensors"
    for content in (b"a", b"ab"):  # another encoder, and one that was replaced
        file.write_bytes(content)
        embeddings.by(ModelInfo(name="other", family="unknown", path=str(file)), paths[:1])
    assert asked_for[2:] == [("other", 1)] * 2


def cosine(first: Any, second: Any) -> float:
    return float(1 - first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def fields(path: Path) -> Any:
    """What the fake engine says that it sees."""
    with Image.open(path) as image:
        return np.asarray(image.resize((4, 4), Image.Resampling.BOX), np.float64).ravel() + 1


def test_an_experiment_is_counted_by_it(tmp_path: Path) -> None:
    write_header_only(tmp_path / "models" / "my <clip>")
    engine = FakeEngine(folders=[tmp_path / "models"])
    with opened(tmp_path, engine) as house:
        question = Symbols(phrase="a blue heart", symbols=("!!", "?"), places=("after",))
        identity = house.lab.submit(asked(question))
        assert house.over(identity).error is None
        results, cells = house.lab.results(identity), house.lab.pictures(identity)
        assert engine.embedded == len(cells) == 9
        again = house.lab.submit(asked(question))
        house.over(again)
        assert house.lab.results(again) == results
        assert engine.embedded == 9
    assert results is not None
    seen = {(cell.variant, cell.seed): fields(path) for cell, path in cells if path is not None}
    for variant, effect in enumerate((one for one in results.effects if not one.group), 1):
        wanted = np.mean([cosine(seen[0, seed], seen[variant, seed]) for seed in (1, 2, 3)])
        assert effect.distances["clip"].mean == pytest.approx(wanted)
    floor = np.mean([cosine(seen[0, one], seen[0, other]) for one, other in ((1, 2), (1, 3), (2, 3))])
    assert results.floor["clip"].mean == pytest.approx(floor)
    _shown(results)


def _shown(results: Results) -> None:
    """In the list of distances, the table, the plot, the CSV and the report."""
    assert lab_view.metrics(results, "en")[0] == ("What CLIP sees (1 − cosine)", "clip")
    first = max((one for one in results.effects if not one.group), key=lambda one: one.distances["clip"].mean)
    table = lab_view.table(results, "clip", "en")["data"]
    assert table[0][2] == f"{results.floor['clip'].mean:.3f}"
    assert table[1][:3] == [say(first.label, "en"), "3", f"{first.distances['clip'].mean:.3f}"]
    assert "What CLIP sees" in lab_view.plot(results, "clip", "en")
    assert "CLIP is my <clip> here." in lab_view.verdict(results, "clip", "en")
    assert not [one for one in lab_view.verdict(results, "ms_ssim", "en") if "CLIP" in one]
    rows = list(csv.DictReader(io.StringIO(to_csv(results).decode("utf-8-sig"))))
    assert rows[0]["clip"] == f"{results.floor['clip'].mean:.6g}"
    assert {row["row"]: row["clip / floor"] for row in rows}[
        say(first.label, "en")
    ] == f"{first.against_floor['clip'].mean:.6g}"
    for language, words in (("en", "× other seed (CLIP distance)"), ("zh", "换种子的倍数（CLIP 距离）")):
        page = to_html(asked(), results, [], language).decode()
        assert words in page
        assert page.count("<svg") == 2
        assert "my &lt;clip&gt;" in page
        assert "my <clip>" not in page


def test_without_an_encoder_nothing_is_said_of_it(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        identity = house.lab.submit(asked())
        house.over(identity)
        results = house.lab.results(identity)
    assert results is not None
    assert (results.metrics, results.encoder) == (("pixels", "ssim", "ms_ssim"), "")
    page = to_html(asked(), results, [])
    assert b"CLIP" not in page
    assert page.count(b"<svg") == 1


def test_an_encoder_that_fails_leaves_the_other_distances(tmp_path: Path) -> None:
    class Broken(FakeEngine):
        def embed(self, encoder: str, images: Pictures, on_progress: OnProgress, text: str = "") -> list[Embedding]:
            raise ModelError("weights_missing", count=3)

    write_header_only(tmp_path / "models" / "clip")
    with opened(tmp_path, Broken(folders=[tmp_path / "models"])) as house:
        identity = house.lab.submit(asked())
        status = house.over(identity)
        results = house.lab.results(identity)
    assert (status.state, status.error) == ("done", Note("clip_not_counted", why=Note("weights_missing", count=3)))
    assert results is not None
    assert (results.metrics, results.encoder) == (("pixels", "ssim", "ms_ssim"), "")


def test_a_program_that_closes_while_it_embeds_counts_at_the_next_start(tmp_path: Path) -> None:
    reached = threading.Event()

    class Slow(FakeEngine):
        def embed(self, encoder: str, images: Pictures, on_progress: OnProgress, text: str = "") -> list[Embedding]:
            reached.set()
            while True:
                super().embed(encoder, images, on_progress)

    write_header_only(tmp_path / "models" / "clip")
    with opened(tmp_path, Slow(folders=[tmp_path / "models"])) as house:
        identity = house.lab.submit(asked())
        assert reached.wait(20)
        status = house.lab.status(identity)
        while status is not None and not status.seen:
            status = house.lab.wait(identity, status.version, 5)
        assert status is not None
        assert not status.over
        assert lab_view.live_value(status, "en")["line"] == "Counting: CLIP has seen 6 pictures"
    with opened(tmp_path, FakeEngine(folders=[tmp_path / "models"])) as house:
        assert house.lab.results(identity) is None
        house.lab.start()
        assert house.over(identity).state == "done"
        results = house.lab.results(identity)
        assert house.made == 0
        assert len([one for one in house.service.recent(20) if one.kind == "grid"]) == 1
    assert results is not None
    assert "clip" in results.floor


def test_results_of_before_are_read() -> None:
    old = {"reference": "a", "cells": 1, "measured": 1, "floor": {}, "effects": [], "setups": []}
    assert Results.from_json(json.dumps(old)).encoder == ""
