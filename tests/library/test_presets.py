"""Presets: what ships is valid, a bad file is told with file and line, words go into the slot and come out again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.types import GenerationRequest
from webui.library.presets import Preset, PresetError, bare, fill, load, load_all, read, stack
from webui.words import line

SHIPPED = Path(__file__).resolve().parents[2] / "presets"


def test_a_dozen_ships_for_both_kinds_of_model() -> None:
    presets = load(SHIPPED)
    assert len(presets) >= 12
    assert sum(preset.for_builtin for preset in presets) >= 4
    assert sum(not preset.for_builtin for preset in presets) >= 4


@pytest.mark.parametrize("preset", load_all(SHIPPED), ids=lambda preset: preset.name)
def test_each_shipped_one_makes_a_valid_request_and_speaks_both_languages(preset: Preset) -> None:
    fields = preset.apply("a red star", "dull")
    fields.pop("strength", None)
    request = GenerationRequest(**fields)
    if "{prompt}" in str(preset.fields.get("prompt")):
        assert request.prompt.count("a red star") == 1
    assert "{" not in request.prompt + request.negative_prompt
    assert re.search(r"[\u4e00-\u9fff]", preset.name_zh)
    assert not re.search(r"[\u4e00-\u9fff]", preset.name + preset.about)
    assert bool(preset.about) == bool(re.search(r"[\u4e00-\u9fff]", preset.about_zh))


def test_no_shipped_name_is_there_twice() -> None:
    presets = load_all(SHIPPED)
    assert len({preset.name.casefold() for preset in presets}) == len(presets)
    assert len({preset.name_zh for preset in presets}) == len(presets)


def test_sixty_styles_ship_that_only_add_words() -> None:
    styles = load(SHIPPED / "styles")
    assert len(styles) >= 60
    for style in styles:
        assert set(style.fields) == {"prompt", "negative_prompt"}
        assert style.fields["prompt"].count("{prompt}") == style.fields["negative_prompt"].count("{prompt}") == 1
        assert style.apply("a cat")["negative_prompt"][0] not in ", "


def test_the_historic_pictures_have_their_seeds() -> None:
    historic = {preset.fields.get("seed"): preset for preset in load(SHIPPED) if preset.group == "historic"}
    seeds = {450910884, 2099638317, 1017762050, 1843528981, 1133231789, 3160133777, 2632476034}
    assert seeds | {None} == set(historic)
    assert all(preset.fields["steps"] == 50 for preset in historic.values())
    assert (
        historic[450910884]
        .apply("ignored")["prompt"]
        .startswith("high quality 3 d render very cute fluffy cyborg!! cat")
    )


def test_a_stack_wraps_in_its_order() -> None:
    film = Preset(name="film", name_zh="胶片", fields={"prompt": "{prompt}, film", "steps": 30})
    portrait = Preset(
        name="portrait",
        name_zh="肖像",
        fields={"prompt": "a portrait of {prompt}", "negative_prompt": "{prompt}, blurry", "steps": 20},
    )
    asked = {"prompt": "a cat", "seed": 7}
    assert stack([film, portrait], asked) == {
        "prompt": "a portrait of a cat, film",
        "negative_prompt": "blurry",
        "steps": 20,
        "seed": 7,
    }
    other = stack([portrait, film], asked)
    assert (other["prompt"], other["steps"]) == ("a portrait of a cat, film", 30)
    twice = Preset(name="twice", name_zh="二", fields={"prompt": "{prompt}; {prompt}"})
    assert stack([twice, film], asked)["prompt"] == "a cat; a cat, film"
    assert stack([film, twice], asked)["prompt"] == "a cat, film; a cat, film"
    fixed = Preset(name="fixed", name_zh="定", fields={"prompt": "a dog"})
    assert stack([film, fixed], asked)["prompt"] == "a dog"
    assert stack([fixed, film], asked)["prompt"] == "a dog, film"
    assert stack([], asked) == asked
    assert asked == {"prompt": "a cat", "seed": 7}


@pytest.mark.parametrize(
    ("template", "words", "filled"),
    [
        ("{prompt}, pixel art", "a cat", "a cat, pixel art"),
        ("a portrait of {prompt}, film", "  a cat ", "a portrait of a cat, film"),
        ("{prompt}, pixel art", "", "pixel art"),
        ("a portrait of {prompt}, film", "", "a portrait of, film"),
        ("{prompt} , film", "a , b", "a , b , film"),
        ("film, {prompt}", "", "film"),
        ("film, {prompt}, warm light", "", "film, warm light"),
        ("no slot", "a cat", "no slot"),
        ("{prompt}, film", "50% {braces} \\1", "50% {braces} \\1, film"),
    ],
)
def test_words_go_into_the_slot(template: str, words: str, filled: str) -> None:
    assert fill(template, words) == filled


def test_words_come_out_again() -> None:
    presets = (
        Preset(name="a", name_zh="甲", fields={"prompt": "{prompt}, pixel art"}),
        Preset(name="b", name_zh="乙", fields={"prompt": "a portrait of {prompt}, film"}),
        Preset(name="c", name_zh="丙", fields={"steps": 5}),
        Preset(name="d", name_zh="丁", fields={"prompt": "{prompt}"}),
    )
    for preset in presets:
        shown = preset.apply("a cat").get("prompt", "a cat")
        assert bare(shown, presets) == "a cat"
    assert bare("film", presets) == "film"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- name: a\n  name_zh: b\n  steps: 500\n", "bad.yaml:1: Steps must be a whole number from 1 to 150, got 500"),
        (
            "# one\n\n- name: a\n  name_zh: b\n- name: c\n  name_zh: d\n  colour: red\n",
            "bad.yaml:5: colour is no setting",
        ),
        ("- name: a\n", "bad.yaml:1: name_zh must be text, got None"),
        ("- just words\n", "bad.yaml:1: must be a mapping"),
        ("name: a\n", "bad.yaml:1: must be a list of presets"),
        ("- name: a\n  name_zh: [b\n", "bad.yaml:3:"),
        ("- !!python/object/apply:os.system ['true']\n", "bad.yaml:1:"),
        ("- name: a\n  name_zh: b\n  strength: 0\n", "bad.yaml:1: Strength must be at least"),
        ("- name: a\n  name_zh: b\n  init: x\n", "bad.yaml:1: init is no setting"),
        ("- name: a\n  name_zh: b\n  sampler: PLMS\n  schedule: karras\n", "bad.yaml:1: Schedule must be one of"),
        ("- name: a\n  name_zh: b\n  for_builtin: 3\n", "bad.yaml:1: for_builtin must be true or false"),
        ("- name: a\n  name_zh: b\n- name: a\n  name_zh: c\n", "bad.yaml:3: 'a' is already in bad.yaml:1"),
        ("- name: a\n  name_zh: b\n  steps: 5\n  steps: 6\n", "bad.yaml:4: steps is given twice"),
        ("- name: a\n  name_zh: b\n  about: c\n", "bad.yaml:1: about and about_zh must be given both or neither"),
        ("- name: a\n  name_zh: b\n  about: [c]\n", "bad.yaml:1: about must be text"),
        ("- &a\n  name: a\n  name_zh: b\n- *a\n", "bad.yaml:4: must not use aliases"),
        ("- " + "[" * 30 + "]" * 30 + "\n", "bad.yaml:1: must not nest deeper than 20"),
    ],
)
def test_a_bad_file_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PresetError) as caught:
        load(tmp_path)
    assert line(caught.value).startswith(told)
    assert "\n" not in line(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"- name: " + b"a" * 300_000, b"[" * 20_000])
def test_bytes_that_are_no_presets(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "odd.yaml"
    file.write_bytes(data)
    with pytest.raises(PresetError) as caught:
        read(file)
    assert line(caught.value).startswith("odd.yaml")


def test_an_empty_file_and_a_missing_folder_hold_none(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert load(tmp_path) == ()
    assert load(tmp_path / "user") == ()
