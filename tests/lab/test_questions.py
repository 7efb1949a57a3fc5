"""Which prompts each question asks for; all expectations written by hand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import PLAIN, InvalidRequest, Note
from pipelines.fields import REQUIRED, fields_of
from pipelines.groups import InitImage, Inpaint
from pipelines.types import GenerationRequest
from tests.refusals import refused
from webui.archive.inputs import InputStore
from webui.lab import experiments
from webui.lab.axes import Axis
from webui.lab.experiments import Experiment, canonical
from webui.lab.phrases import Phrased
from webui.lab.questions import (
    CAPITALS,
    Ablation,
    Grid,
    Isolation,
    Order,
    Pair,
    Question,
    Symbols,
    Weights,
    question_from_json,
    question_to_json,
)
from webui.words import say

BOTH = "a red star and a blue heart on a white background"
TWO = ("a red star", "a blue heart")


def prompts(question: Question, prompt: str = BOTH) -> list[str]:
    return [variant.request.prompt for variant in question.variants(GenerationRequest(prompt=prompt))]


def experiment(question: Question, prompt: str = BOTH, seeds: tuple[int, ...] = (1, 2), **base: Any) -> Experiment:
    return Experiment(name="test", base=GenerationRequest(prompt=prompt, **base), seeds=seeds, question=question)


def test_order_changes_places_and_nothing_else() -> None:
    assert prompts(Order(phrases=TWO)) == [BOTH, "a blue heart and a red star on a white background"]


def test_all_orders_of_three() -> None:
    found = prompts(Order(), "cat, 2d, night")
    assert found[0] == "cat, 2d, night"
    assert sorted(found) == sorted(", ".join(order) for order in itertools.permutations(["cat", "2d", "night"]))


def test_sampled_orders_are_distinct_and_repeatable() -> None:
    prompt = ", ".join("abcdefgh")
    found = prompts(Order(sample=5, sample_seed=3), prompt)
    assert len(set(found)) == 6
    assert found[0] == prompt
    assert all(sorted(one.split(", ")) == list("abcdefgh") for one in found)
    assert found == prompts(Order(sample=5, sample_seed=3), prompt)
    assert found != prompts(Order(sample=5, sample_seed=4), prompt)


def test_too_many_orders_want_a_sample() -> None:
    with refused("sample", "sample_wanted", count=8, orders=40_320):
        prompts(Order(), ", ".join("abcdefgh"))


def test_orders_name_what_moved() -> None:
    _, swapped = Order(phrases=TWO).variants(GenerationRequest(prompt=BOTH))
    assert swapped.factors == (
        (Note("lab_place_of", phrase="a blue heart"), Note(PLAIN, text="1")),
        (Note("lab_place_of", phrase="a red star"), Note(PLAIN, text="2")),
    )


def test_equal_phrases_are_one_order() -> None:
    assert prompts(Order(), "cat, cat") == ["cat, cat"]


@pytest.mark.parametrize(
    ("prompt", "phrases", "expected"),
    [
        ("cat, cute, night", (), ["cute, night", "cat, night", "cat, cute"]),
        (BOTH, TWO, ["a blue heart on a white background", "a red star on a white background"]),
        ("a very cute cat", ("very", "cute"), ["a cute cat", "a very cat"]),
        ("cat , , night", ("cat",), ["night"]),
        ("a cat and a dog", ("a cat", "a dog"), ["a dog", "a cat"]),
    ],
)
def test_ablation(prompt: str, phrases: tuple[str, ...], expected: list[str]) -> None:
    assert prompts(Ablation(phrases=phrases), prompt) == [prompt, *expected]


def test_symbols_before_and_after() -> None:
    question = Symbols(phrase="boy", symbols=("??", "!!??", CAPITALS), places=("before", "after"))
    assert prompts(question, "girl and boy") == [
        "girl and boy",
        "girl and ??boy",
        "girl and boy??",
        "girl and !!??boy",
        "girl and boy!!??",
        "girl and BOY",
    ]
    assert prompts(Symbols(symbols=("!",)), "girl") == ["girl", "!girl"]


def test_weights() -> None:
    assert prompts(Weights(phrase="red", weights=(0.5, 1, 1.5)), "a red star") == [
        "a red star",
        "a (red:0.5) star",
        "a (red:1.5) star",
    ]
    with refused("phrase", "phrase_empty"):
        prompts(Weights(phrase=" "))
    with refused("weights", "weights_none"):
        prompts(Weights(phrase="red", weights=(1,)))


def test_isolation() -> None:
    assert prompts(Isolation(phrases=TWO, separators=("; ", " and "))) == [
        BOTH,
        "a red star; a blue heart on a white background",
        "a red star on a white background",
        "a blue heart on a white background",
    ]


def test_with_and_without_a_phrase() -> None:
    assert prompts(Pair(phrase="red"), "a red star") == ["a star", "a red star"]
    assert prompts(Pair(phrase="pixel art"), "a star") == ["a star", "a star, pixel art"]
    assert prompts(Pair(phrase="red", replacement="blue"), "a red star") == ["a blue star", "a red star"]


def test_a_phrase_is_whole_words_and_stands_once() -> None:
    assert Phrased.of("carton, car", ("car",)).gaps == ("carton, ", "")
    assert Phrased.of("red cat, cat", ("cat", "red cat")).phrases == ("red cat", "cat")
    with refused("phrases", "phrase_not_there", value="dog"):
        Phrased.of("a cat", ("dog",))
    with refused("phrases", "phrase_not_there", value="cat"):
        Phrased.of("a cat", ("cat", "cat"))


def test_a_grid_is_every_combination_with_its_labels() -> None:
    grid = Grid(axes=(Axis.read("steps", "5, 10"), Axis.read("prompt_words", "red, blue")))
    cells = experiment(grid, "a red star", seeds=(7,)).cells()
    assert [
        (say(cell.column, "en"), say(cell.row, "zh"), cell.request.steps, cell.request.prompt) for cell in cells
    ] == [
        ("Steps 5", "词语 red", 5, "a red star"),
        ("Steps 5", "词语 blue", 5, "a blue star"),
        ("Steps 10", "词语 red", 10, "a red star"),
        ("Steps 10", "词语 blue", 10, "a blue star"),
    ]


def test_a_third_axis_and_the_seeds_share_the_rows() -> None:
    grid = Grid(axes=(Axis.read("steps", "5"), Axis.read("guidance", "2"), Axis.read("clip_skip", "1")))
    first, second = experiment(grid, seeds=(7, 8)).cells()
    assert [say(one.row, "en") for one in (first, second)] == [f"Guidance 2 · CLIP skip 1 · seed {n}" for n in (7, 8)]


def test_a_seed_axis_is_the_seeds() -> None:
    grid = Grid(axes=(Axis.read("seed", "3-5"), Axis.read("steps", "4, 8")))
    cells = experiment(grid, seeds=()).cells()
    found = [(cell.seed, say(cell.row, "en")) for cell in cells]
    assert found == list(itertools.product((3, 4, 5), ("Steps 4", "Steps 8")))
    assert all(cell.request.seed == cell.seed for cell in cells)


def test_a_grid_reaches_into_the_start_picture() -> None:
    base = {"init": InitImage(image=Image.new("RGB", (64, 64)))}
    cells = experiment(Grid(axes=(Axis.read("strength", "0.5, 1"),)), seeds=(1,), **base).cells()
    assert [cell.request.init.strength for cell in cells if cell.request.init] == [0.5, 1.0]
    with refused("init_image", "picture_needed"):
        experiment(Grid(axes=(Axis.read("strength", "0.5, 1"),)))


def test_cells_are_paired_single_images() -> None:
    cells = experiment(Order(phrases=TWO), seeds=(5, 9), batch_size=4, batches=3).cells()
    assert [(cell.place, cell.variant, cell.seed) for cell in cells] == [(0, 0, 5), (1, 1, 5), (2, 0, 9), (3, 1, 9)]
    assert all(cell.request.images == 1 and cell.request.seed == cell.seed for cell in cells)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: experiment(Order(phrases=TWO), seeds=()), "seeds"),
        (lambda: experiment(Order(phrases=TWO), seeds=(1, 1)), "seeds"),
        (lambda: experiment(Order(phrases=TWO), seeds=(-1,)), "seeds"),
        (lambda: experiment(Order(phrases=TWO), seeds=tuple(range(501))), "seeds"),
        (lambda: experiment(Order(phrases=("a red star",))), "phrases"),
        (lambda: experiment(Grid(axes=())), "axes"),
        (lambda: experiment(Grid(axes=(Axis.read("steps", "1, 2"), Axis.read("steps", "3"))), seeds=(1,)), "axes"),
        (lambda: experiment(Grid(axes=(Axis.read("steps", "0, 2"),)), seeds=(1,)), "steps"),
        (lambda: experiment(Grid(axes=(Axis.read("prompt_words", "green, red"),)), seeds=(1,)), "axes"),
        (lambda: experiment(Symbols(phrase="boy")), "phrases"),
        (lambda: experiment(Symbols(symbols=())), "symbols"),
        (lambda: experiment(Pair(phrase="")), "phrase"),
        (lambda: Experiment(name=" ", base=GenerationRequest(), seeds=(1,), question=Pair(phrase="x")), "name"),
    ],
)
def test_what_cannot_be_asked(build: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build()
    assert caught.value.field == field


QUESTIONS: list[Question] = [
    Order(phrases=TWO, sample=1),
    Symbols(phrase="star", symbols=("?",)),
    Ablation(),
    Weights(phrase="red", weights=(0.5, 1.5)),
    Isolation(phrases=TWO),
    Pair(phrase="red", replacement="blue"),
    Grid(axes=(Axis.read("steps", "4, 8"), Axis.read("guidance", "1.5-2 [2]"))),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.kind)
def test_json_both_ways(question: Question, tmp_path: Path) -> None:
    inputs = InputStore(tmp_path / "inputs")
    before = experiment(question, prompt=BOTH + ", 绿", init=InitImage(image=Image.new("RGB", (64, 64), "red")))
    after = Experiment.from_json(before.to_json(inputs), inputs)
    assert after.question == question
    assert [cell.request.prompt for cell in after.cells()] == [cell.request.prompt for cell in before.cells()]
    assert after.to_json(inputs) == before.to_json(inputs)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "magic"},
        {"kind": "ab"},
        {"kind": "ab", "phrase": 3},
        {"kind": "ab", "phrase": "x", "more": 1},
        {"kind": "order", "phrases": "red"},
        {"kind": "order", "sample": True},
        {"kind": "weights", "phrase": "x", "weights": ["1"]},
        {"kind": "isolation", "alone": 1},
        {"kind": "grid", "axes": [{"field": "steps"}]},
        {"kind": "grid", "axes": [{"field": "steps", "values": [None]}]},
        {"kind": "grid", "axes": "steps"},
    ],
)
def test_json_of_strangers(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        question_from_json(data)


def test_axes_in_json_may_be_written_as_people_do() -> None:
    grid = question_from_json({"kind": "grid", "axes": [{"field": "steps", "values": "1-5 (+2)"}]})
    assert question_to_json(grid)["axes"] == [{"field": "steps", "values": [1, 3, 5]}]


def test_canonical_knows_no_order_and_no_kinds_of_number() -> None:
    assert canonical({"a": 7, "b": {"c": True}}) == canonical({"b": {"c": True}, "a": 7.0})
    assert canonical({"a": 7}) != canonical({"a": 7.5})
    assert canonical({"a": True}) != canonical({"a": 1})


@pytest.mark.parametrize("of", [GenerationRequest, InitImage, Inpaint])
def test_a_field_that_is_new_changes_nothing_of_what_was_made_before(of: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field in turn, as though it had come after 0.1.0."""
    place = {InitImage: "init", Inpaint: "inpaint"}.get(of)
    for one in fields_of(of):
        if one.group or one.default is REQUIRED or one.default is None:
            continue
        monkeypatch.setitem(experiments.ALWAYS, of, experiments.ALWAYS[of] - {one.attribute})
        before, now, other = ({}, {one.attribute: one.default}, {one.attribute: "another"})
        forms = [canonical({"a": 1, place: data} if place else {"a": 1, **data}) for data in (before, now, other)]
        assert forms[0] == forms[1] != forms[2]
        monkeypatch.undo()


def test_a_group_of_any_number_that_holds_none_is_no_change() -> None:
    assert canonical({"a": 1, "controls": []}) == canonical({"a": 1})
    assert canonical({"controls": [{"weight": 1}]}) != canonical({})
