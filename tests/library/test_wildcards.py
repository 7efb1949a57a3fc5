"""Choices: drawn by the seed alone, everything else left letter for letter."""

from __future__ import annotations

import collections
import itertools
import os
import random
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import InvalidRequest, Note
from pipelines.prompts.grammar import parse
from tests.counting import at_most, calls_of
from webui.library.wildcard_lists import WildcardFolder, word_lists
from webui.library.wildcards import Pick, fault, has_choices, resolve, unfinished
from webui.library.words import load_words

SHIPPED = Path(__file__).resolve().parents[2] / "presets"
LISTS = {
    "colour": ["red", "green", "blue"],
    "animals/wild": ["fox", "wolf"],
    "animals/pets": ["cat"],
    "pair": ["{a|b} and __colour__"],
    "heavy": ["9::x", "y"],
    "round": ["again __other__"],
    "other": ["__round__"],
    "empty": [],
    "joint": ["and", "with"],
    "spaced": [" and ", ", "],
    "Hair Colors (v1.5)": ["dark", "fair"],
    "Salt & pepper's": ["salt"],
    "a__b": ["both"],
}
PAIRS = (("fox", "wolf"), ("wolf", "fox"))
SEEDS = range(300)


def results(template: str, seeds: range = SEEDS) -> collections.Counter[str]:
    return collections.Counter(resolve(template, seed, LISTS).prompt for seed in seeds)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{a|b|c}", {"a", "b", "c"}),
        ("a {big |}cat", {"a big cat", "a cat"}),
        ("{2$$a|b|c}", {", ".join(two) for two in itertools.permutations("abc", 2)}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1-2$$a|b}", {"a", "b", "a, b", "b, a"}),
        ("{-1$$a|b}", {"", "a", "b"}),
        ("{1-$$a|b}", {"a", "b", "a, b", "b, a"}),
        ("{5$$a|b}", {"a, b", "b, a"}),
        ("{2$$ a | b }", {"a, b", "b, a"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{a|{2$$b|c}}", {"a", "b, c", "c, b"}),
        ("__colour__", {"red", "green", "blue"}),
        ("{2$$__colour__}", {", ".join(two) for two in itertools.permutations(["red", "green", "blue"], 2)}),
        ("__animals/*__", {"fox", "wolf", "cat"}),
        ("__pair__", {f"{one} and {two}" for one in "ab" for two in ("red", "green", "blue")}),
        ("{__colour__|x}", {"red", "green", "blue", "x"}),
        ("{0::a|b}", {"b"}),
        ("{0::a|0::b}", {"a", "b"}),
        ("{3$$0::a|b|c}", {"b, c", "c, b"}),
        # choices in what joins them
        ("{2$$__joint__$$a|b}", {"a and b", "b and a", "a with b", "b with a"}),
        ("{2$$__spaced__$$a|b}", {"a and b", "b and a", "a, b", "b, a"}),
        ("{2$${ or | nor }$$a|b}", {"a or b", "b or a", "a nor b", "b nor a"}),
        ("{2$${1$$ or }$$a|b}", {"a or b", "b or a"}),
        ("{2$$__joint__$$__animals/wild__}", {f"{a} {j} {b}" for j in ("and", "with") for a, b in PAIRS}),
        ("{2$$and$$a|b}", {"aandb", "banda"}),  # written so
        ("{1$$__joint__$$a|b}", {"a", "b"}),
        ("{2$${1$$x|y}|b}", {"x, b", "y, b", "b, x", "b, y"}),
        # names
        ("__Hair Colors (v1.5)__", {"dark", "fair"}),
        ("__hair  COLORS (v1.5)__", {"dark", "fair"}),
        ("a__Salt & pepper's__b", {"asaltb"}),
        ("__ANIMALS\\Pets__", {"cat"}),
        ("__a__b__", {"both"}),
        ("hello__world and foo__bar", {"hello__world and foo__bar"}),
        # the prompt's own grammar
        ("[a|b]", {"[a|b]"}),
        ("{[a|b]|c}", {"[a|b]", "c"}),
        ("{a[|b}", {"a[", "b"}),
        ("{a]|[b}", {"a]", "[b"}),
        ("[{a|b}:{c|d}:0.5]", {f"[{one}:{two}:0.5]" for one in "ab" for two in "cd"}),
        ("({a|b}:1.2)", {"(a:1.2)", "(b:1.2)"}),
        (r"{a\(x\)|b}", {r"a\(x\)", "b"}),
        ("{a:1|b:2}", {"a:1", "b:2"}),
        # letters
        ("{a}", {"{a}"}),
        ("{prompt}, {", {"{prompt}, {"}),
        ("}{", {"}{"}),
        ("a | b", {"a | b"}),
        ("{ {a|b}", {"{ a", "{ b"}),
        ("{a|b} }", {"a }", "b }"}),
        ("{x {a|b} y}", {"{x a y}", "{x b y}"}),
        (r"\{a|b\}", {"{a|b}"}),
        (r"{\{|\}}", {"{", "}"}),
        (r"\__colour__", {r"\__colour__"}),
        ("__nope__ __empty__", {"__nope__ __empty__"}),
        ("{2$$__nope__}", {"{2$$__nope__}"}),
        ("_____ a__ __b", {"_____ a__ __b"}),
        ("#1 100% // a\n\n b  c", {"#1 100% // a\n\n b  c"}),
        ("<lora:my_x:0.5>", {"<lora:my_x:0.5>"}),
        ("", {""}),
    ],
)
def test_what_a_template_can_become(template: str, expected: set[str]) -> None:
    assert set(results(template)) == expected


