"""Styles of other programs: read as they read them, written so that they read them back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.errors import InvalidRequest
from webui.library.files import LibraryError
from webui.library.presets import Preset, load_all
from webui.library.styles_csv import Style, from_preset, parse_csv, read_styles, to_csv, to_presets
from webui.words import line

SHIPPED = Path(__file__).resolve().parents[2] / "presets"

A1111 = (
    "\ufeffname,prompt,negative_prompt\r\n"
    "# my own,,\r\n"
    "---- PORTRAITS ----,,\r\n"
    'Film, "35mm film, grain","digital, clean"\r\n'
    'Around,"a portrait of {prompt}, candle light",\r\n'
    '"Two\nlines","first\nsecond ""quoted""",\r\n'
    "\r\n"
    "Only negative,,blurry\r\n"
    "Film,other,\r\n"
)


def write(folder: Path, name: str, data: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def test_a_file_of_a1111(tmp_path: Path) -> None:
    imported = read_styles(write(tmp_path, "styles.csv", A1111))
    assert imported.problems == ()
    assert [(one.name, dict(one.fields), one.source) for one in imported.presets] == [
        (
            "Film",
            {"prompt": "{prompt}, 35mm film, grain", "negative_prompt": "{prompt}, digital, clean"},
            "styles.csv:4",
        ),
        ("Around", {"prompt": "a portrait of {prompt}, candle light"}, "styles.csv:5"),
        ("Two lines", {"prompt": '{prompt}, first\nsecond "quoted"'}, "styles.csv:6"),
        ("Only negative", {"negative_prompt": "{prompt}, blurry"}, "styles.csv:10"),
        ("Film 2", {"prompt": "{prompt}, other"}, "styles.csv:11"),
    ]


def test_the_legacy_header_other_orders_and_more_columns(tmp_path: Path) -> None:
    legacy = read_styles(write(tmp_path, "old.csv", "name,text\nFilm,grain\n"))
    assert dict(legacy.presets[0].fields) == {"prompt": "{prompt}, grain"}
    other = read_styles(write(tmp_path, "other.csv", "id,negative_prompt,Name,prompt\n7,blurry,Film,grain\n8,,Short\n"))
    assert dict(other.presets[0].fields) == {"prompt": "{prompt}, grain", "negative_prompt": "{prompt}, blurry"}
    assert (other.presets[1].name, dict(other.presets[1].fields)) == ("Short", {})


def test_utf_16_as_spreadsheets_write_it(tmp_path: Path) -> None:
    imported = read_styles(write(tmp_path, "styles.csv", "name,prompt\n胶片,颗粒\n".encode("utf-16")))
    assert imported.presets[0].name == "胶片"


def test_a_list_of_fooocus(tmp_path: Path) -> None:
    styles = [
        {"name": "cat-photo", "prompt": "photo of {prompt} . 35mm, bokeh", "negative_prompt": "painting"},
        {"name": "cat-anime", "prompt": "anime {prompt}", "extra": {"steps": 3}},
        {"name": "cat-sharp", "prompt": None, "negative_prompt": "blurry"},
    ]
    imported = read_styles(write(tmp_path, "styles.JSON", json.dumps(styles)))
    assert [(one.name, dict(one.fields)) for one in imported.presets] == [
        ("cat-photo", {"prompt": "photo of {prompt} . 35mm, bokeh", "negative_prompt": "{prompt}, painting"}),
        ("cat-anime", {"prompt": "anime {prompt}"}),
        ("cat-sharp", {"negative_prompt": "{prompt}, blurry"}),
    ]
    assert imported.presets[0].apply("a cat", "dull")["negative_prompt"] == "dull, painting"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", "", "a.csv:1: must begin with the header name,prompt,negative_prompt"),
        ("a.csv", "hello\n", "a.csv:1: must begin with the header name,prompt,negative_prompt, got hello"),
        ("a.csv", "name,prompt\nx," + "a" * 140_000, "a.csv:2: field larger"),
        ("a.csv", b"name,prompt\n\xff\xff\n", "a.csv: must be UTF-8"),
        ("a.json", "{}", "a.json:1: must be a list of styles, got dict"),
        ("a.json", "[\n{]", "a.json:2: "),
        ("a.json", "[" * 100_000, "a.json:1: is not JSON"),
        ("a.json", '[{"name": "a", "prompt": "b"}, 3]', "a.json: style 2 must be a mapping"),
        ("a.json", '[{"name": "a", "prompt": 3}]', "a.json: style 1: prompt must be text, got int"),
        ("a.json", '[{"prompt": "b"}]', "a.json: style 1: name must be text"),
        ("none.csv", None, "none.csv: cannot be read"),
    ],
)
def test_what_is_no_list_of_styles(tmp_path: Path, name: str, data: str | bytes | None, told: str) -> None:
    file = tmp_path / name if data is None else write(tmp_path, name, data)
    with pytest.raises(LibraryError) as caught:
        read_styles(file)
    assert line(caught.value).startswith(told)


