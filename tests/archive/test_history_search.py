"""Searching: words in two languages, filters, order, pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.errors import InvalidRequest
from pipelines.groups import InitImage
from pipelines.types import GenerationRequest
from tests.archive.helpers import NOON, results
from webui.archive import pictures
from webui.archive.history import History
from webui.archive.search import Query, matches
from webui.archive.store import ImageStore, SavedImage

PROMPTS = {
    "cat": "A fluffy cat, oil painting, cyberpunk-city",
    "castle": "a castle by the lake at night, (oil:1.2) paint",
    "kitten": "一只可爱的小猫坐在窗台上，水彩画",
    "tiger": "星空下的猛虎, masterpiece, 4k壁纸",
    "cafe": "un café à Paris ✨ “quoted” 100%_done",
    "nothing": "",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[History, dict[str, SavedImage]]]:
    """One image a day for each prompt, the last one newest."""
    folder = tmp_path_factory.mktemp("search")
    moments = iter(NOON + timedelta(days=day) for day in range(99))
    store = ImageStore(folder / "outputs", clock=lambda: next(moments))
    history = History(folder / "data" / "history.sqlite", folder / "outputs")
    saved = {}
    for number, (name, prompt) in enumerate(PROMPTS.items()):
        width = 64 if number % 2 else 128
        request = GenerationRequest(prompt=prompt, seed=number, steps=1, width=width, height=64)
        if name == "castle":
            request = replace(request, sampler="Euler")
        saved[name] = store.save(results(request)[0])
        history.add(saved[name])
    yield history, saved
    history.close()


def found(archive: tuple[History, dict[str, SavedImage]], **asked: object) -> list[str]:
    history, saved = archive
    names = {entry.id: name for name, entry in saved.items()}
    query = Query(**asked)  # type: ignore[arg-type]
    page = history.search(query, 50)
    assert history.count(query) == len(page.entries)
    return [names[entry.saved.id] for entry in page.entries]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("cat", ["cat"]),
        ("ca", ["cafe", "castle", "cat"]),
        ("CAT", ["cat"]),
        ("paint", ["castle", "cat"]),
        ('"paint"', ["castle"]),
        ('"oil painting"', ["cat"]),
        ("oil paint", ["castle", "cat"]),
        ("paint -castle", ["cat"]),
        ("-oil", ["nothing", "cafe", "tiger", "kitten"]),
        ("cyberpunk-city", ["cat"]),
        ("猫", ["kitten"]),
        ("小猫", ["kitten"]),
        ("猫小", []),
        ("可爱小猫", []),
        ("可爱的小", ["kitten"]),
        ("星空", ["tiger"]),
        ("空下的猛虎", ["tiger"]),
        ("猛 星", ["tiger"]),
        ("的", ["tiger", "kitten"]),
        ("的 -猫", ["tiger"]),
        ("４Ｋ", ["tiger"]),
        ("4k壁纸", ["tiger"]),
        ("cafe", ["cafe"]),
        ("✨", ["cafe"]),
        ("dog", []),
        ('"', []),
        ("***", []),
        ("--", []),
        ("OR", []),
        ("NEAR(cat castle)", []),
        ("prompt:cat", []),
        ("100%_done", ["cafe"]),
        ("\0cat", ["cat"]),
        ('cat"', ["cat"]),
        ("  ", ["nothing", "cafe", "tiger", "kitten", "castle", "cat"]),
    ],
)
def test_words(archive: tuple[History, dict[str, SavedImage]], words: str, names: list[str]) -> None:
    assert found(archive, words=words) == names


def test_every_word_of_a_prompt_finds_it(archive: tuple[History, dict[str, SavedImage]]) -> None:
    """One, two and four neighbouring characters of each Chinese prompt, wherever they stand."""
    for name in ("kitten", "tiger"):
        run = PROMPTS[name].partition("，" if name == "kitten" else ",")[0]
        for length in (1, 2, 4):
            for start in range(len(run) - length + 1):
                assert name in found(archive, words=run[start : start + length])


def test_an_endless_wish_is_cut(archive: tuple[History, dict[str, SavedImage]]) -> None:
    assert found(archive, words="cat " * 10_000) == ["cat"]
    assert matches('"') == matches("?!")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"sampler": "Euler"}, ["castle"]),
        ({"sampler": "none' OR 1=1"}, []),
        ({"seed": 2}, ["kitten"]),
        ({"seed": 0}, ["cat"]),
        ({"width": 128, "height": 64}, ["cafe", "kitten", "cat"]),
        ({"task": "img2img"}, []),
        ({"kind": "grid"}, []),
        ({"since": date(2026, 11, 22), "until": date(2026, 11, 23)}, ["tiger", "kitten"]),
        ({"until": date(2026, 11, 20)}, ["cat"]),
        ({"since": date(2026, 11, 25)}, ["nothing"]),
        ({"words": "的", "since": date(2026, 11, 23)}, ["tiger"]),
        ({"words": "ca", "sort": "oldest"}, ["cat", "castle", "cafe"]),
        ({"sort": "largest"}, ["cafe", "kitten", "cat", "nothing", "tiger", "castle"]),
        ({"trashed": True}, []),
    ],
    ids=str,
)
def test_filters(archive: tuple[History, dict[str, SavedImage]], asked: dict[str, object], names: list[str]) -> None:
    assert found(archive, **asked) == names


@pytest.mark.parametrize("sort", ["newest", "oldest", "largest", "rating", "score"])
def test_pages_join_without_gap_or_repetition(archive: tuple[History, dict[str, SavedImage]], sort: str) -> None:
    history, saved = archive
    for rating, name in enumerate(saved):
        history.rate([saved[name].id], 1 + rating // 2)
        history.score({saved[name].id: (rating // 2) / 8 - 1}, "clip", "")
    query = Query(sort=sort)  # type: ignore[arg-type]
    whole = history.search(query, 50)
    assert whole.after is None
    assert len(whole.entries) == 6
    if sort == "rating":
        assert [entry.rating for entry in whole.entries] == [3, 3, 2, 2, 1, 1]
    for step in (1, 2, 4, 6):
        pieces, after = [], None
        while True:
            page = history.search(query, step, after)
            pieces += page.entries
            assert len(page.entries) <= step
            if (after := page.after) is None:
                break
        assert tuple(pieces) == whole.entries


@pytest.mark.parametrize("asked", [{"sort": "best"}, {"rating": 6}, {"width": -1}, {"seed": 2**63}], ids=str)
def test_what_cannot_be_asked(asked: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        Query(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", ["", "1", "x.y", "1.2.3", "1; DROP TABLE images", "9" * 30 + ".1"])
def test_a_place_from_nowhere(archive: tuple[History, dict[str, SavedImage]], after: str) -> None:
    with pytest.raises(InvalidRequest):
        archive[0].search(Query(), 5, after)


def test_days_out_of_reach(archive: tuple[History, dict[str, SavedImage]]) -> None:
    with pytest.raises(InvalidRequest):
        archive[0].search(Query(until=date.max), 5)


def test_what_there_is_to_filter_by(archive: tuple[History, dict[str, SavedImage]]) -> None:
    history, saved = archive
    history.tag([saved["cat"].id, saved["castle"].id], add=["best"])
    facets = history.facets()
    assert dict(facets.samplers) == {"Euler": 1, GenerationRequest(prompt="").sampler: 5}
    assert facets.tasks == (("txt2img", 6),)
    assert facets.sizes == (((64, 64), 3), ((128, 64), 3))
    assert facets.tags == (("best", 2),)
    history.tag([saved["cat"].id, saved["castle"].id], remove=["best"])
    assert history.facets().tags == ()


def test_parents_and_children(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "outputs")
    history = History(tmp_path / "history.sqlite", tmp_path / "outputs")
    first = store.save(results(GenerationRequest(prompt="a", seed=1, steps=1, width=64, height=64))[0])
    init = InitImage(image=pictures.read(first.path), strength=1.0)
    child = store.save(results(GenerationRequest(prompt="b", seed=2, steps=1, width=64, height=64, init=init))[0])
    history.refresh()
    assert [entry.saved.id for entry in history.family(child.id).parents] == [first.id]
    assert history.family(child.id).children == ()
    assert [entry.saved.id for entry in history.family(first.id).children] == [child.id]
    assert history.family(first.id).parents == ()
    assert history.family("nothing").parents == ()
    history.close()


def test_only_pictures_with_a_lora(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "outputs")
    history = History(tmp_path / "history.sqlite", tmp_path / "outputs")
    prompts = ("a cat <lora:ink:0.8>", "lora, a photo of a lorry", "一只猫<lora:水墨:1>", "a cat")
    for number, prompt in enumerate(prompts):
        request = GenerationRequest(prompt=prompt, seed=number, steps=1, width=64, height=64)
        history.add(store.save(results(request)[0]))
    entries = history.search(Query(lora=True), 9).entries
    assert [entry.saved.seed for entry in entries] == [2, 0]
    assert history.count(Query(lora=True, words="ink")) == 1
    history.close()