def test_equal_options_come_equally_often_and_weights_count() -> None:
    many = range(3000)
    for count in results("{a|b|c}", many).values():
        assert 900 < count < 1100  # 1000 ± 4 standard deviations
    assert 2150 < results("{3::a|b}", many)["a"] < 2350
    assert 2630 < results("__heavy__", many)["x"] < 2770
    assert 1370 < results("{0.5::a|0.5::b}", many)["a"] < 1630


def test_the_seed_alone_decides() -> None:
    template = "{a|b|c|d|e} __colour__ {2$$p|q|r|s} __pair__"
    for seed in range(20):
        assert resolve(template, seed, LISTS) == resolve(template, seed, LISTS)
    assert len(results(template)) > 200
    # the order of a mapping is no part of it
    assert resolve("__animals/*__", 5, LISTS) == resolve("__animals/*__", 5, dict(reversed(LISTS.items())))


def test_neighbouring_seeds_and_the_two_prompts_draw_apart() -> None:
    template = "{a|b|c|d}"
    one = [resolve(template, seed, {}).prompt for seed in range(400)]
    other = [resolve(template, seed, {}, name="negative_prompt").prompt for seed in range(400)]
    assert 60 < sum(a == b for a, b in zip(one, other, strict=True)) < 140  # 100 by chance
    assert 60 < sum(a == b for a, b in itertools.pairwise(one)) < 140


def test_a_draw_stays_the_same_from_one_version_to_the_next() -> None:
    """Only `random()` of a generator seeded with "name:seed" is used: first how many, then which."""
    rng = random.Random("prompt:1")
    first, second = rng.random(), rng.random()
    assert resolve("{a|b|c}", 1, {}).prompt == "abc"[int(second * 3)]
    assert resolve("__colour__", 1, LISTS).prompt == ["red", "green", "blue"][int(first * 3)]


def test_both_texts_and_every_draw_are_told() -> None:
    found = resolve("{a|a} __pair__ __nope__ __nope__", 3, LISTS)
    assert found.template == "{a|a} __pair__ __nope__ __nope__"
    assert found.prompt.startswith("a ")
    assert [pick.source for pick in found.picks] == ["{a|a}", "__pair__", "{a|b}", "__colour__"]
    assert found.picks[1] == Pick(source="__pair__", chosen="{a|b} and __colour__")
    assert found.unresolved == ("nope",)
    assert has_choices("{a|b}", LISTS)
    assert has_choices(r"\{", LISTS)
    assert not has_choices("{prompt} __nope__ [a|b]", LISTS)


