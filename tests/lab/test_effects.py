"""The table, from pictures whose distances are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pipelines.errors import PLAIN, Note
from pipelines.types import GenerationRequest
from webui.lab.effects import Effect, Measured, Results
from webui.lab.questions import Variant
from webui.proof.measures import Pixels
from webui.words import say

BASE = GenerationRequest()


def plain(level: int, red: int = 0, side: int = 24) -> Pixels:
    return np.full((side, side, 3), (level + red, level, level), dtype=np.uint8)


def text(words: str) -> Note:
    return Note(PLAIN, text=words)


def variants(*factors: tuple[tuple[str, str], ...]) -> list[Variant]:
    rows = [
        Variant(label=text(f"v{place}"), request=BASE, factors=tuple((text(a), text(b)) for a, b in one))
        for place, one in enumerate(factors, 1)
    ]
    return [Variant(label=text("reference"), request=BASE), *rows]


def row(results: Results, label: str, group: str = "") -> Effect:
    wanted = text(group) if group else None, text(label)
    (found,) = (effect for effect in results.effects if (effect.group, effect.label) == wanted)
    return found


def test_paired_distance_and_noise_floor() -> None:
    measured = Measured(variants((), ()), 3)
    for place, level in enumerate((0, 60, 90)):  # seeds differ by 60, 30 and 90: 60 on average
        measured.add_seed(place, {0: plain(level), 1: plain(level + 15), 2: plain(level)})
    results = measured.results()
    assert results.floor["pixels"].mean == pytest.approx(60 / 255)
    assert (results.cells, results.measured, results.reference) == (9, 9, text("reference"))
    moved, same = row(results, "v1"), row(results, "v2")
    assert moved.distances["pixels"].mean == pytest.approx(15 / 255)
    assert moved.distances["pixels"].low == pytest.approx(15 / 255)  # the same at every seed: no spread,
    assert moved.distances["pixels"].high == pytest.approx(15 / 255)  # however much the seeds themselves differ
    assert moved.against_floor["pixels"].mean == pytest.approx(0.25)
    assert moved.traits["brightness"].mean == pytest.approx(15 / 255)
    assert moved.traits["redness"].mean == pytest.approx(0)
    assert same.distances["pixels"].mean == same.distances["ms_ssim"].mean == pytest.approx(0, abs=1e-12)
    assert results.strongest("pixels") == moved


def test_traits_have_a_sign_and_an_interval() -> None:
    measured = Measured(variants(()), 4)
    for place, red in enumerate((20, 30, 40, 50)):
        measured.add_seed(place, {0: plain(100, red=80), 1: plain(100, red=80 - red)})
    redness = row(measured.results(), "v1").traits["redness"]
    assert redness.mean == pytest.approx(-35 / 255)
    assert redness.low is not None
    assert redness.high is not None
    assert -50 / 255 <= redness.low < -35 / 255 < redness.high <= -20 / 255


def test_levels_average_within_each_seed_first() -> None:
    table = variants((("place", "1"),), (("place", "1"), ("word", "cat")))
    measured = Measured(table, 2)
    measured.add_seed(0, {0: plain(0), 1: plain(10), 2: plain(30)})
    measured.add_seed(1, {0: plain(0), 1: plain(50)})  # one picture lacks
    results = measured.results()
    assert row(results, "1", "place").distances["pixels"].mean == pytest.approx((20 + 50) / 2 / 255)
    assert row(results, "1", "place").seeds == 2
    assert row(results, "cat", "word").distances["pixels"].mean == pytest.approx(30 / 255)
    assert row(results, "cat", "word").seeds == 1
    assert row(results, "cat", "word").distances["pixels"].low is None


def test_one_seed_has_neither_floor_nor_interval() -> None:
    measured = Measured(variants(()), 1)
    measured.add_seed(0, {0: plain(0), 1: plain(51)})
    results = measured.results()
    assert results.floor == {}
    assert row(results, "v1").against_floor == {}
    assert row(results, "v1").distances["pixels"].mean == pytest.approx(0.2)
    assert row(results, "v1").distances["pixels"].high is None


def test_other_sizes_are_not_compared_but_have_traits() -> None:
    measured = Measured(variants(()), 2)
    for place in range(2):
        measured.add_seed(place, {0: plain(0), 1: plain(51, side=40)})
    effect = row(measured.results(), "v1")
    assert effect.distances == {}
    assert effect.traits["brightness"].mean == pytest.approx(0.2)


def test_without_a_reference_nothing_is_said() -> None:
    measured = Measured(variants(()), 2)
    measured.add_seed(0, {1: plain(5)})
    results = measured.results()
    assert results.effects == ()
    assert results.measured == 1


def test_seeds_that_all_look_the_same_are_no_floor() -> None:
    measured = Measured(variants(()), 3)
    for place in range(3):
        measured.add_seed(place, {0: plain(9), 1: plain(10)})
    results = measured.results()
    assert results.floor["pixels"].mean == 0
    assert row(results, "v1").against_floor == {}


def test_the_interval_of_the_ratio_moves_with_both() -> None:
    """Variants as far from the reference as seeds from each other: about 1, with an interval round it."""
    rng, measured = np.random.default_rng(0), Measured(variants(()), 12)
    for place in range(12):
        measured.add_seed(place, {0: plain(int(rng.integers(0, 200))), 1: plain(int(rng.integers(0, 200)))})
    ratio = row(measured.results(), "v1").against_floor["pixels"]
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < 1 < ratio.high
    assert 0.2 < ratio.low < ratio.mean < ratio.high < 3


def test_json_both_ways() -> None:
    measured = Measured(variants((("a", "b"),)), 3)
    for place in range(3):
        measured.add_seed(place, {0: plain(place), 1: plain(place * 3)})
    results = measured.results(["torch 2", "torch 2", "torch 3"])
    assert results.setups == ("torch 2", "torch 3")
    assert Results.from_json(results.to_json()) == results


def test_results_are_kept_with_their_labels_as_notes() -> None:
    rows = variants((("place", "1"),), ())
    measured = Measured([rows[0], replace(rows[1], label=Note("lab_without", phrase="红"))], 1)
    measured.add_seed(0, {0: plain(10), 1: plain(20)})
    results = measured.results(["torch 2"])
    assert Results.from_json(results.to_json()) == results
    assert {effect.label.code for effect in results.effects} == {"lab_without", PLAIN}


def test_results_of_version_010_read_with_their_english_labels() -> None:
    """As its `Results.to_json` wrote them: labels and groups are texts, "" is no group."""
    number = {"mean": 0.5, "low": None, "high": None}
    effect = {"seeds": 2, "distances": {"pixels": number}, "against_floor": {}, "traits": {}}
    effects = [effect | {"group": "", "label": "without “red”"}, effect | {"group": "place of “red”", "label": "2"}]
    kept = {"reference": "as it is", "cells": 4, "measured": 4, "floor": {}, "effects": effects, "setups": ["torch 2"]}
    found = Results.from_json(json.dumps(kept))
    assert say(found.reference, "zh") == "as it is"
    assert [say(one.full_label, "en") for one in found.effects] == ["without “red”", "place of “red”: 2"]
    assert [one.group is None for one in found.effects] == [True, False]
    assert found.strongest("pixels") == found.effects[0]