def test_one_bad_row_costs_no_other(tmp_path: Path) -> None:
    imported = read_styles(write(tmp_path, "a.csv", f"name,prompt\nlong,{'x' * 30_000}\nfine,grain\n"))
    assert [preset.name for preset in imported.presets] == ["fine"]
    (problem,) = imported.problems
    assert (problem.code, problem.values["at"], problem.values["problem"].values["field"]) == (
        "library_place",
        "a.csv:2",
        "prompt",
    )


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
STYLES = st.lists(st.builds(Style, name=TEXT, prompt=TEXT, negative_prompt=TEXT), max_size=6)


@settings(deadline=None, max_examples=50)
@given(STYLES)
@example([Style(name=" a", prompt="  b ", negative_prompt=' "c')])
def test_any_styles_come_back_as_they_were(styles: list[Style]) -> None:
    data = to_csv(styles)
    assert data.startswith(b"\xef\xbb\xbfname,prompt,negative_prompt\r\n")
    assert [style for _line, style in parse_csv(data.decode("utf-8-sig"))] == styles


@settings(deadline=None, max_examples=50)
@given(STYLES)
@example([Style(name=" a", prompt="  b ", negative_prompt=' "c')])
def test_a_dict_reader_that_skips_spaces_reads_the_same(styles: list[Style]) -> None:
    """How A1111 reads its file."""
    rows = csv.DictReader(io.StringIO(to_csv(styles).decode("utf-8-sig"), newline=""), skipinitialspace=True)
    assert [Style(**row) for row in rows] == styles


WORDS = st.text("abc {}|.", min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(deadline=None, max_examples=50)
@given(WORDS, WORDS, st.booleans())
def test_words_end_up_where_a1111_puts_them(style: str, words: str, slotted: bool) -> None:
    text = f"{style} {{prompt}}" if slotted else style
    ((preset,), _) = (to_presets([(1, Style(name="a", prompt=text))]).presets, None)
    expected = text.replace("{prompt}", words) if "{prompt}" in text else ", ".join((words, text))
    assert preset.apply(words)["prompt"] == expected


@pytest.mark.parametrize("preset", [one for one in load_all(SHIPPED) if one.group not in ("historic", "scenes")][::7])
def test_shipped_presets_survive_the_way_out_and_in(preset: Preset) -> None:
    if not preset.fields.get("prompt"):
        return
    rows = parse_csv(to_csv([from_preset(preset)]).decode("utf-8-sig"))
    (back,) = to_presets(rows).presets
    for key in ("prompt", "negative_prompt"):
        assert back.fields.get(key) == preset.fields.get(key)


def test_the_slot_is_left_away_where_it_goes_without_saying() -> None:
    preset = Preset(
        name="a", name_zh="甲", fields={"prompt": "{prompt}, film", "negative_prompt": "{prompt}, {prompt}"}
    )
    assert from_preset(preset) == Style(name="a", prompt="film", negative_prompt="{prompt}, {prompt}")
    with pytest.raises(InvalidRequest, match="style_slot"):
        from_preset(Preset(name="a", name_zh="甲", fields={"prompt": "a dog"}))