def test_circles_end() -> None:
    assert resolve("__round__", 1, LISTS).prompt == "again __round__"
    assert resolve("__round__", 1, LISTS).unresolved == ("round",)
    assert resolve("{2$$__round__}", 1, LISTS).prompt == "again __round__"
    assert resolve("__*__", 1, {"a": ["__*__"]}).prompt == "__*__"


@pytest.mark.parametrize(
    ("template", "lists"),
    [
        ("__a0__", {f"a{n}": [f"__a{n + 1}__ __a{n + 1}__"] for n in range(30)}),
        ("__a0__", {f"a{n}": [f"__a{n + 1}__"] for n in range(60)} | {"a60": ["x"]}),
        ("{0::b|" * 60 + "a" + "}" * 60, {}),
        ("__long__ " * 30, {"long": ["x" * 1000]}),
    ],
)
def test_what_grows_without_end_is_refused_soon(template: str, lists: dict[str, list[str]]) -> None:
    with at_most(1_000_000), pytest.raises(InvalidRequest) as caught:  # 220,000 were counted
        resolve(template, 1, lists)
    assert caught.value.field == "prompt"


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "text", ["{" * 10_000 + "}" * 10_000, "{[" * 5_000, "_" * 20_000, "{a|" * 6_000, "\\" * 20_000]
)
def test_odd_texts_stay_and_their_work_grows_with_their_length_alone(text: str) -> None:
    assert resolve(text, 1, LISTS).prompt == text
    half, whole = text[len(text) // 4 : len(text) * 3 // 4], text  # from the middle: brackets stay in pairs
    counted = calls_of(lambda: resolve(half, 1, LISTS))
    with at_most(3 * counted):
        resolve(whole, 1, LISTS)


PIECES = st.sampled_from(
    [
        "{",
        "}",
        "|",
        "[",
        "]",
        "\\",
        "$$",
        "2$$",
        "1-2$$",
        "3::",
        "__",
        "colour",
        "nope",
        "a",
        " ",
        ",",
        "(",
        ":1.2)",
        "é",
        "\n",
    ]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=30).map("".join), st.integers(0, 2**32 - 1))
def test_any_text_resolves_and_then_parses(text: str, seed: int) -> None:
    found = resolve(text, seed, LISTS)
    assert found.template == text
    parse(found.prompt)
    if not found.picks and not re.search(r"\\[{}]", text):
        assert found.prompt == text


@settings(deadline=None, max_examples=100)
@given(st.text("abc ()[]|:,.!?#%$&<>1", max_size=60), st.integers(0, 2**32 - 1))
def test_text_without_choices_is_untouched(text: str, seed: int) -> None:
    assert resolve(text, seed, LISTS).prompt == text


NAMES = st.text(
    st.one_of(st.sampled_from(" .&'+-_()[],!@%^=~$"), st.characters(categories=["L", "N"])), min_size=1, max_size=20
).map(lambda name: " ".join(name.split()))


@settings(deadline=None, max_examples=300)
@given(st.sets(NAMES.filter(lambda name: not name.startswith("$$") and "$$" not in name), min_size=1, max_size=5))
def test_whatever_a_list_is_called_it_is_found(names: set[str]) -> None:
    lists = {name: [f"value {place}"] for place, name in enumerate(sorted(filter(None, names)))}
    for place, name in enumerate(lists):
        assert resolve(f"a __{name}__ cat", 1, lists).prompt == f"a value {place} cat"
        assert resolve(f"{{1$$__{name}__}}", 1, lists).prompt == f"value {place}"
        assert fault(f"a __{name}__ cat", lists) is None


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        ("a {b|c", ["{b|c"]),
        ("{a|{b|c}", ["{a|{b|c}"]),
        ("{2$$a", ["{2$$a"]),
        ("{a|b} {c", []),
        (r"\{a|b", []),
        ("{", []),
    ],
)
def test_a_choice_that_is_not_closed_is_told(text: str, begun: list[str]) -> None:
    assert unfinished(text) == tuple(Note("choice_unclosed", text=one) for one in begun)


