"""Searching in one language finds prompts in the other, after those that say the very words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from pipelines.types import GenerationRequest
from tests.archive.helpers import NOON, results
from tests.conftest import ROOT
from webui.archive.history import History
from webui.archive.search import Query, by_other_names
from webui.archive.store import ImageStore
from webui.http.history import Searches, query_of
from webui.library.other_names import OtherNames
from webui.library.words import load_words

PROMPTS = (
    "a red fish",
    "一条红色的鱼",
    "fish tank",
    "a castle",
    "水里的鱼",
    "an oil painting of a fish",
    "selfishness",
)


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searches]:
    """One picture a day for each prompt, the last one newest."""
    folder = tmp_path_factory.mktemp("names")
    moments = iter(NOON + timedelta(days=day) for day in range(99))
    store = ImageStore(folder / "outputs", clock=lambda: next(moments))
    history = History(folder / "history.sqlite", folder / "outputs")
    for seed, prompt in enumerate(PROMPTS):
        history.add(store.save(results(GenerationRequest(prompt=prompt, seed=seed, steps=1, width=64, height=64))[0]))
    yield Searches(history, OtherNames(load_words(ROOT / "presets" / "words")))
    history.close()


def found(searches: Searches, words: str, limit: int = 50) -> list[str]:
    """All pages, each of at most `limit` pictures."""
    prompts: list[str] = []
    after: str | None = None
    for _ in range(20):
        page = searches.page(Query(words=words), limit, after)
        assert len(page.entries) <= limit
        prompts += [entry.saved.prompt for entry in page.entries]
        after = page.after
        if after is None:
            return prompts
    raise AssertionError("it does not end")


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_the_very_words_first_then_the_other_language(searches: Searches, limit: int) -> None:
    assert found(searches, "鱼", limit) == [
        "水里的鱼",
        "一条红色的鱼",
        "an oil painting of a fish",
        "fish tank",
        "a red fish",
    ]
    assert found(searches, "fish", limit) == [
        "an oil painting of a fish",
        "fish tank",
        "a red fish",
        "水里的鱼",
        "一条红色的鱼",
    ]


def test_it_is_counted_and_told(searches: Searches) -> None:
    assert searches.count(Query(words="鱼")) == (2, 3, ["fish"])
    assert searches.count(Query(words="castle"))[:2] == (1, 0)
    assert searches.count(Query(words="selfishness")) == (1, 0, [])
    assert searches.count(Query()) == (len(PROMPTS), 0, [])


def test_every_word_counts_in_either_language(searches: Searches) -> None:
    assert found(searches, "red 鱼") == ["一条红色的鱼", "a red fish"]
    assert found(searches, "鱼 -tank")[2:] == ["an oil painting of a fish", "a red fish"]
    assert found(searches, "nosuchword 鱼") == []


@pytest.mark.parametrize("words", ['"', "-鱼", '"鱼', "鱼 OR (", "fish\0", "NEAR(fish", "-", "^fish*"])
def test_nothing_typed_breaks_it(searches: Searches, words: str) -> None:
    searches.count(Query(words=words))
    found(searches, words)


def test_other_names_come_from_the_library_alone() -> None:
    assert query_of({"words": "a", "groups": "b"}) == Query(words="a")
    assert by_other_names([(("a",), ())]) is None