# -- files ----------------------------------------------------------------------------------------------------------


def test_lists_from_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "colours.txt").write_text("\ufeff# mine\nred\n\n  green \n", encoding="utf-8")
    (tmp_path / "in" / "深.txt").write_text("蓝\n", encoding="utf-8")
    (tmp_path / "plain.yaml").write_text("- one\n- 2\n", encoding="utf-8")
    (tmp_path / "deep.yaml").write_text("a:\n  b: [x]\n  c:\n    d: [y, z]\n", encoding="utf-8")
    (tmp_path / "LOUD.TXT").write_text("x\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("nothing", encoding="utf-8")
    folder = WildcardFolder(tmp_path, {"colours": ("other",), "words/light": ("dim",)})
    lists = folder.lists()
    assert dict(lists.lists) == {
        "colours": ("red", "green"),
        "in/深": ("蓝",),
        "LOUD": ("x",),
        "plain": ("one", "2"),
        "a/b": ("x",),
        "a/c/d": ("y", "z"),
        "words/light": ("dim",),
    }
    assert lists.problems == ()
    assert folder.lists() is lists
    os.utime(tmp_path / "colours.txt", ns=(1, 1))
    assert folder.lists() is not lists
    assert resolve("__in/深__", 1, lists.lists).prompt == "蓝"
    assert resolve("__../plain__", 1, lists.lists).prompt == "__../plain__"


def test_a_file_named_as_people_name_them(tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[1] / "data" / "cases" / "12", tmp_path, dirs_exist_ok=True)
    lists = WildcardFolder(tmp_path).lists().lists
    values = (tmp_path / "Hair Colors.txt").read_text(encoding="utf-8").splitlines()
    assert {resolve("a __Hair Colors__ cat", seed, lists).prompt for seed in range(40)} == {
        f"a {v} cat" for v in values
    }


def test_one_bad_file_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xff")
    (tmp_path / "b.yaml").write_text("x: [1\n", encoding="utf-8")
    (tmp_path / "c.yaml").write_text("x: 1\n", encoding="utf-8")
    (tmp_path / "d.txt").write_text("fine\n", encoding="utf-8")
    (tmp_path / "d.yaml").write_text("- again\n", encoding="utf-8")
    (tmp_path / "e.yaml").write_text("", encoding="utf-8")
    lists = WildcardFolder(tmp_path).lists()
    assert dict(lists.lists) == {"d": ("fine",)}
    assert [problem.values["at"].split(":")[0] for problem in lists.problems] == ["a.txt", "b.yaml", "c.yaml", "d.yaml"]
    assert dict(WildcardFolder(tmp_path / "none").lists().lists) == {}


def test_the_shipped_lists_resolve_to_the_end() -> None:
    folder = WildcardFolder(SHIPPED / "wildcards", word_lists(load_words(SHIPPED / "words")))
    lists = folder.lists()
    assert lists.problems == ()
    assert len(lists.lists["words/light"]) > 20
    for name in lists.lists:
        for seed in range(30):
            found = resolve(f"__{name}__", seed, lists.lists)
            assert found.unresolved == ()
            assert "__" not in found.prompt
            assert "{" not in found.prompt


def test_shipped_scenes_are_prompts_of_the_built_in_model() -> None:
    folder = WildcardFolder(SHIPPED / "wildcards")
    pattern = re.compile(
        r"a (small |big )?\w+ \w+ "
        r"(on a \w+ background|in space|(in|on) (a|the) \w+( during the day| at sunset| at night)?)"
        r", (flat illustration|cartoon|pixel art|watercolor)"
    )
    prompts = {resolve("__builtin-scene__", seed, folder.lists().lists).prompt for seed in range(200)}
    assert len(prompts) > 150
    assert [prompt for prompt in prompts if not pattern.fullmatch(prompt)] == []
